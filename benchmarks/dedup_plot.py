"""A small line chart as SVG, written by hand: no package that draws is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

Line = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT = 680, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 436, 24, 272
# Colours that differ to colour-blind eyes: Okabe and Ito, Color Universal Design (2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("", "6 4", "2 3", "9 3 2 3", "", "6 4")


def chart(lines: Mapping[str, Line], x_name: str, y_name: str, lowest: float) -> str:
    """The lines over common axes; y runs from `lowest` to 1, which must hold every point.

    Args:
        lines: Points of each line by its name, in the order of x.
        x_name: What x is.
        y_name: What y is.
        lowest: The least y.
    """
    marks = sorted({x for line in lines.values() for x, _ in line})
    first, last = marks[0], marks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - first) / (last - first) if last > first else 0.5
        up = (y - lowest) / (1 - lowest)
        return (
            round(_LEFT + across * (_RIGHT - _LEFT), 1),
            round(_BOTTOM - up * (_BOTTOM - _TOP), 1),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" '
        f'aria-label="{escape(y_name)} by {escape(x_name)}">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for step in range(5):
        value = lowest + (1 - lowest) * step / 4
        _, y = place(first, value)
        parts.append(f'<path d="M{_LEFT} {y}H{_RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:.2f}</text>')
    for mark in marks:
        x, _ = place(mark, 1)
        parts.append(f'<text x="{x}" y="{_BOTTOM + 18}" text-anchor="middle">{mark:g}</text>')
    middle = (_LEFT + _RIGHT) / 2
    below = f'x="{middle}" y="{_BOTTOM + 38}" text-anchor="middle"'
    parts.append(f"<text {below}>{escape(x_name)}</text>")
    parts.append(f'<text x="8" y="14">{escape(y_name)}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour, dash = _COLOURS[number % 6], _DASHES[number % 6]
        points = [place(x, y) for x, y in line]
        path = " ".join(f"{x},{y}" for x, y in points)
        look = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{path}" fill="none" {look}/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points]
        at = _TOP + 12 + 20 * number
        parts.append(f'<path d="M{_RIGHT + 16} {at}h28" {look}/>')
        parts.append(f'<text x="{_RIGHT + 50}" y="{at + 4}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])
