"""The graph of documents that are near each other, as flat arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, Words, kernel
from synth.algorithms.neighbors import Neighbors

Ids = NDArray[np.int32]
Weights = NDArray[np.float32]

_LOW_BITS = 0xFFFFFFFF


class Graph(NamedTuple):
    """An undirected graph by rows (CSR): each edge stands in the rows of both of its ends.

    Attributes:
        starts: Where each node's edges begin, and the end of the last, shape (nodes + 1,).
        targets: The other end of each edge; in a row by falling weight, equal ones by index.
        weights: Likewise, all above 0.
    """

    starts: Index
    targets: Ids
    weights: Weights


class Edges(NamedTuple):
    """Edges in any order.

    Attributes:
        ones: One end of each, shape (edges,).
        others: The other end, -1 where there is no edge.
        weights: Likewise.
    """

    ones: Ids
    others: Ids
    weights: Weights


def edges_of(found: Neighbors) -> Edges:
    """An edge from each vector to each of its neighbours."""
    count, k = found.ids.shape
    ones = np.repeat(np.arange(count, dtype=np.int32), k)
    return Edges(ones, found.ids.astype(np.int32).ravel(), found.scores.ravel())


def symmetric(edges: Edges, nodes: int) -> Graph:
    """Joins two nodes if an edge leads from either one to the other.

    Of several edges between two nodes the heaviest counts; one of weight zero or less joins
    nothing, nor does one from a node to itself.

    Args:
        edges: Any number of them.
        nodes: How many nodes there are.
    """
    keys, begins = _keys(*edges, nodes)
    return Graph(*_rows(keys, begins))


@kernel
def _keys(ones: Ids, others: Ids, weights: Weights, nodes: int) -> tuple[Words, Index]:
    """Both ends of every edge, row by row, as keys that sort by falling weight, then by index."""
    begins = np.zeros(nodes + 2, np.int64)
    for edge in range(len(ones)):
        one, other = ones[edge], others[edge]
        if other >= 0 and other != one and weights[edge] > 0:
            begins[one + 2] += 1
            begins[other + 2] += 1
    for node in range(2, nodes + 2):
        begins[node] += begins[node - 1]
    keys = np.empty(begins[nodes + 1], np.uint64)
    # The bits of positive floats sort as they do.
    bits = weights.view(np.uint32)
    for edge in range(len(ones)):
        one, other = ones[edge], others[edge]
        if other >= 0 and other != one and weights[edge] > 0:
            high = np.uint64(_LOW_BITS - bits[edge]) << np.uint64(32)
            keys[begins[one + 1]] = high | np.uint64(other)
            begins[one + 1] += 1
            keys[begins[other + 1]] = high | np.uint64(one)
            begins[other + 1] += 1
    return keys, begins[: nodes + 1]


@kernel
def _rows(keys: Words, begins: Index) -> tuple[Index, Ids, Weights]:
    """Sorts each row and leaves the heaviest edge to each other node."""
    nodes = len(begins) - 1
    starts = np.zeros(nodes + 1, np.int64)
    targets, bits = np.empty(len(keys), np.int32), np.empty(len(keys), np.uint32)
    seen = np.full(nodes, -1, np.int32)
    filled = 0
    for node in range(nodes):
        row = keys[begins[node] : begins[node + 1]]
        row.sort()
        for key in row:
            other = np.int64(key & np.uint64(_LOW_BITS))
            if seen[other] != node:
                seen[other] = node
                targets[filled] = other
                bits[filled] = _LOW_BITS - np.uint32(key >> np.uint64(32))
                filled += 1
        starts[node + 1] = filled
    return starts, targets[:filled].copy(), bits[:filled].copy().view(np.float32)
