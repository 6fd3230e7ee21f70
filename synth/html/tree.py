"""The lineage of a row as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from synth.html.card import value_in_words
from synth.html.plain import number
from synth.html.render import render

if TYPE_CHECKING:
    from synth.lineage import Lineage, Use

# Lists in which a text stands, and rows made from it, that a page names; the others are counted.
_MOST = 20
_NONE: tuple[object, ...] = ([], "", "{}", None)


def tree(lineage: Lineage) -> Markup:
    """What happened to a row from its source on, where its text stands, and what became of it."""
    is_row = any(event.id == lineage.id for event in lineage.events)
    listing = set() if is_row else {use.row_id for use in lineage.uses}
    rows: list[dict[str, Any]] = []
    for event in lineage.events:
        if not rows or rows[-1]["id"] != event.id:
            role = "row" if event.id == lineage.id else "in row" if event.id in listing else "from"
            rows.append({"id": event.id, "role": role, "events": []})
        facts = {name: value for name, value in event.facts.items() if value not in _NONE}
        by = facts.pop("made_by", [])
        told = [(name.replace("_", " "), value_in_words(value)) for name, value in facts.items()]
        told += [("written by", value_in_words(dict(one))) for one in by]
        rows[-1]["events"].append({"step": event.step, "what": event.what, "facts": told})
    return render(
        "lineage.html",
        id=lineage.id,
        rows=rows,
        uses=[(use, _facts(use)) for use in lineage.uses[:_MOST]],
        more_uses=max(0, len(lineage.uses) - _MOST),
        children=lineage.children[:_MOST],
        more_children=max(0, len(lineage.children) - _MOST),
    )


def _facts(use: Use) -> list[tuple[str, str]]:
    found = [("origin", use.origin or ""), ("score", number(use.score))]
    if use.rejected_by:
        found += [("rejected by", f"{use.rejected_by}: {use.reason}")]
        found += [("ceiling", number(use.ceiling))]
    found += [("written by", value_in_words(dict(one))) for one in use.made_by]
    return [(name, told) for name, told in found if told]
