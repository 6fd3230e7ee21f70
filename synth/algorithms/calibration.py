"""What share of some pairs are relevant, from the word of a judge whose errors are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Mask = NDArray[np.bool_]
Ids = NDArray[np.int64]

_DRAWS = 1_000
# Ends of a 95 % interval.
_INTERVAL = (2.5, 97.5)
# A judge that sees relevance less often than this beyond what it sees in strangers tells nothing.
LEAST_SKILL = 0.2


class Judge(NamedTuple):
    """A judge's cut and how it does on pairs of which the truth is known.

    Attributes:
        cut: Scores from here on say that a pair is relevant.
        hits: Share of relevant pairs that it calls so.
        false_alarms: Share of irrelevant pairs that it calls relevant.
    """

    cut: float
    hits: float
    false_alarms: float

    @property
    def skill(self) -> float:
        """Youden's index, in [-1, 1]: 0 for a judge that guesses, 1 for one that never errs."""
        return self.hits - self.false_alarms


def judge_of(relevant: Scores, irrelevant: Scores) -> Judge:
    """The cut that tells known pairs apart best (the lowest of equals).

    Args:
        relevant: Scores of pairs known to be relevant, at least one.
        irrelevant: Scores of pairs known not to be, at least one.
    """
    cuts = np.unique(np.concatenate([relevant, irrelevant]))
    hits = 1 - np.searchsorted(np.sort(relevant), cuts) / len(relevant)
    alarms = 1 - np.searchsorted(np.sort(irrelevant), cuts) / len(irrelevant)
    best = int(np.argmax(hits - alarms))
    return Judge(float(cuts[best]), float(hits[best]), float(alarms[best]))


def corrected(
    said: Scores | float, hits: Scores | float, alarms: Scores | float
) -> NDArray[np.float64]:
    """The share that is relevant where a judge calls the share `said` so, in [0, 1].

    Args:
        said: Share of pairs that the judge calls relevant, any shape.
        hits: Its share of hits.
        alarms: Its share of false alarms.

    Source:
        Rogan and Gladen, Estimating prevalence from the results of a screening test (1978).
    """
    skill = np.maximum(np.asarray(hits, np.float64) - alarms, 1e-9)
    return np.asarray(np.clip((said - alarms) / skill, 0, 1), np.float64)


@dataclass(frozen=True, slots=True)
class Sampled:
    """Candidates that a judge has looked at.

    Attributes:
        scores: The judge's, shape (sampled,).
        weights: How many candidates each stands for, shape (sampled,).
        row: The row that each belongs to, shape (sampled,).
        kept: Which of them each setting keeps, shape (settings, sampled).
    """

    scores: Scores
    weights: Scores
    row: Ids
    kept: Mask


@dataclass(frozen=True, slots=True)
class Rates:
    """Estimated share of relevant ones among what each setting keeps, NaN where none was judged.

    Attributes:
        mean: Shape (settings,).
        low: Lower end of the 95 % interval, shape (settings,).
        high: Upper end, shape (settings,).
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def false_negative_rates(
    sampled: Sampled, relevant: Scores, irrelevant: Scores, seed: int = 0
) -> Rates:
    """How many of the negatives that each setting keeps are relevant, by a judge.

    The interval is that of a bootstrap over rows and over the pairs by which the judge is known,
    its cut included.

    Args:
        sampled: What was judged.
        relevant: The judge's scores of pairs known to be relevant.
        irrelevant: Its scores of pairs known not to be.
        seed: Of the bootstrap.
    """
    mean = _estimate(sampled, np.ones(len(sampled.scores)), relevant, irrelevant)
    draw = np.random.default_rng(seed)
    _, row = np.unique(sampled.row, return_inverse=True)
    drawn = np.stack(
        [
            _estimate(
                sampled, _times(draw, row), draw.choice(relevant, len(relevant)),
                draw.choice(irrelevant, len(irrelevant)),
            )
            for _ in range(_DRAWS)
        ]
    )  # fmt: skip
    known = ~np.isnan(mean)
    ends = np.full((2, len(known)), np.nan)
    ends[:, known] = np.nanpercentile(drawn[:, known], _INTERVAL, axis=0)
    return Rates(mean, ends[0], ends[1])


def _times(draw: np.random.Generator, row: Ids) -> NDArray[np.float64]:
    """How often each candidate is drawn where rows are, shape (sampled,)."""
    rows = int(row.max(initial=-1)) + 1
    if rows == 0:
        return np.zeros(0)
    return np.asarray(np.bincount(draw.integers(0, rows, rows), minlength=rows)[row], np.float64)


def _estimate(
    sampled: Sampled, times: NDArray[np.float64], relevant: Scores, irrelevant: Scores
) -> NDArray[np.float64]:
    """The share that is relevant of what each setting keeps, shape (settings,)."""
    judge = judge_of(relevant, irrelevant)
    weights = sampled.kept * (times * sampled.weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        said = weights @ (sampled.scores >= judge.cut) / weights.sum(axis=1)
    return corrected(np.asarray(said, np.float64), judge.hits, judge.false_alarms)


def stratified(
    values: Scores, size: int, strata: int, seed: int
) -> tuple[Ids, NDArray[np.float64]]:
    """A sample that takes as many from each stratum of the values as from the next.

    Args:
        values: By which things are divided into strata of equal number, shape (things,).
        size: How many are wanted; fewer where there are fewer.
        strata: Number of strata.
        seed: Of the draw.

    Returns:
        Indices in rising order, and how many things each stands for.
    """
    draw = np.random.default_rng(seed)
    order = np.argsort(values, kind="stable")
    parts = [part for part in np.array_split(order, strata) if len(part)]
    taken: list[Ids] = []
    weights: list[NDArray[np.float64]] = []
    left = min(size, len(values))
    for number, part in enumerate(parts):
        count = min(len(part), -(-left // (len(parts) - number)))
        left -= count
        taken.append(draw.choice(part, count, replace=False))
        weights.append(np.full(count, len(part) / max(1, count)))
    found = np.concatenate([*taken, np.zeros(0, np.int64)]).astype(np.int64)
    weight = np.concatenate([*weights, np.zeros(0)])
    rising = np.argsort(found, kind="stable")
    return found[rising], weight[rising]
