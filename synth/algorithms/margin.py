"""Which negatives score clearly below their query's positive, so that they are truly negative."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Reference = Literal["hardest", "first", "mean"]


def reference_scores(
    scores: Scores, row: NDArray[np.int64], rows: int, reference: Reference
) -> NDArray[np.float64]:
    """The one positive score that each row's negatives are measured against.

    Args:
        scores: Scores of all rows' positives; those that are not finite do not count, shape (n,).
        row: The row that each score belongs to, in rising order, shape (n,).
        rows: Number of rows.
        reference: ``hardest`` is the lowest score, ``first`` that of the first positive, ``mean``
            their mean.

    Returns:
        Shape (rows,); NaN for a row without a finite score.
    """
    finite = np.isfinite(scores)
    values, row = np.asarray(scores, np.float64)[finite], row[finite]
    found = np.full(rows, np.nan)
    scored, first, count = np.unique(row, return_index=True, return_counts=True)
    if not len(scored):
        return found
    match reference:
        case "hardest":
            found[scored] = np.minimum.reduceat(values, first)
        case "first":
            found[scored] = values[first]
        case "mean":
            found[scored] = np.add.reduceat(values, first) / count
    return found


def ceilings(
    reference: Scores,
    relative_margin: float | None = None,
    absolute_margin: float | None = None,
    max_score: float | None = None,
) -> NDArray[np.float64]:
    """The highest score that a negative of each row may have.

    The lowest of ``s - abs(s) * relative_margin``, ``s - absolute_margin`` and ``max_score`` for a
    reference score s. Taking the margin off ``abs(s)`` keeps it a margin where s is negative,
    which ``s * 0.95`` does not.

    Args:
        reference: Positive score of each row, shape (rows,).
        relative_margin: Fraction of the reference score, in [0, 1); None is off.
        absolute_margin: Distance from the reference score, 0 or more; None is off.
        max_score: The same ceiling for all rows; None is off.

    Returns:
        Shape (rows,); infinite if every rule is off, NaN where a margin has no reference.

    Source:
        TopK-PercPos, TopK-MarginPos and TopK-Abs of NV-Retriever (arXiv:2407.15831); sign-safe as
        in sentence-transformers (#3819).
    """
    score = np.asarray(reference, np.float64)
    found = np.full(score.shape, np.inf)
    if relative_margin is not None:
        found = np.minimum(found, score - np.abs(score) * relative_margin)
    if absolute_margin is not None:
        found = np.minimum(found, score - absolute_margin)
    if max_score is not None:
        found = np.minimum(found, max_score)
    return found


def keep_below(
    scores: Scores, row: NDArray[np.int64], ceiling: Scores, min_score: float | None = None
) -> NDArray[np.bool_]:
    """Which candidates score at most their row's ceiling, and at least `min_score`.

    Args:
        scores: Scores of all rows' candidates, shape (n,).
        row: The row that each candidate belongs to, shape (n,).
        ceiling: As `ceilings` gives it, shape (rows,).
        min_score: The same floor for all rows; None is off.

    Returns:
        Shape (n,); False for every score that is not finite and every row whose ceiling is NaN.
    """
    floor = -np.inf if min_score is None else min_score
    kept = np.isfinite(scores) & (scores <= ceiling[row]) & (scores >= floor)
    return np.asarray(kept, np.bool_)
