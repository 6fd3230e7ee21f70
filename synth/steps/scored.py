"""Entries of `positives` and `negatives` that an LLM scores, one reply for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa

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


def scored_rows(batch: Table, answers: Sequence[Answer], maker: Maker) -> Made:
    """The same rows with the replies as the scores of their entries, in [0, 1].

    An entry whose reply cannot be used has no score. A row of which no reply can be used is dropped
    with the reason of the first, or keeps the scores it had.

    Args:
        batch: The rows that were asked about.
        answers: One for each of their `entries_of`, in that order.
        maker: The step.
    """
    lists = [cells.entries(batch, name) for name in NAMES]
    edits = listed_before(batch, EDITS)
    reasons: list[str | None] = [None] * batch.num_rows
    by: list[str | None] = [None] * batch.num_rows
    for at, group in groupby(answers, key=lambda answer: answer.ask.row):
        replies = list(group)
        good = [answer for answer in replies if answer.parsed.failure is None]
        if not good:
            reasons[at] = None if maker.keep_failed else replies[0].parsed.failure
            continue
        edits[at] = [*(edits[at] or []), maker.provenance(good[0])]
        by[at] = maker.scored_by(good[0])
        row = {name: one[at] for name, one in zip(NAMES, lists, strict=True)}
        give(list(entries_of(row)), [_score(answer, maker) for answer in replies], maker)
    out = batch
    for field, filled in zip(LISTS, lists, strict=True):
        out = cells.with_entries(out, field, filled)
    out = rows.with_column(out, SCORED_BY, pa.array(by, SCORED_BY.type))
    out = rows.with_column(out, EDITS, pa.array(edits, EDITS.type))
    out = rows.with_column(out, rows.DROP_REASON, reasons)
    return Made(out, np.zeros(batch.num_rows, np.bool_))


def _score(answer: Answer, maker: Maker) -> float | None:
    """The reply as a share of the way from the least to the most that it may be."""
    if answer.parsed.failure is not None:
        return None
    least, most = score_range(maker.prompt.head)
    value = float(next(iter(answer.parsed.items[0].values())))
    return (value - least) / (most - least)
