"""Charts as small SVG that takes its colours from the page, each with its numbers in a table."""

from __future__ import annotations

from typing import assert_never

from markupsafe import Markup

from synth.html.figure import Bars, Figure, Histogram, shares
from synth.html.plain import number
from synth.html.render import render

_TICKS = 4
_HEIGHT = 100.0


def chart(figure: Figure) -> Markup:
    """A figure as a chart, with a table that says the same to who cannot see it."""
    match figure:
        case Bars():
            return render("bars.html", figure=figure, bars=_bars(figure))
        case Histogram():
            return render(
                "histogram.html", figure=figure, paths=_paths(figure), ticks=_ticks(figure),
                said=_said(figure),
            )  # fmt: skip
        case _:
            assert_never(figure)


def _bars(figure: Bars) -> list[list[tuple[float, float]]]:
    """Beginning and length of each part of each bar, in percent of the longest."""
    scale = 100 / figure.top if figure.top else 0.0
    found = []
    for values in zip(*(one.values for one in figure.series), strict=True):
        at, parts = 0.0, []
        for value in values:
            length = max(0.0, value) * scale
            parts.append((round(at, 2), round(length, 2)))
            at += length
        found.append(parts)
    return found


def _paths(figure: Histogram) -> list[str]:
    """The outline of each series, as high as the share of its values in each class."""
    heights = [shares(one.values) for one in figure.series]
    top = max((max(one, default=0.0) for one in heights), default=0.0) or 1.0
    width = 100 / max(1, len(figure.edges) - 1)
    found = []
    for one in heights:
        steps = (
            f"L{at * width:.2f} {_y(share, top)}L{(at + 1) * width:.2f} {_y(share, top)}"
            for at, share in enumerate(one)
        )
        found.append(f"M0 {_HEIGHT:.0f}{''.join(steps)}L100 {_HEIGHT:.0f}Z")
    return found


def _y(share: float, top: float) -> str:
    return f"{_HEIGHT * (1 - 0.96 * share / top):.2f}"


def _ticks(figure: Histogram) -> list[str]:
    classes = len(figure.edges) - 1
    return [number(figure.edges[round(at * classes / _TICKS)]) for at in range(_TICKS + 1)]


def _said(figure: Histogram) -> str:
    """What the chart shows, in a sentence: where most values of each series lie."""
    told = []
    for one in figure.series:
        share = shares(one.values)
        if any(share):
            at = max(range(len(share)), key=share.__getitem__)
            ends = f"{number(figure.edges[at])} to {number(figure.edges[at + 1])}"
            told.append(f"{one.name} are most often {ends} ({share[at]:.0%})")
    return f"{figure.title}: {'; '.join(told) or 'no values'}. The numbers are in the table below."
