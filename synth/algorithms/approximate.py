"""Nearest neighbours among so many vectors that not all can be looked at: how many are found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from synth.algorithms.neighbors import Neighbors, Vectors, top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

Search = Literal["auto", "exact", "approximate"]

# Products of a query and a corpus vector up to which every one is worth its time: minutes on a
# laptop's two cores.
_MOST_PRODUCTS = 10_000_000_000
# Vectors below which no index pays.
_FEWEST_VECTORS = 10_000
# What faiss asks for each cell as it learns them.
_LEARNED_FROM = 40
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
    at = np.unique(np.linspace(0, len(queries) - 1, _SAMPLE).astype(np.int64))
    sample, truth = queries[at], top_k(queries[at], corpus, k)
    index = _index(corpus)
    while True:
        recall = _recall(index.search(sample, truth.ids.shape[1])[1], truth.ids)
        if recall >= least_recall:
            break
        if 2 * index.nprobe >= index.nlist:
            return Searched(top_k(queries, corpus, k), 1.0, "exact: no index reached the recall")
        index.nprobe *= 2
    found = _ranked(queries, corpus, index.search(queries, truth.ids.shape[1])[1])
    return Searched(found, recall, f"{index.nprobe} of {index.nlist} cells looked at")


def looks_at_all(queries: int, corpus: int, how: Search) -> bool:
    """Whether a search looks at every pair of so many queries and corpus vectors."""
    wanted = how == "approximate" or (how == "auto" and queries * corpus > _MOST_PRODUCTS)
    return not wanted or corpus < _FEWEST_VECTORS or not queries


def _index(corpus: Vectors) -> Any:  # noqa: ANN401  (faiss ships no types)
    import faiss

    cells = 2 ** round(math.log2(4 * math.sqrt(len(corpus))))
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(corpus.shape[1]), corpus.shape[1], cells, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.max_points_per_centroid = _LEARNED_FROM
    index.cp.min_points_per_centroid = 1
    index.train(corpus)
    index.add(corpus)
    index.nprobe = max(1, cells // 64)
    return index


def _recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    hits = sum(len(np.intersect1d(*both)) for both in zip(found, truth, strict=True))
    return hits / truth.size


def _ranked(queries: Vectors, corpus: Vectors, ids: NDArray[np.int64]) -> Neighbors:
    """The same neighbours with scores that do not depend on how they were found."""
    from synth.algorithms.scoring import best

    shape = ids.shape
    found = Neighbors(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
    # What is missing sorts last and does not count.
    in_order = np.sort(np.where(ids < 0, np.iinfo(np.int64).max, ids), axis=1)
    best(queries, corpus, in_order, (ids >= 0).sum(axis=1), shape[1], found.ids, found.scores)
    return found
