"""Which vectors point almost where a kept one points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.neighbors import ROUNDING, Vectors

# Vectors looked at together: a block against the kept ones is one matrix product.
_BLOCK = 1024
_KEPT_AT_ONCE = 32_768


@dataclass(frozen=True, slots=True)
class Alike:
    """What each vector repeats.

    Attributes:
        of: Index of the kept vector that it repeats, -1 where it is kept itself, shape (vectors,).
        cosine: Their cosine, 0 where it is kept, shape (vectors,).
    """

    of: NDArray[np.int64]
    cosine: NDArray[np.float32]


def semantic_duplicates(
    vectors: Vectors, order: NDArray[np.int64], threshold: float, given: int = 0
) -> Alike:
    """Which vectors have a cosine of at least `threshold` to one that is kept.

    Vectors are visited in `order`; one repeats the most similar kept before it, of equals the one
    visited first. Exact: time grows with the product of all vectors and the kept ones, and a
    million copies of one vector take a million products.

    Args:
        vectors: None of them zero, shape (vectors, dim).
        order: Every index once, the ones to keep first.
        threshold: Least cosine, but for rounding.
        given: The first so many in `order` are kept whatever they repeat.
    """
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    kept = np.empty_like(units)
    kept_ids = np.empty(len(units), np.int64)
    count = 0
    of, cosine = np.full(len(units), -1, np.int64), np.zeros(len(units), np.float32)
    for at in range(0, len(order), _BLOCK):
        ids = order[at : at + _BLOCK]
        block = units[ids]
        best, best_id = np.full(len(ids), -np.inf, np.float32), np.full(len(ids), -1, np.int64)
        for begin in range(0, count, _KEPT_AT_ONCE):
            end = min(count, begin + _KEPT_AT_ONCE)
            scores = block @ kept[begin:end].T
            top = scores.argmax(axis=1)
            value = scores[np.arange(len(ids)), top]
            better = value > best
            best[better], best_id[better] = value[better], kept_ids[begin:end][top[better]]
        among = block @ block.T
        fresh: list[int] = []
        for row in range(len(ids)):
            if fresh:
                nearest = int(np.argmax(among[row, fresh]))
                value = among[row, fresh[nearest]]
                if value > best[row]:
                    best[row], best_id[row] = value, ids[fresh[nearest]]
            if best[row] >= threshold - ROUNDING and at + row >= given:
                of[ids[row]], cosine[ids[row]] = best_id[row], min(1.0, float(best[row]))
            else:
                fresh.append(row)
        kept[count : count + len(fresh)] = block[fresh]
        kept_ids[count : count + len(fresh)] = ids[fresh]
        count += len(fresh)
    return Alike(of, cosine)
