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

    The interval is that of a bootstrap over rows and over the pairs by which the judge is known.

    Args:
        sampled: What was judged.
        relevant: The judge's scores of pairs known to be relevant.
        irrelevant: Its scores of pairs known not to be.
        seed: Of the bootstrap.
    """
    judge = judge_of(relevant, irrelevant)
    said = sampled.scores >= judge.cut
    mean = corrected(_share(sampled, said, np.ones((1, len(said)))), judge.hits, judge.false_alarms)
    draw = np.random.default_rng(seed)
    _, row = np.unique(sampled.row, return_inverse=True)
    times = _times(draw, int(row.max(initial=-1)) + 1)[:, row]
    hits, alarms = (
        _times(draw, len(one)) @ (one >= judge.cut) / len(one) for one in (relevant, irrelevant)
    )
    drawn = corrected(_share(sampled, said, times), hits[:, None], alarms[:, None])
    known = ~np.isnan(mean[0])
    ends = np.full((2, len(known)), np.nan)
    ends[:, known] = np.nanpercentile(drawn[:, known], _INTERVAL, axis=0)
    return Rates(mean[0], ends[0], ends[1])


def _times(draw: np.random.Generator, count: int) -> NDArray[np.float64]:
    """How often each of `count` things is drawn in every draw, shape (draws, count)."""
    if count == 0:
        return np.zeros((_DRAWS, 0))
    return np.asarray(draw.multinomial(count, np.full(count, 1 / count), _DRAWS), np.float64)


def _share(sampled: Sampled, said: Mask, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted share called relevant of what each setting keeps, shape (draws, settings)."""
    weights = times * sampled.weights
    kept = sampled.kept.astype(np.float64)
    total = weights @ kept.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ (kept * said).T) / total, np.float64)


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
