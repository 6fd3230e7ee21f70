"""Candidates put in order: by inner products in float32, or by sums that other code has made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, kernel

Matrix = NDArray[np.float32]


@kernel
def best(
    queries: Matrix,
    corpus: Matrix,
    ids: NDArray[np.integer],
    counts: NDArray[np.int64],
    k: int,
    best_ids: NDArray[np.int64],
    best_scores: Matrix,
) -> None:
    """Writes the k best of each query's candidates, best first, equal scores by lower index.

    The score of a pair is summed in one order, whatever it stands among.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim).
        ids: Candidates in rising order, shape (queries, room).
        counts: How many of them count; below 0 the query is left out, shape (queries,).
        k: At least 1.
        best_ids: Where there are fewer than k, the last ones stay as they are; shape (queries, k).
        best_scores: Likewise, shape (queries, k).
    """
    sums = np.empty(16, np.float32)
    for query in range(len(queries)):
        count = counts[query]
        if count < 0:
            continue
        scores = np.empty(count, np.float32)
        for place in range(count):
            scores[place] = -inner_product(queries[query], corpus[ids[query, place]], sums)
        order = np.argsort(scores, kind="mergesort")
        for place in range(min(k, count)):
            best_ids[query, place] = ids[query, order[place]]
            best_scores[query, place] = -scores[order[place]]


def products(queries: Matrix, corpus: Matrix, ids: NDArray[np.int64]) -> Matrix:
    """Inner products of each query with some corpus vectors, each summed as `best` sums it.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim).
        ids: Indices into the corpus, -1 for none, shape (queries, any).

    Returns:
        NaN for none, shape (queries, any).
    """
    found = np.full(ids.shape, np.nan, np.float32)
    _multiply(np.ascontiguousarray(queries), np.ascontiguousarray(corpus), ids, found)
    return found


@kernel
def _multiply(queries: Matrix, corpus: Matrix, ids: NDArray[np.int64], found: Matrix) -> None:
    sums = np.empty(16, np.float32)
    for query in range(len(ids)):
        for place in range(ids.shape[1]):
            text = ids[query, place]
            if text >= 0:
                found[query, place] = inner_product(queries[query], corpus[text], sums)


@kernel
def inner_product(one: Matrix, other: Matrix, sums: Matrix) -> np.float32:
    """The sum of the products, in sixteen sums that are added at the end.

    Args:
        one: Shape (dim,).
        other: Shape (dim,).
        sums: Scratch, shape (16,).
    """
    sums[:] = 0
    size = len(one) - len(one) % 16
    for at in range(0, size, 16):
        for lane in range(16):
            sums[lane] += one[at + lane] * other[at + lane]
    total = np.float32(0)
    for lane in range(16):
        total += sums[lane]
    for at in range(size, len(one)):
        total += one[at] * other[at]
    return total


@kernel
def rank_sums(texts: Index, sums: NDArray[np.floating], ids: Index, best: Matrix) -> None:
    """Writes the texts with the highest sums, best first, equals by lower index.

    Args:
        texts: Each text once, in any order.
        sums: Of all texts, shape (corpus,).
        ids: Where there are fewer texts, the last ones stay as they are; shape (k,).
        best: Their sums, likewise, shape (k,).
    """
    k, values = len(ids), sums[texts]
    if len(texts) > k:
        least = np.partition(values, len(texts) - k)[len(texts) - k]
        texts = texts[values >= least]
    texts = np.sort(texts)
    order = np.argsort(-sums[texts], kind="mergesort")
    for place in range(min(k, len(texts))):
        ids[place] = texts[order[place]]
        best[place] = sums[texts[order[place]]]
