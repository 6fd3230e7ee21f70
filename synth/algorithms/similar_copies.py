"""Near copies among vectors, told by the neighbours that an order needs anyway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.graph import Edges, Graph, edges_of, symmetric
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import ROUNDING, Neighbors, Vectors, without_self
from synth.algorithms.scoring import products

# The k corpus vectors that are nearest to each query, -1 where there are fewer.
Search = Callable[[Vectors, Vectors, int], Neighbors]


@dataclass(frozen=True, slots=True)
class Distinct:
    """Which vectors stay, and their neighbours.

    Attributes:
        of: The vector that stays which each repeats, -1 where it stays itself, shape (n,).
        cosine: Their cosine, 0 where it stays, shape (n,).
        neighbors: The neighbours of those that stay, in rising order, among each other by their
            places in that order; -1 where there are fewer.
    """

    of: Index
    cosine: NDArray[np.float32]
    neighbors: Neighbors

    @property
    def kept(self) -> Index:
        """The vectors that stay."""
        return np.flatnonzero(self.of < 0)


def distinct(
    vectors: Vectors, k: int, order: Index, threshold: float | None, search: Search
) -> Distinct:
    """Keeps one of all vectors that are almost the same, and finds the neighbours of the kept ones.

    Vectors are visited in `order`; one repeats the most similar kept before it, if their own
    cosine reaches the threshold. Where that leaves a vector short of neighbours they are searched
    again among the kept ones, until no two of these that are neighbours reach the threshold.

    Args:
        vectors: Of length 1, shape (n, dim).
        k: Neighbours wanted.
        order: Every index once, the ones to keep first.
        threshold: Least cosine of a copy, but for rounding; None keeps all.
        search: Finds neighbours.
    """
    count = len(vectors)
    found = _others(vectors, np.arange(count), np.arange(count), k, search)
    of, cosine = np.full(count, -1), np.zeros(count, np.float32)
    if threshold is None:
        return Distinct(of, cosine, found)
    threshold -= ROUNDING
    pairs = _reaching(edges_of(found), threshold)
    again, among = np.zeros(count, np.bool_), np.ones(count, np.bool_)
    while True:
        of, cosine, pairs = _settled(vectors, found, pairs, order, threshold)
        kept = np.flatnonzero(of < 0)
        held = ((found.ids >= 0) & (of[found.ids] < 0)).sum(axis=1)
        short = (of < 0) & (held < min(k, len(kept) - 1))
        # What was dropped when others were searched again, and stays now, may be nearer to these.
        if not among[kept].all():
            short |= again & (of < 0)
        fresh = _searched_again(vectors, found, np.flatnonzero(short), kept, search)
        again |= short
        among = of < 0
        fresh = _reaching(fresh, threshold)
        if not len(fresh.ones):
            return Distinct(of, cosine, _among(found, kept))
        pairs = _joined(pairs, fresh)


def _searched_again(
    vectors: Vectors, found: Neighbors, queries: Index, kept: Index, search: Search
) -> Edges:
    """Writes neighbours among the kept vectors to `found`; the new edges."""
    again = _others(vectors, queries, kept, found.ids.shape[1], search)
    width = again.ids.shape[1]
    found.ids[queries, :width], found.scores[queries, :width] = again.ids, again.scores
    found.ids[queries, width:] = -1
    ones = np.repeat(queries, width).astype(np.int32)
    return Edges(ones, again.ids.astype(np.int32).ravel(), again.scores.ravel())


def _others(vectors: Vectors, queries: Index, corpus: Index, k: int, search: Search) -> Neighbors:
    """The nearest others of some vectors among some, by their indices among all."""
    found = search(vectors[queries], vectors[corpus], k + 1)
    own = np.searchsorted(corpus, queries)
    found = without_self(found, own)
    return Neighbors(np.where(found.ids < 0, -1, corpus[found.ids]), found.scores)


def _settled(
    vectors: Vectors, found: Neighbors, pairs: Edges, order: Index, threshold: float
) -> tuple[Index, NDArray[np.float32], Edges]:
    """What each vector repeats, given the pairs that reach the threshold and those found by them.

    A kept vector whose neighbour repeats another kept one is compared with that one too.
    """
    while True:
        of, cosine = _kept_first(symmetric(pairs, len(vectors)), order)
        ones, places = np.nonzero((found.ids >= 0) & (of[found.ids] >= 0) & (of < 0)[:, None])
        others = of[found.ids[ones, places]]
        differ = ones != others
        couples = np.unique(np.stack([ones[differ], others[differ]], axis=1), axis=0)
        scores = products(vectors[couples[:, 0]], vectors, couples[:, 1:]).ravel()
        more = Edges(couples[:, 0].astype(np.int32), couples[:, 1].astype(np.int32), scores)
        more = _reaching(more, threshold)
        if not len(more.ones):
            return of, cosine, pairs
        pairs = _joined(pairs, more)


@kernel
def _kept_first(pairs: Graph, order: Index) -> tuple[Index, NDArray[np.float32]]:
    """Visits vectors in order; one repeats the nearest of its pairs that was kept before it."""
    count = len(order)
    of, cosine = np.full(count, -1), np.zeros(count, np.float32)
    kept = np.zeros(count, np.bool_)
    for one in order:
        kept[one] = True
        for edge in range(pairs.starts[one], pairs.starts[one + 1]):
            if kept[pairs.targets[edge]]:
                of[one], cosine[one] = pairs.targets[edge], min(1.0, pairs.weights[edge])
                kept[one] = False
                break
    return of, cosine


def _reaching(edges: Edges, threshold: float) -> Edges:
    reach = (edges.others >= 0) & (edges.weights >= threshold)
    return Edges(edges.ones[reach], edges.others[reach], edges.weights[reach])


def _joined(one: Edges, other: Edges) -> Edges:
    return Edges(
        np.concatenate([one.ones, other.ones]),
        np.concatenate([one.others, other.others]),
        np.concatenate([one.weights, other.weights]),
    )


def _among(found: Neighbors, kept: Index) -> Neighbors:
    """The neighbours of the kept vectors by their places among these, those that are none last."""
    place = np.full(len(found.ids), -1)
    place[kept] = np.arange(len(kept))
    ids = np.where(found.ids[kept] < 0, -1, place[found.ids[kept]])
    order = np.argsort(ids < 0, axis=1, kind="stable")
    ids = np.take_along_axis(ids, order, axis=1)
    scores = np.take_along_axis(found.scores[kept], order, axis=1)
    return Neighbors(ids, np.where(ids < 0, np.float32(-np.inf), scores))
