"""Small changes that make the sum of similarities along a path larger."""

from __future__ import annotations

import numpy as np

from synth.algorithms.graph import Graph, Ids
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.scoring import inner_product

# Less is rounding.
_LEAST_GAIN = 1e-6
# Documents of a piece that turns round at most: no move takes longer than 0.1 ms.
_MOST_TURNED = 50_000


@kernel
def move_documents(graph: Graph, vectors: Vectors, links: Ids) -> None:
    """Moves each document between two others where that is better (Or-opt of one document).

    Args:
        graph: Documents that are near each other: next to one of these each is tried.
        vectors: Of length 1, shape (documents, dim).
        links: The two neighbours of each document on one path, -1 for none, the second first;
            changed in place, shape (documents, 2).
    """
    scratch = np.empty(16, np.float32)
    for one in range(len(links)):
        before, after = links[one, 0], links[one, 1]
        held = _cosine(vectors, one, before, scratch) + _cosine(vectors, one, after, scratch)
        best = held - _cosine(vectors, before, after, scratch) + _LEAST_GAIN
        there, beyond = -1, -1
        for edge in range(graph.starts[one], graph.starts[one + 1]):
            other = graph.targets[edge]
            for side in range(2):
                third = links[other, side]
                if third == one:
                    continue
                gain = graph.weights[edge] + _cosine(vectors, one, third, scratch)
                gain -= _cosine(vectors, other, third, scratch)
                if gain > best:
                    best, there, beyond = gain, other, third
        if there >= 0:
            _relink(links, before, one, after)
            _relink(links, after, one, before)
            _relink(links, there, beyond, one)
            _relink(links, beyond, there, one)
            links[one, 0], links[one, 1] = there, beyond


@kernel
def _relink(links: Ids, node: int, old: int, new: int) -> None:
    """Gives a node a new neighbour on the path in the place of an old one."""
    if node < 0:
        return
    side = 0 if links[node, 0] == old else 1
    links[node, side] = new
    if links[node, 0] < 0:
        links[node, 0], links[node, 1] = links[node, 1], -1


@kernel
def reverse_pieces(graph: Graph, vectors: Vectors, path: Index) -> None:
    """Turns pieces of a path round where that is better (2-opt).

    Args:
        graph: Documents that are near each other: these are brought side by side.
        vectors: Of length 1, shape (documents, dim).
        path: Every document once; changed in place.
    """
    scratch = np.empty(16, np.float32)
    place = np.empty(len(path), np.int64)
    for at in range(len(path)):
        place[path[at]] = at
    for one in range(len(path)):
        # The one behind it gives way to a nearer one, then the one before it.
        for side in (1, -1):
            at, best, found = place[one], _LEAST_GAIN, -1
            beside = _at(path, at + side)
            held = _cosine(vectors, one, beside, scratch)
            for edge in range(graph.starts[one], graph.starts[one + 1]):
                other, near = graph.targets[edge], graph.weights[edge]
                if near <= held:
                    break
                beyond = _at(path, place[other] + side)
                gain = near - held + _cosine(vectors, beside, beyond, scratch)
                gain -= _cosine(vectors, other, beyond, scratch)
                if gain > best and abs(place[other] - at) < _MOST_TURNED:
                    best, found = gain, place[other]
            if found >= 0 and side > 0:
                _turn(path, place, min(at, found) + 1, max(at, found))
            elif found >= 0:
                _turn(path, place, min(at, found), max(at, found) - 1)


@kernel
def _at(path: Index, at: int) -> int:
    """The document at a place, -1 beyond the ends."""
    return path[at] if 0 <= at < len(path) else -1


@kernel
def _turn(path: Index, place: Index, first: int, last: int) -> None:
    """Turns round the piece from one place to another."""
    while first < last:
        path[first], path[last] = path[last], path[first]
        place[path[first]], place[path[last]] = first, last
        first, last = first + 1, last - 1


@kernel
def _cosine(vectors: Vectors, one: int, other: int, scratch: Vectors) -> float:
    """The inner product of two vectors, 0 where one is missing."""
    if one < 0 or other < 0:
        return 0.0
    return float(inner_product(vectors[one], vectors[other], scratch))
