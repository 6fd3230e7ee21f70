"""Which of the texts found for a query can be its negatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.fusion import RRF_K
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Neighbors
from synth.algorithms.scoring import rank_sums


def fused(found: Sequence[Neighbors], count: int) -> Neighbors:
    """Several rankings of each query as one: reciprocal rank fusion.

    A text scores the sum of ``1 / (60 + rank)`` over the rankings that have it, ranks from 1; equal
    sums rank by lower index. One ranking comes back with the scores that it has.

    Args:
        found: Rankings of the same queries; an index of -1 is no text.
        count: Texts of the corpus.

    Source:
        Cormack, Clarke and Büttcher, Reciprocal Rank Fusion (SIGIR 2009).
    """
    if len(found) == 1:
        return found[0]
    all_ids = np.concatenate([one.ids for one in found], axis=1)
    ranks = np.concatenate([np.arange(1, one.ids.shape[1] + 1) for one in found])
    made = Neighbors(np.full(all_ids.shape, -1, np.int64), np.zeros(all_ids.shape, np.float32))
    _fuse(all_ids, ranks, np.zeros(count, np.float64), made.ids, made.scores)
    return made


@kernel
def _fuse(
    all_ids: Index,
    ranks: Index,
    sums: NDArray[np.float64],
    ids: Index,
    scores: NDArray[np.float32],
) -> None:
    width = all_ids.shape[1]
    seen = np.empty(width, np.int64)
    for query in range(len(all_ids)):
        found = 0
        for place in range(width):
            text = all_ids[query, place]
            if text < 0:
                continue
            if sums[text] == 0:
                seen[found] = text
                found += 1
            sums[text] += 1.0 / (RRF_K + ranks[place])
        rank_sums(seen[:found], sums, ids[query], scores[query])
        sums[seen[:found]] = 0


def places_of(found: Neighbors, ids: Index) -> Index:
    """Where each text stands in the ranking of its query, -1 where it does not.

    Args:
        found: A ranking of each query.
        ids: Texts, -1 for none, shape (queries, any).
    """
    places = np.full(ids.shape, -1, np.int64)
    _find(found.ids, ids, places)
    return places


@kernel
def _find(ranked: Index, ids: Index, places: Index) -> None:
    for query in range(len(ids)):
        for at in range(ids.shape[1]):
            for place in range(ranked.shape[1]):
                if ids[query, at] >= 0 and ranked[query, place] == ids[query, at]:
                    places[query, at] = place
                    break


def allowed(
    ids: Index, groups: Index, banned: Index, begins: Index, excluded: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which of the texts found are neither banned nor a repetition of one found before.

    Args:
        ids: Texts found for each query, best first, -1 for none, shape (queries, any).
        groups: For each text of the corpus one that it is equal to, shape (corpus,).
        banned: Groups that must not be found, those of a query together, shape (bans,).
        begins: Where each query's bans begin, and the end of the last, shape (queries + 1,).
        excluded: Those that are out for another reason, shape (queries, any).
    """
    found = np.zeros(ids.shape, np.bool_)
    _allow(ids, groups, banned, begins, excluded, np.full(len(groups), -1, np.int64), found)
    return found


@kernel
def _allow(
    ids: Index,
    groups: Index,
    banned: Index,
    begins: Index,
    excluded: NDArray[np.bool_],
    last: Index,
    found: NDArray[np.bool_],
) -> None:
    for query in range(len(ids)):
        for place in range(begins[query], begins[query + 1]):
            last[banned[place]] = query
        for place in range(ids.shape[1]):
            text = ids[query, place]
            if text < 0 or excluded[query, place] or last[groups[text]] == query:
                continue
            last[groups[text]] = query
            found[query, place] = True


def first_places(found: NDArray[np.bool_], count: int) -> Index:
    """The columns of the first `count` true values of each row, -1 where there are fewer."""
    nth = np.cumsum(found, axis=1)
    row, column = np.nonzero(found & (nth <= count))
    places = np.full((len(found), count), -1, np.int64)
    places[row, nth[row, column] - 1] = column
    return places
