"""Values of several axes for numbered rows, in the shares that weights say."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from synth.core.ids import unit_interval


def grid_row(number: int, axes: Mapping[str, Mapping[str, float]], seed: int) -> dict[str, str]:
    """The value of each axis in one row.

    Rows 0 to n - 1 have every value about as often as its weight says, for every n, and every
    combination about as often as the product of its weights; a row does not depend on how many
    there are. Each axis walks through [0, 1) in steps of an irrational of its own, from a start
    that the seed draws: the points of the walk lie more evenly than random ones.

    Args:
        number: The row's, from 0.
        axes: Relative weight of each value of each axis; their order does not matter.
        seed: Draws where each axis starts.

    Source:
        The sequence R_d of Roberts (2018), https://extremelearning.com.au.
    """
    steps = _steps(len(axes))
    return {
        name: _value(axes[name], (unit_interval("grid", seed, name) + number * step) % 1.0)
        for name, step in zip(sorted(axes), steps, strict=True)
    }


def _steps(count: int) -> list[float]:
    """Irrational steps that fill a cube of so many dimensions evenly."""
    ratio = 2.0
    for _ in range(64):  # the root of x ** (count + 1) = x + 1, to the last digit
        ratio = (1 + ratio) ** (1 / (count + 1))
    return [ratio ** -(axis + 1) for axis in range(count)]


def _value(weights: Mapping[str, float], point: float) -> str:
    """The value whose part of [0, 1) a point lies in."""
    values = sorted(weights)
    total = sum(weights.values())
    ends = accumulate(weights[value] for value in values)
    return next((v for v, end in zip(values, ends, strict=True) if point * total < end), values[-1])
