"""An order of documents in which neighbours are about the same thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def walk(ids: Indices, similarities: NDArray[np.float32]) -> Indices:
    """A path that visits every document once and stays among like ones as long as it can.

    Two documents are joined if either has the other among its neighbours, with the larger of the
    two similarities; a similarity of zero or less is worth no more than a jump and joins nothing.
    The path starts at the document with the fewest joins, goes on to the most similar unvisited
    one, and where none is left jumps to the unvisited document with the fewest joins, whose
    neighbours are the likeliest to be used up soon. Joins are counted once, before the walk. All
    ties go to the lower index. O(E log E) for E neighbours in all.

    Args:
        ids: Neighbours of each document, shape (n, k); itself among them is ignored.
        similarities: Similarity to each neighbour, shape (n, k).

    Returns:
        Every index once, in visiting order, shape (n,).

    Source:
        Algorithm 1 of In-Context Pretraining (arXiv:2310.10638), with the most similar neighbour as
        its text and Figure 2 say; line 7 of the listing prints the least similar.
    """
    starts, targets = _graph(ids, similarities)
    by_degree = np.argsort(np.diff(starts), kind="stable")
    bounds, neighbors = starts.tolist(), targets.tolist()
    visited = bytearray(len(ids))
    path: list[int] = []
    for start in by_degree.tolist():
        at = None if visited[start] else start
        while at is not None:
            visited[at] = True
            path.append(at)
            nearest_first = neighbors[bounds[at] : bounds[at + 1]]
            at = next((other for other in nearest_first if not visited[other]), None)
    return np.array(path, np.int64)


def _graph(ids: Indices, similarities: NDArray[np.float32]) -> tuple[Indices, Indices]:
    """The symmetric graph: where each document's joins start, and all joins, nearest first."""
    count, k = ids.shape
    one, other, weight = np.repeat(np.arange(count), k), ids.ravel(), similarities.ravel()
    joins = (one != other) & (weight > 0)
    one, other, weight = one[joins], other[joins], np.tile(weight[joins], 2)
    source, target = np.concatenate([one, other]), np.concatenate([other, one])
    order = np.lexsort((-weight, target, source))
    source, target, weight = source[order], target[order], weight[order]
    heaviest = np.ones(len(source), np.bool_)
    heaviest[1:] = (source[1:] != source[:-1]) | (target[1:] != target[:-1])
    source, target, weight = source[heaviest], target[heaviest], weight[heaviest]
    order = np.lexsort((target, -weight, source))
    return np.searchsorted(source, np.arange(count + 1)), target[order]
