"""Entries of `positives` and `negatives` that an LLM scores, one reply for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from synth.algorithms.fusion import fused_scores
from synth.core import rows
from synth.core.rows import Table
from synth.steps import cells
from synth.steps.ask import Answer
from synth.steps.cells import Entry
from synth.steps.made import (
    EDITS,
    NEGATIVES,
    POSITIVES,
    SCORED_BY,
    Made,
    Maker,
    listed_before,
)
from synth.steps.reply import score_range

LISTS = (POSITIVES, NEGATIVES)
NAMES = tuple(field.name for field in LISTS)
# What a prompt calls the text that it scores.
PASSAGE = "passage"


def entries_of(row: Mapping[str, Any]) -> Iterator[Entry]:
    """The entries of a row that have a text, its positives before its negatives."""
    for name in NAMES:
        yield from (entry for entry in row[name] or [] if (entry["text"] or "").strip())


def give(entries: Sequence[Entry], scores: Sequence[float | None], maker: Maker) -> None:
    """Gives the entries of a row their scores, fused with the old ones where a step says so."""
    fused = fused_scores([entry["score"] for entry in entries], scores) if maker.fuse else scores
    for entry, score in zip(entries, fused, strict=True):
        entry["score"] = score


class Scoring:
    """Rows whose entries get scores from replies, and what is told of each row with them.

    Args:
        batch: The rows that were asked about.
        maker: The step.
    """

    def __init__(self, batch: Table, maker: Maker) -> None:
        self._batch, self._maker = batch, maker
        self._lists = [cells.entries(batch, name) for name in NAMES]
        self._edits = listed_before(batch, EDITS)
        self._reasons: list[str | None] = [None] * batch.num_rows
        self._by: list[str | None] = [None] * batch.num_rows

    def failed(self, answer: Answer) -> None:
        """Drops the row of a reply that cannot be used, or keeps the scores it had."""
        failure = None if self._maker.keep_failed else answer.parsed.failure
        self._reasons[answer.ask.row] = failure

    def entries(self, answer: Answer) -> list[Entry]:
        """The entries of the row of a reply, which is told as the one that gave their scores."""
        at = answer.ask.row
        self._edits[at] = [*(self._edits[at] or []), self._maker.provenance(answer)]
        self._by[at] = self._maker.scored_by(answer)
        row = {name: one[at] for name, one in zip(NAMES, self._lists, strict=True)}
        return list(entries_of(row))

    def made(self) -> Made:
        """The same rows with what their entries were given."""
        out = self._batch
        for field, filled in zip(LISTS, self._lists, strict=True):
            out = cells.with_entries(out, field, filled)
        out = rows.with_column(out, SCORED_BY, self._by)
        out = rows.with_column(out, EDITS, self._edits)
        out = rows.with_column(out, rows.DROP_REASON, self._reasons)
        return Made(out, np.zeros(out.num_rows, np.bool_))


def scored_rows(batch: Table, answers: Sequence[Answer], maker: Maker) -> Made:
    """The same rows with the replies as the scores of their entries, in [0, 1].

    An entry whose reply cannot be used has no score. A row of which no reply can be used is dropped
    with the reason of the first, or keeps the scores it had.

    Args:
        batch: The rows that were asked about.
        answers: One for each of their `entries_of`, in that order.
        maker: The step.
    """
    scoring = Scoring(batch, maker)
    for _, group in groupby(answers, key=lambda answer: answer.ask.row):
        replies = list(group)
        good = [answer for answer in replies if answer.parsed.failure is None]
        if not good:
            scoring.failed(replies[0])
            continue
        give(scoring.entries(good[0]), [_score(answer, maker) for answer in replies], maker)
    return scoring.made()


def _score(answer: Answer, maker: Maker) -> float | None:
    """The reply as a share of the way from the least to the most that it may be."""
    if answer.parsed.failure is not None:
        return None
    least, most = score_range(maker.prompt.head)
    value = float(next(iter(answer.parsed.items[0].values())))
    return (value - least) / (most - least)
