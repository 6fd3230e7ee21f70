"""Values of several axes for numbered rows, in the shares that weights say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate

from synth.core.ids import unit_interval

# No sum of multiples of their square roots is a whole number, so that no two axes keep step.
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
MOST_AXES = len(_PRIMES)


def grid_row(number: int, axes: Mapping[str, Mapping[str, float]], seed: int) -> dict[str, str]:
    """The value of each axis in one row.

    Rows 0 to n - 1 have every value about as often as its weight says, for every n, and every
    combination about as often as the product of its weights; a row does not depend on how many
    there are. Each axis walks through [0, 1) in steps of an irrational of its own, from a start
    that the seed draws: the points of the walk lie more evenly than random ones.

    Args:
        number: The row's, from 0.
        axes: Relative weight of each value of each axis, `MOST_AXES` at most, in any order.
        seed: Draws where each axis starts.
    """
    return {
        name: _value(
            axes[name], (unit_interval("grid", seed, name) + number * math.sqrt(prime)) % 1
        )
        for name, prime in zip(sorted(axes), _PRIMES[: len(axes)], strict=True)
    }


def _value(weights: Mapping[str, float], point: float) -> str:
    """The value whose part of [0, 1) a point lies in."""
    values = sorted(weights)
    total = sum(weights.values())
    ends = accumulate(weights[value] for value in values)
    return next((v for v, end in zip(values, ends, strict=True) if point * total < end), values[-1])
