"""A small corpus for some queries: what they need, and what several searches find hard to tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, kernel
from synth.algorithms.ranks import Lists


def pooled(
    rankings: Sequence[Index], positives: Lists, per_query: int, size: int
) -> NDArray[np.bool_]:
    """Which texts are in the pool of any query.

    A pool holds all positives of its query, and then from each ranking in turn the first text that
    it does not hold yet, until it is full.

    Args:
        rankings: Texts found for each query, best first, -1 for none, shape (queries, any) each; as
            deep as a pool is large, or as the corpus.
        positives: Of each query.
        per_query: Texts in a pool; more only where there are more positives.
        size: Texts of the corpus.

    Returns:
        Shape (corpus,).

    Source:
        Hard-negative pooling of MMTEB (arXiv:2502.13595).
    """
    deepest = max(one.shape[1] for one in rankings)
    queries = len(positives.begins) - 1
    every = np.full((len(rankings), queries, deepest), -1, np.int64)
    for place, one in enumerate(rankings):
        every[place, :, : one.shape[1]] = one
    kept = np.zeros(size, np.bool_)
    _pool(every, positives, per_query, np.full(size, -1, np.int64), kept)
    return kept


@kernel
def _pool(
    every: NDArray[np.int64],
    positives: Lists,
    per_query: int,
    last: Index,
    kept: NDArray[np.bool_],
) -> None:
    lists, queries, depth = every.shape
    place = np.zeros(lists, np.int64)
    for query in range(queries):
        held = 0
        for at in range(positives.begins[query], positives.begins[query + 1]):
            held += _hold(positives.ids[at], query, last, kept)
        place[:] = 0
        turn, idle = 0, 0
        while held < per_query and idle < lists:
            came = 0
            while came == 0 and place[turn] < depth:
                text = every[turn, query, place[turn]]
                place[turn] += 1
                came = _hold(text, query, last, kept) if text >= 0 else 0
            held += came
            idle = 0 if came else idle + 1
            turn = (turn + 1) % lists


@kernel
def _hold(text: int, query: int, last: Index, kept: NDArray[np.bool_]) -> int:
    """Puts a text into the query's pool; 0 if it was there."""
    if last[text] == query:
        return 0
    last[text], kept[text] = query, True
    return 1
