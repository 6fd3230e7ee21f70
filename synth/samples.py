"""Rows of a run as cards, those made from another row beside what they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from synth.html.card import card

if TYPE_CHECKING:
    from synth.view import Run


def cards(run: Run, step: str, rows: Sequence[dict[str, Any]], level: int = 4) -> list[Markup]:
    """Rows of a step as cards.

    Args:
        run: The run.
        step: The step.
        rows: Some of its rows.
        level: Of the cards' headings.
    """
    parents = _parent_texts(run, step, rows)
    return [card(row, parents.get(row.get("parent_id") or ""), level) for row in rows]


def _parent_texts(run: Run, step: str, rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The texts of the rows that documents were made from; a query's is among its positives."""
    wanted = [
        row["parent_id"]
        for row in rows
        if row.get("parent_id") and row.get("text") and row.get("query") is None
    ]
    made_in = {(row.get("provenance") or {}).get("step") or step for row in rows} if wanted else ()
    found: dict[str, str] = {}
    for name in made_in:
        reads = run[name].record.reads if name in run else ""
        if reads in run and "text" in run[reads].schema.names:
            table = run[reads].search(["id"], wanted, ["id", "text"])
            found |= {row["id"]: row["text"] or "" for row in table.to_pylist()}
    return found
