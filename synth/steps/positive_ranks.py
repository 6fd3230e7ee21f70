"""At what rank each query finds the best of its positives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.neighbors import Neighbors
from synth.steps.searching import Corpus, Retrieved

if TYPE_CHECKING:
    from synth.algorithms.ranks import Lists

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Sought(NamedTuple):
    """The positives of every row.

    Attributes:
        own: Those that are in the corpus.
        row: The row of each of the others, shape (others,).
        scores: What each retriever gives these, NaN for nothing, shape (others,).
    """

    own: Lists
    row: Ids
    scores: Mapping[str, Scores]


def positive_ranks(corpus: Corpus, sought: Sought, depth: int) -> Ids:
    """The rank of each row's best positive, from 1, and 0 for none that is found.

    Of texts that score the same each has the middle of their ranks; a positive outranks no other of
    its row.

    Args:
        corpus: What is searched.
        sought: The positives.
        depth: How deep a search goes that does not look at every product.
    """
    vectors = corpus.every_product()
    if vectors is None:
        return _in_rankings(corpus, sought, depth)
    from synth.algorithms.ranks import Counts, best_products, counts_beside, middle_ranks

    best, copies = best_products(*vectors, sought.own)
    ((_, given),) = sought.scores.items()
    score = np.fmax(best, _best_of(given, sought.row, len(best)))
    counts = counts_beside(*vectors, score)
    others = counts.equal - np.where(best == score, copies, 0)
    return np.where(np.isnan(score), 0, middle_ranks(Counts(counts.above, others)))


def _best_of(scores: Scores, row: Ids, rows: int) -> Scores:
    """The highest score of each row, NaN for none."""
    best = np.full(rows, np.nan, np.float32)
    np.fmax.at(best, row, scores)
    return best


def _in_rankings(corpus: Corpus, sought: Sought, depth: int) -> Ids:
    from synth.algorithms.ranks import members

    rows = len(sought.own.begins) - 1
    found = corpus.find(np.arange(rows), depth)
    ranking = Neighbors(found.ids[:, :depth], found.sums[:, :depth])
    own = members(ranking.ids, sought.own)
    best = np.where(own, ranking.scores, -np.inf).max(axis=1, initial=-np.inf)
    held = np.isfinite(best)
    added = _best_of(_added_sums(found, sought, corpus.size), sought.row, rows)
    score = np.fmax(np.where(held, best, np.float32(np.nan)), added)
    rank, deep_enough = _place(ranking, score, corpus.size, own)
    return np.where(np.isfinite(score) & (held | deep_enough), rank, 0)


def _added_sums(found: Retrieved, sought: Sought, size: int) -> Scores:
    """What the texts that the corpus lacks rank by, as if each were the only one added."""
    from synth.algorithms.fusion import RRF_K

    if len(found.by) == 1:
        return sought.scores[found.by[0][0]]
    sums = np.zeros(len(sought.row))
    for name, ranking in found.by:
        score = sought.scores[name]
        own = Neighbors(ranking.ids[sought.row], ranking.scores[sought.row])
        rank, deep_enough = _place(own, score, size, np.zeros(own.ids.shape, np.bool_))
        sums += np.where(np.isfinite(score) & deep_enough, 1 / (RRF_K + rank), 0)
    return np.where(sums > 0, sums, np.nan).astype(np.float32)


def _place(ranking: Neighbors, score: Scores, size: int, own: Mask) -> tuple[Ids, Mask]:
    """The rank of a score of each query, and whether the search went deep enough to tell.

    Args:
        ranking: What the queries found.
        score: NaN for nothing, shape (queries,).
        size: Texts of the corpus.
        own: Texts that do not stand in the way of the score, shape (queries, any).
    """
    from synth.algorithms.ranks import Counts, middle_ranks

    there, score = ranking.ids >= 0, score[:, None]
    above = (there & (ranking.scores > score)).sum(axis=1)
    equal = (there & (ranking.scores == score) & ~own).sum(axis=1)
    behind = (there & (ranking.scores < score)).any(axis=1)
    ended = ~there.all(axis=1) | (ranking.ids.shape[1] >= size)
    return middle_ranks(Counts(above, equal)), behind | ended
