"""Charts as SVG text; the same text for the same data."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

# Colours that differ to colour-blind eyes: Okabe and Ito, Color Universal Design (2008).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_SIZE = (7.2, 4.2)


class Mark(NamedTuple):
    """A margin in a chart.

    Attributes:
        name: Its kind and its number, such as ``auto 5%``.
        false_negatives: Share of false negatives among those kept.
        kept: Negatives kept of a row.
        interval: Ends of the interval of `false_negatives`, where one is known.
    """

    name: str
    false_negatives: float
    kept: float
    interval: tuple[float, float] | None = None


def yield_chart(marks: Sequence[Mark], keep: int | None = None, title: str = "") -> str:
    """False negatives (across) against negatives kept (up); the best margin is up on the left.

    Args:
        marks: The margins; those of one kind (the name without its number) are joined.
        keep: Most negatives of a row, drawn as a line.
        title: Above the chart.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "synth", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        kinds: dict[str, list[Mark]] = {}
        for mark in marks:
            kinds.setdefault(_parted(mark.name)[0], []).append(mark)
        for at, (kind, some) in enumerate(kinds.items()):
            x = [100 * one.false_negatives for one in some]
            y = [one.kept for one in some]
            low, high = zip(*map(_beside, some), strict=True)
            colour = COLOURS[at % len(COLOURS)]
            axes.errorbar(
                x, y, xerr=(low, high), marker="o", markersize=4, color=colour, label=kind,
                ecolor=(*mpl.colors.to_rgb(colour), 0.3),
            )  # fmt: skip
            for one, a, b in zip(some, x, y, strict=True):
                number = _parted(one.name)[1]
                axes.annotate(number, (a, b), xytext=(4, 4), textcoords="offset points", fontsize=7)
        if keep is not None:
            axes.axhline(keep, color="#999999", linewidth=0.8, linestyle="--")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("false negatives among those kept, %")
        axes.set_ylabel("negatives kept of a row")
        axes.set_title(title)
        axes.legend(frameon=False)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _parted(name: str) -> tuple[str, str]:
    """The kind of a margin and its number, which it may be without."""
    kind, _, last = name.rpartition(" ")
    return (kind, last) if any(map(str.isdigit, last)) and kind else (name, "")


def _beside(mark: Mark) -> tuple[float, float]:
    """How far the ends of the interval lie to the left and to the right, in percent."""
    if mark.interval is None:
        return 0.0, 0.0
    low, high = mark.interval
    return max(0.0, 100 * (mark.false_negatives - low)), max(
        0.0, 100 * (high - mark.false_negatives)
    )
