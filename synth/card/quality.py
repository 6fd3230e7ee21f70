"""What was measured of the rows."""

from __future__ import annotations

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
