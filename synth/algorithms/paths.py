"""Paths through all documents on which each is like the one before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.graph import Edges, Graph, Ids, edges_of
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.lin_kernighan import improve_path
from synth.algorithms.neighbors import Neighbors, Vectors

# Finds the neighbours of each vector among the others.
Near = Callable[[Vectors], Neighbors]

# A round that joins fewer of the fragments than this is the last: equal vectors are nearest to the
# same few, so that each round would join a handful.
_FEW_JOINED = 0.05


class _Queue(NamedTuple):
    """Nodes by their degree, some of them outdated.

    Attributes:
        nodes: Room for every node that may come to have each degree.
        begins: Where the nodes of each degree begin, shape (degrees + 1,).
        ends: Where they end, shape (degrees,).
        heaped: How far they are in heap order, the lowest first, shape (degrees,).
    """

    nodes: Ids
    begins: Index
    ends: Index
    heaped: Index


@kernel
def paper_path(graph: Graph) -> Index:
    """The path of Algorithm 1 of In-Context Pretraining.

    It starts at the document with the fewest edges, goes on to the most similar one that is left,
    and where none is left jumps to the one with the fewest edges. Edges are counted among the
    documents that are left, as ``min_deg(D)`` reads where visited ones are taken out of D. All
    ties go to the lower index.

    Returns:
        Every index once, in visiting order, shape (nodes,).

    Source:
        arXiv:2310.10638, with the most similar neighbour as its text and Figure 2 say; line 7 of
        the listing prints the least similar.
    """
    starts, targets = graph.starts, graph.targets
    count = len(starts) - 1
    path = np.empty(count, np.int64)
    if count == 0:
        return path
    # -1 and below for a document that was visited.
    degrees = (starts[1:] - starts[:-1]).astype(np.int32)
    queue = _queue(degrees)
    lowest, at = 0, -1
    for step in range(count):
        if at < 0:
            at, lowest = _take_lowest(queue, degrees, lowest)
        path[step] = at
        degrees[at] = -1
        follow = -1
        for edge in range(starts[at], starts[at + 1]):
            other = targets[edge]
            degree = degrees[other] - 1
            if degree >= 0:
                if follow < 0:
                    follow = other
                degrees[other] = degree
                queue.nodes[queue.ends[degree]] = other
                queue.ends[degree] += 1
                lowest = min(lowest, degree)
        at = follow
    return path


@kernel
def _queue(degrees: NDArray[np.int32]) -> _Queue:
    """Room for every node at each degree up to its own, filled at that."""
    most = degrees.max()
    begins = np.zeros(most + 2, np.int64)
    for degree in degrees:
        begins[degree + 1] += 1
    for degree in range(most, 0, -1):
        begins[degree] += begins[degree + 1]
    for degree in range(1, most + 2):
        begins[degree] += begins[degree - 1]
    ends = begins[:-1].copy()
    nodes = np.empty(begins[most + 1], np.int32)
    for node in range(len(degrees)):
        nodes[ends[degrees[node]]] = node
        ends[degrees[node]] += 1
    return _Queue(nodes, begins, ends, begins[:-1].copy())


@kernel
def _take_lowest(queue: _Queue, degrees: NDArray[np.int32], lowest: int) -> tuple[int, int]:
    """The lowest of the nodes with the lowest degree, and that degree."""
    while True:
        begin, end = queue.begins[lowest], queue.ends[lowest]
        if begin == end:
            lowest += 1
            continue
        heap = queue.nodes[begin:end]
        for at in range(queue.heaped[lowest] - begin, end - begin):
            _sift_up(heap, at)
        node = heap[0]
        heap[0] = heap[-1]
        _sift_down(heap[:-1])
        queue.ends[lowest] = queue.heaped[lowest] = end - 1
        if degrees[node] == lowest:
            return node, lowest


@kernel
def _sift_up(heap: Ids, at: int) -> None:
    node = heap[at]
    while at > 0 and heap[(at - 1) // 2] > node:
        heap[at] = heap[(at - 1) // 2]
        at = (at - 1) // 2
    heap[at] = node


@kernel
def _sift_down(heap: Ids) -> None:
    if len(heap) == 0:
        return
    node, at = heap[0], 0
    while 2 * at + 1 < len(heap):
        below = 2 * at + 1
        if below + 1 < len(heap) and heap[below + 1] < heap[below]:
            below += 1
        if node <= heap[below]:
            break
        heap[at] = heap[below]
        at = below
    heap[at] = node


def edge_path(graph: Graph, vectors: Vectors, near: Near, kicks: int = 0) -> Index:
    """A path of the heaviest edges.

    Edges are taken by falling similarity as long as paths are left; the ends of these are joined
    likewise, along edges to the nearest other ends, until one path is left; where nearly all ends
    are copies of each other, they are joined by their index. Ties go to the lower index. Then the
    path is made better by chains of exchanges (`improve_path`).

    Args:
        graph: The documents.
        vectors: Theirs, of length 1, shape (nodes, dim).
        near: Finds the ends that are nearest to each.
        kicks: At most, and no more than documents: a thousandth or two more, at 0.5 ms each.

    Returns:
        Every index once, in visiting order, shape (nodes,).
    """
    count = len(vectors)
    links, far = np.full((count, 2), -1, np.int32), np.arange(count, dtype=np.int32)
    left = count - _join(*heaviest_first(once(graph)), links, far)
    while left > 1:
        ends = np.flatnonzero(links[:, 1] < 0).astype(np.int32)
        found = edges_of(near(vectors[ends]))
        there = found.others >= 0
        ones, others = ends[found.ones[there]], ends[found.others[there]]
        joined = _join(*heaviest_first(Edges(ones, others, found.weights[there])), links, far)
        left -= joined
        if joined <= _FEW_JOINED * left:
            _join_by_index(ends, links, far)
            break
    return improve_path(graph, vectors, _walk(links), min(count, kicks))


def once(graph: Graph) -> Edges:
    """Each edge of a graph from its lower end."""
    ones = np.repeat(np.arange(len(graph.starts) - 1, dtype=np.int32), np.diff(graph.starts))
    lower = ones < graph.targets
    return Edges(ones[lower], graph.targets[lower], graph.weights[lower])


def heaviest_first(edges: Edges) -> tuple[Ids, Ids]:
    """Both ends of each edge, by falling weight, equal ones as they stand."""
    order = np.argsort(-edges.weights, kind="stable")
    return edges.ones[order], edges.others[order]


@kernel
def _join(ones: Ids, others: Ids, links: Ids, far: Ids) -> int:
    """Takes each edge that leaves paths; how many.

    Args:
        ones: One end of each edge.
        others: The other end.
        links: Up to two neighbours of each node on its path, -1 for none, the second first.
        far: The other end of the path of which a node is one end; itself where it is alone.
    """
    joined = 0
    for edge in range(len(ones)):
        one, other = ones[edge], others[edge]
        if links[one, 1] >= 0 or links[other, 1] >= 0 or far[one] == other or one == other:
            continue
        links[one, 0 if links[one, 0] < 0 else 1] = other
        links[other, 0 if links[other, 0] < 0 else 1] = one
        first, last = far[one], far[other]
        far[first], far[last] = last, first
        joined += 1
    return joined


@kernel
def _join_by_index(ends: Ids, links: Ids, far: Ids) -> None:
    """Joins what paths are left, each behind that with the next lower end."""
    last = -1
    for end in ends:
        if links[end, 1] >= 0 or (last >= 0 and far[last] == end):
            continue
        beyond = far[end]
        if last >= 0:
            one, other = np.full(1, last, np.int32), np.full(1, end, np.int32)
            _join(one, other, links, far)
        last = beyond


@kernel
def _walk(links: Ids) -> Index:
    """The one path from the lower of its ends to the other."""
    path = np.empty(len(links), np.int64)
    at, before = 0, -1
    while at < len(links) and links[at, 1] >= 0:
        at += 1
    for step in range(len(links)):
        path[step] = at
        after = links[at, 1] if links[at, 0] == before else links[at, 0]
        at, before = after, at
    return path
