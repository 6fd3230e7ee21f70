"""Nearest neighbours among so many vectors that not all can be looked at: how many are found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from synth.algorithms.neighbors import Neighbors, Vectors, top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synth.algorithms.rough_products import Candidates

Search = Literal["auto", "exact", "approximate"]

# Products of a query and a corpus vector up to which every one is worth its time: minutes on a
# laptop's two cores.
_MOST_PRODUCTS = 10_000_000_000
# Vectors below which no index pays.
_FEWEST_VECTORS = 10_000
# More cells looked at each time that recall is too low, and the share of them beyond which looking
# at all is as fast.
_WIDER, _FEWEST_LEFT_OUT = 1.5, 4
_MEMORY_MB = 256
# Queries by which recall is measured, and how exactly: to about a percent.
_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found.

    Attributes:
        found: Neighbours of each query; an index of -1 where there are fewer.
        recall: Share of the true neighbours of a sample of queries that were found.
        how: What was done, in words.
    """

    found: Neighbors
    recall: float
    how: str


def search(
    queries: Vectors, corpus: Vectors, k: int, how: Search = "auto", least_recall: float = 0.95
) -> Searched:
    """The k corpus vectors with the largest inner product with each query, or most of them.

    An approximate search looks at the cells of the corpus (an inverted file of clusters) that are
    nearest to the query, at as many as a sample of the queries needs to reach the recall.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim).
        k: Neighbours wanted.
        how: ``exact``, ``approximate``, or ``auto``: exact up to ten billion pairs.
        least_recall: Share of the true neighbours to find, in (0, 1].

    Raises:
        ValueError: As `top_k`.
    """
    if looks_at_all(len(queries), len(corpus), how):
        return Searched(top_k(queries, corpus, k), 1.0, "exact")
    from synth.algorithms.cells import candidates_in, cells_of

    queries, corpus = (np.ascontiguousarray(one, np.float32) for one in (queries, corpus))
    at = np.unique(np.linspace(0, len(queries) - 1, _SAMPLE).astype(np.int64))
    sample, truth = np.ascontiguousarray(queries[at]), top_k(queries[at], corpus, k)
    count = 2 ** round(math.log2(4 * math.sqrt(len(corpus))))
    cells, probes = cells_of(corpus, count), max(1, count // 64)
    while True:
        among = candidates_in(cells, sample, k, probes, _MEMORY_MB)
        recall = _recall(_ranked(sample, corpus, among, k).ids, truth.ids)
        if recall >= least_recall:
            break
        probes = math.ceil(_WIDER * probes)
        if _FEWEST_LEFT_OUT * probes >= count:
            return Searched(top_k(queries, corpus, k), 1.0, "exact: no index reached the recall")
    among = candidates_in(cells, queries, k, probes, _MEMORY_MB)
    found = _ranked(queries, corpus, among, k)
    return Searched(found, recall, f"{probes} of {count} cells looked at")


def looks_at_all(queries: int, corpus: int, how: Search) -> bool:
    """Whether a search looks at every pair of so many queries and corpus vectors."""
    wanted = how == "approximate" or (how == "auto" and queries * corpus > _MOST_PRODUCTS)
    return not wanted or corpus < _FEWEST_VECTORS or not queries


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    hits = sum(len(np.intersect1d(*both)) for both in zip(found, truth, strict=True))
    return hits / truth.size


def _ranked(queries: Vectors, corpus: Vectors, among: Candidates, k: int) -> Neighbors:
    """The best candidates, with scores that do not depend on how they were found."""
    from synth.algorithms.scoring import best

    shape = (len(queries), min(k, len(corpus)))
    found = Neighbors(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
    best(queries, corpus, among.ids, among.counts, shape[1], found.ids, found.scores)
    crowded = np.flatnonzero(among.counts < 0)
    if len(crowded):
        exact = top_k(queries[crowded], corpus, k)
        found.ids[crowded], found.scores[crowded] = exact.ids, exact.scores
    return found
