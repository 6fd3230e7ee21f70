"""Scores of the texts of one row as probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax_by_row(
    scores: NDArray[np.floating], row: NDArray[np.int64], rows: int, temperature: float
) -> NDArray[np.float64]:
    """``exp(s / temperature)`` of each score s, as its share of the sum over its row.

    Args:
        scores: Finite, shape (n,).
        row: The row that each belongs to, shape (n,).
        rows: How many rows there are.
        temperature: Above 0; the lower, the more the highest score takes.

    Returns:
        In [0, 1], shape (n,).
    """
    highest = np.full(rows, -np.inf)
    np.maximum.at(highest, row, scores)
    # The highest is subtracted, so that no weight overflows.
    with np.errstate(over="ignore"):
        weights = np.exp((np.asarray(scores, np.float64) - highest[row]) / temperature)
    sums = np.bincount(row, weights=weights, minlength=rows)
    return np.asarray(weights / sums[row], np.float64)
