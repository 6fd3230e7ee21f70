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
_WIDER, _FEWEST_LEFT_OUT = 1.2, 3
# Cells, times the root of the corpus.
_CELLS = 4
# Of the neighbours that may be missed, the shares that are missed in cells that are not looked at
# and in directions that are not; the rest is for a sample that is not all queries.
_MISSED_CELLS, _MISSED_DIRECTIONS = 0.85, 0.1
# Vectors that directions are learned from, queries that they are tried on, and candidates for each
# neighbour that they may leave: looking at one more again takes as long as a few in all cells.
_LEARNED_FROM, _TRIED, _CANDIDATES = 16_384, 16, 1.5
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
    nearest to the query, at as many as a sample of the queries needs to reach the recall, and there
    at as many principal directions; what it finds is looked at again in full.

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
    from synth.algorithms.cells import candidates_in, cell_ranks, cells_of

    queries, corpus = (np.ascontiguousarray(one, np.float32) for one in (queries, corpus))
    at = np.unique(np.linspace(0, len(queries) - 1, _SAMPLE).astype(np.int64))
    sample = np.ascontiguousarray(queries[at])
    truth = top_k(sample, corpus, k).ids
    directions, slack = _directions(sample, corpus, truth, least_recall)
    asked, turned = queries @ directions, corpus @ directions
    count = 2 ** round(math.log2(_CELLS * math.sqrt(len(corpus))))
    cells = cells_of(turned, count)
    ranks = np.sort(cell_ranks(cells, asked[at], truth), axis=None)
    found_cells = 1 - _MISSED_CELLS * (1 - least_recall)
    probes = 1 + int(ranks[math.ceil(found_cells * len(ranks)) - 1])
    while True:
        if _FEWEST_LEFT_OUT * probes >= count:
            return Searched(top_k(queries, corpus, k), 1.0, "exact: no index reached the recall")
        among = candidates_in(cells, asked[at], k, probes, slack, _MEMORY_MB)
        recall = _recall(_ranked(sample, corpus, among, k).ids, truth)
        if recall >= least_recall:
            break
        probes = math.ceil(_WIDER * probes)
    among = candidates_in(cells, asked, k, probes, slack, _MEMORY_MB)
    found = _ranked(queries, corpus, among, k)
    told = f"{probes} of {count} cells looked at, in {directions.shape[1]} directions"
    return Searched(found, recall, told)


def _directions(
    sample: Vectors, corpus: Vectors, truth: NDArray[np.int64], least_recall: float
) -> tuple[Vectors, float]:
    """The fewest principal directions that leave few candidates, and how few.

    Args:
        sample: Queries, shape (queries, dim).
        corpus: Shape (corpus, dim).
        truth: Their neighbours, shape (queries, k).
        least_recall: Share of these to find.

    Returns:
        Directions, shape (dim, kept), and how far below the k-th best product in them the products
        of neighbours are, but for a part of those that may be missed.
    """
    from synth.algorithms.directions import principal_directions

    spread = np.linspace(0, len(corpus) - 1, min(len(corpus), _LEARNED_FROM)).astype(np.int64)
    every = principal_directions(corpus[spread])
    k = truth.shape[1]
    some, of = sample[:_TRIED], truth[:_TRIED]
    for twelfths in range(3, 9):
        kept = np.ascontiguousarray(every[:, : max(1, len(every) * twelfths // 12)])
        products = (some @ kept) @ (corpus @ kept).T
        least = np.partition(products, -k, axis=1)[:, -k]
        below = least[:, None] - np.take_along_axis(products, of, axis=1)
        slack = max(0.0, float(np.quantile(below, 1 - _MISSED_DIRECTIONS * (1 - least_recall))))
        if np.count_nonzero(products >= least[:, None] - slack) <= _CANDIDATES * k * len(some):
            return kept, slack
    return every, 0.0


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
