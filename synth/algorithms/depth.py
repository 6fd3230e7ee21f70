"""How central texts are among others, by their embeddings: TTE depth and its Q."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.style import auc

Vectors = NDArray[np.float32]
Depths = NDArray[np.float64]
Distance = Literal["cosine", "chord"]

# Distances held at a time, as 64-bit numbers: 32 MB.
_BLOCK = 2**22
# Rows summed at a time in 64-bit numbers.
_ROWS = 4096


class Shift(NamedTuple):
    """How far a second collection lies from the middle of a first one.

    Attributes:
        q: Probability that a text of the second is at least as deep as one of the first: 0.5 where
            both are alike, less where the second lies further out.
        p: Of the rank-sum test that the first is deeper.
    """

    q: float
    p: float


def depth(points: Vectors, reference: Vectors, distance: Distance = "cosine") -> Depths:
    """Two less the mean distance of each point to the reference, in [0, 2]: high is central.

    Args:
        points: Of length 1, shape (points, dim).
        reference: Of length 1, shape (n, dim), n at least 1.
        distance: ``cosine``, which is one less the cosine, or ``chord``, the root of twice that.

    Source:
        Transformer-based text embedding depth (arXiv:2310.15010). By cosine it is one more than the
        product with the reference's mean: no distance of two texts is computed.
    """
    if distance == "cosine":
        return 1.0 + _products(points, _mean(reference))
    return 2.0 - _chords(points, reference) / len(reference)


def own_depth(points: Vectors, distance: Distance = "cosine") -> Depths:
    """The depth of each point among all others, itself left out.

    Args:
        points: Of length 1, shape (n, dim), n at least 2.
        distance: As `depth` takes it.
    """
    others = len(points) - 1
    if distance == "cosine":
        # A vector's own product is its length, which rounding keeps from being one.
        own = np.einsum("nd,nd->n", points, points, dtype=np.float64)
        products = _products(points, _mean(points))
        return np.asarray(1.0 + (products * len(points) - own) / others, np.float64)
    return 2.0 - _chords(points, points) / others


def shift(first: Depths, second: Depths) -> Shift:
    """How the depths of a second collection compare with those of the first.

    Args:
        first: Depths of the reference among itself, shape (n,).
        second: Depths of the others in the reference, shape (m,).

    Source:
        Q: Liu and Singh, A quality index based on data depth (1993), over the pairs of one text of
        each. The test is Wilcoxon's by its normal approximation, ties and continuity accounted for.
    """
    ordered = np.sort(first)
    q = float(np.searchsorted(ordered, second, side="right").mean() / len(first))
    return Shift(q, rank_sum_p(second, first))


def rank_sum_p(low: Depths, high: Depths) -> float:
    """How likely `high` is that much higher by chance: the one-sided rank-sum test.

    Args:
        low: Shape (n,).
        high: Shape (m,).
    """
    both = np.concatenate([low, high])
    kind = np.arange(len(both)) >= len(low)
    pairs, count = len(low) * len(high), len(both)
    _, times = np.unique(both, return_counts=True)
    ties = float((times.astype(np.float64) ** 3 - times).sum()) / (count * (count - 1))
    deviation = math.sqrt(pairs / 12 * (count + 1 - ties))
    if not deviation:
        return 0.5
    beyond = auc(both, kind) * pairs - pairs / 2 - 0.5
    return 0.5 * math.erfc(beyond / deviation / math.sqrt(2))


def mean_cosine(points: Vectors) -> float:
    """The mean cosine of two different points of a collection: 1 where all say the same.

    Args:
        points: Of length 1, shape (n, dim), n at least 2.
    """
    return float(own_depth(points).mean() - 1.0)


def _mean(vectors: Vectors) -> NDArray[np.float64]:
    total = np.zeros(vectors.shape[1])
    for at in range(0, len(vectors), _ROWS):
        total += vectors[at : at + _ROWS].sum(axis=0, dtype=np.float64)
    return total / len(vectors)


def _products(points: Vectors, direction: NDArray[np.float64]) -> Depths:
    found = np.empty(len(points))
    for at in range(0, len(points), _ROWS):
        found[at : at + _ROWS] = points[at : at + _ROWS].astype(np.float64) @ direction
    return found


def _chords(points: Vectors, reference: Vectors) -> Depths:
    """The sum of each point's chords to the reference."""
    rows = max(1, _BLOCK // max(1, len(reference)))
    found = np.empty(len(points))
    for at in range(0, len(points), rows):
        cosines = (points[at : at + rows] @ reference.T).astype(np.float64)
        found[at : at + rows] = np.sqrt(np.maximum(0.0, 2.0 - 2.0 * cosines)).sum(axis=1)
    return found
