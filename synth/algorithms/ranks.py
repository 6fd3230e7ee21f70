"""At what rank a text stands in a search, without the texts behind it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import ROUNDING, Vectors
from synth.algorithms.pool import GROUP, count_from
from synth.algorithms.scoring import inner_product

Matrix = NDArray[np.float32]

# Corpus vectors in one product: what comes of it for a block of queries is read while it is cached.
_CHUNK = 8192


class Lists(NamedTuple):
    """Texts of a corpus for each query.

    Attributes:
        ids: Those of a query together, shape (entries,).
        begins: Where each query's begin, and the end of the last, shape (queries + 1,).
    """

    ids: Index
    begins: Index


class Counts(NamedTuple):
    """How a corpus scores beside one score for each query.

    Attributes:
        above: Texts with a higher score, shape (queries,).
        equal: Texts with the same score, shape (queries,).
    """

    above: Index
    equal: Index


def middle_ranks(counts: Counts) -> Index:
    """The ranks of scores, from 1: of texts that score the same, the middle of their ranks.

    Where the first of them would flatter a text whose score many share, and the last belittle it,
    the middle, rounded up, does neither.

    Args:
        counts: Texts above each score, and other texts that share it.

    Source:
        The realistic rank of Berrendorf et al., On the Ambiguity of Rank-Based Evaluation of Entity
        Alignment or Link Prediction Methods (arXiv:2002.06914).
    """
    return 1 + counts.above + (counts.equal + 1) // 2


def best_products(queries: Vectors, corpus: Vectors, lists: Lists) -> tuple[Matrix, Index]:
    """The highest inner product of each query with its texts, and how many of them have it.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim).
        lists: Texts of each query.

    Returns:
        Products, NaN for a query without texts, and counts, shape (queries,) each.
    """
    best, count = np.full(len(queries), np.nan, np.float32), np.zeros(len(queries), np.int64)
    _best(np.ascontiguousarray(queries), np.ascontiguousarray(corpus), lists, best, count)
    return best, count


@kernel
def _best(queries: Matrix, corpus: Matrix, lists: Lists, best: Matrix, count: Index) -> None:
    sums = np.empty(16, np.float32)
    for query in range(len(queries)):
        for place in range(lists.begins[query], lists.begins[query + 1]):
            product = inner_product(queries[query], corpus[lists.ids[place]], sums)
            if np.isnan(best[query]) or product > best[query]:
                best[query], count[query] = product, 0
            count[query] += product == best[query]


def counts_beside(queries: Vectors, corpus: Vectors, scores: Matrix, memory_mb: int = 64) -> Counts:
    """How many corpus vectors have a higher inner product with each query than a given score.

    Products are compared as `scoring.products` sums them, whatever stands beside them. Beside
    100,000 vectors it takes little more than half the time of a search for the 100 best.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim).
        scores: Shape (queries,); nothing counts beside NaN.
        memory_mb: Working memory beside the arguments and the result; changes no result.
    """
    queries, corpus = (np.ascontiguousarray(one, np.float32) for one in (queries, corpus))
    counts = Counts(np.zeros(len(queries), np.int64), np.zeros(len(queries), np.int64))
    longest = float(np.linalg.norm(corpus, axis=1).max()) if len(corpus) else 0.0
    rows = max(1, memory_mb * 2**20 // (4 * _CHUNK))
    for at in range(0, len(queries), rows):
        part = slice(at, at + rows)
        slack = ROUNDING * longest * np.linalg.norm(queries[part], axis=1)
        own = Counts(counts.above[part], counts.equal[part])
        for first in range(0, len(corpus), _CHUNK):
            texts = corpus[first : first + _CHUNK]
            rough = queries[part] @ texts.T
            _count(rough, queries[part], texts, scores[part], slack, own)
    return counts


@kernel
def _count(
    rough: Matrix,
    queries: Matrix,
    corpus: Matrix,
    scores: Matrix,
    slack: Matrix,
    counts: Counts,
) -> None:
    """Adds up what some corpus vectors score; `rough` are their products to within the slack."""
    sums = np.empty(16, np.float32)
    for query in range(len(rough)):
        low, high = scores[query] - slack[query], scores[query] + slack[query]
        for begin in range(0, rough.shape[1], GROUP):
            end = min(begin + GROUP, rough.shape[1])
            if not count_from(rough[query, begin:end], low):
                continue
            for at in range(begin, end):
                product = rough[query, at]
                if product < low:
                    continue
                if product <= high:
                    product = inner_product(queries[query], corpus[at], sums)
                counts.above[query] += product > scores[query]
                counts.equal[query] += product == scores[query]


def members(found: Index, lists: Lists) -> NDArray[np.bool_]:
    """Which of the texts found for each query are among its own.

    Args:
        found: Texts, -1 for none, shape (queries, any).
        lists: Texts of each query.
    """
    mask = np.zeros(found.shape, np.bool_)
    _mark(found, lists, mask)
    return mask


@kernel
def _mark(found: Index, lists: Lists, mask: NDArray[np.bool_]) -> None:
    for query in range(len(found)):
        for place in range(lists.begins[query], lists.begins[query + 1]):
            for at in range(found.shape[1]):
                if found[query, at] == lists.ids[place]:
                    mask[query, at] = True
