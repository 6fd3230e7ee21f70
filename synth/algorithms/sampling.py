"""How often a trainer takes a batch from each of several sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def sampling_weights(
    sizes: Mapping[str, int], groups: Sequence[tuple[float, Sequence[str]]], exponent: float
) -> dict[str, float]:
    """The probability of each set; they add up to 1.

    A group gets its share, relative to the groups that have a row, and within it a set of ``l``
    rows weighs ``l ** exponent``.

    Args:
        sizes: Rows of each set; one without any has probability 0.
        groups: The share of each group, and its sets.
        exponent: In [0, 1].

    Source:
        QZhou-Embedding (arXiv:2508.21632).
    """
    powers = {name: rows**exponent if rows else 0.0 for name, rows in sizes.items()}
    sums = [sum(powers[name] for name in names) for _, names in groups]
    total = sum(share for (share, _), own in zip(groups, sums, strict=True) if own)
    return {
        name: share / total * powers[name] / own if own else 0.0
        for (share, names), own in zip(groups, sums, strict=True)
        for name in names
    }
