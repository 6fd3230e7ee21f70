"""Texts of two sets that are each other's nearest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
_BLOCK = 4096


class Mutual(NamedTuple):
    """What each text of the first set finds in the second.

    Attributes:
        nearest: Index of the nearest, the lowest of equals, shape (first,).
        scores: Its cosine, shape (first,).
        margins: By how much it is above that of the next one, infinite where there is none.
        is_mutual: Whether the text is in turn the nearest of what it finds, shape (first,).
    """

    nearest: NDArray[np.int64]
    scores: NDArray[np.float32]
    margins: NDArray[np.float32]
    is_mutual: NDArray[np.bool_]


def mutual_nearest(first: Vectors, second: Vectors) -> Mutual:
    """The nearest of the second set for each of the first, and whether both agree.

    Args:
        first: L2-normalised, shape (first, dim).
        second: Likewise, shape (second, dim), at least one.
    """
    nearest = np.zeros(len(first), np.int64)
    scores = np.zeros(len(first), np.float32)
    margins = np.full(len(first), np.inf, np.float32)
    best_back = np.full(len(second), -np.inf, np.float32)
    back = np.full(len(second), -1, np.int64)
    for begin in range(0, len(first), _BLOCK):
        block = first[begin : begin + _BLOCK] @ second.T
        here = slice(begin, begin + len(block))
        nearest[here] = block.argmax(axis=1)
        scores[here] = block.max(axis=1)
        if len(second) > 1:
            two = np.partition(block, -2, axis=1)[:, -2:]
            margins[here] = two[:, 1] - two[:, 0]
        top = block.max(axis=0)
        back = np.where(top > best_back, begin + block.argmax(axis=0), back)
        best_back = np.maximum(best_back, top)
    return Mutual(nearest, scores, margins, back[nearest] == np.arange(len(first)))
