"""What one look at the quality of a run found."""

from __future__ import annotations

from dataclasses import dataclass

from synth.html.figure import Figure


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the quality report.

    Attributes:
        name: Stable name, such as ``depth``.
        title: What it is about.
        told: What was found, in sentences.
        head: Names of the columns of its table.
        lines: The table; its first column names the lines.
        figures: Its charts.
        to_do: What to do to get it, where it could not be had.
    """

    name: str
    title: str
    told: str = ""
    head: tuple[str, ...] = ()
    lines: tuple[tuple[str, ...], ...] = ()
    figures: tuple[Figure, ...] = ()
    to_do: str = ""
