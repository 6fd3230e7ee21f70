"""Two opinions on the same texts as one."""

from __future__ import annotations

from collections.abc import Sequence

# Of Cormack, Clarke and Büttcher, Reciprocal Rank Fusion (SIGIR 2009).
RRF_K = 60

Scores = Sequence[float | None]


def fused_scores(one: Scores, other: Scores) -> list[float | None]:
    """The reciprocal rank fusion of two orders of the same texts, in (0, 1].

    A text that is first in both scores 1. Equal scores share the better rank, so that an opinion
    without a preference changes no order. A text that one opinion has no score for has no score.

    Args:
        one: A score of each text, null where there is none.
        other: Likewise, in whatever unit.
    """
    ranks = [_ranks(scores) for scores in (one, other)]
    return [
        None if first is None or second is None else (_weight(first) + _weight(second)) / 2
        for first, second in zip(*ranks, strict=True)
    ]


def _ranks(scores: Scores) -> list[int | None]:
    """The rank of each score from 1, the highest first."""
    known = [score for score in scores if score is not None]
    first = {score: at for at, score in reversed(list(enumerate(sorted(known, reverse=True), 1)))}
    return [None if score is None else first[score] for score in scores]


def _weight(rank: int) -> float:
    return (RRF_K + 1) / (RRF_K + rank)
