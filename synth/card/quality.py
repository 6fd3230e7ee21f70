"""What was measured of the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synth.card.markdown import code, markdown_table
from synth.card.run_info import RunInfo


def quality(run: RunInfo) -> str:
    """The section with all figures of a run, a table for each of its headings."""
    parts = [
        f"{code(name)}:\n\n{markdown_table(['figure', 'value'], list(figures.items()))}"
        for name, figures in run.figures.items()
        if figures
    ]
    return "\n\n".join(["## Quality", *parts]) if parts else ""


_HEADING = "\n## Quality\n"
# The first section after it, of which some cards lack the one or the other.
_NEXT = re.compile(r"^## (Models|Prompts|Make it again)$", re.MULTILINE)


def with_quality(card: str, tables: Sequence[tuple[str, str, Sequence[Sequence[str]]]]) -> str:
    """The card with more figures in its section on quality.

    Args:
        card: A card as `render_card` makes it.
        tables: Title, what it tells, and its lines, the head first.
    """
    made = card.find("\n## How it was made\n")
    after = _NEXT.search(card, max(made, 0))
    if not tables or after is None:
        return card
    before = card[: after.start()].rstrip("\n")
    parts = [
        "\n\n".join(filter(None, (f"### {title}", told, markdown_table(lines[0], lines[1:]))))
        for title, told, lines in tables
    ]
    heading = [] if _HEADING in card[made : after.start()] else [_HEADING.strip()]
    return "\n\n".join([before, *heading, *parts, card[after.start() :]])
