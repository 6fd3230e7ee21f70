"""Negatives divided into those that a row keeps and those that are rejected, each with its why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table
from synth.steps.entry_lists import EntryLists
from synth.steps.made import NEGATIVES

REJECTED_NEGATIVES = pa.field(
    "rejected_negatives",
    pa.list_(
        pa.struct(
            [
                *rows.NEGATIVES.value_type,
                pa.field("reason", pa.string()),
                pa.field("ceiling", pa.float32()),
                pa.field("bound", pa.float32()),
            ]
        )
    ),
)


class Limits(NamedTuple):
    """Scores that negatives are held against, not finite where there is none.

    Attributes:
        ceiling: What each had to stay below, shape (negatives,).
        bound: The score of the rule that rejects it, shape (negatives,).
    """

    ceiling: NDArray[np.float64]
    bound: NDArray[np.float64]


SHORT_BY = pa.field("short_by", pa.int32())


def divided(
    batch: Table,
    negatives: EntryLists,
    reasons: NDArray[np.integer],
    names: Sequence[str],
    limits: Limits | None,
    keep: int | None,
) -> Table:
    """The same rows with the negatives that they keep, those rejected, and how many lack.

    Args:
        batch: The rows.
        negatives: Theirs.
        reasons: Of each negative the place of its reason in `names`, 0 for one that stays, shape
            (negatives,).
        names: The reasons.
        limits: Scores that negatives are rejected by, None where it is not by scores.
        keep: How many a row should have, None for no number.
    """
    kept, rejected = np.flatnonzero(reasons == 0), np.flatnonzero(reasons)
    more = {"reason": pa.array(names).take(pa.array(reasons[rejected]))}
    for name in Limits._fields:
        values = (
            np.full(len(rejected), np.nan) if limits is None else getattr(limits, name)[rejected]
        )
        more[name] = pa.array(values, pa.float32(), mask=~np.isfinite(values))
    counts = np.bincount(negatives.row[kept], minlength=batch.num_rows)
    short = np.zeros(batch.num_rows) if keep is None else keep - counts
    out = rows.with_column(batch, NEGATIVES, negatives.lists(kept))
    lists = negatives.lists(rejected, REJECTED_NEGATIVES, more)
    out = rows.with_column(out, REJECTED_NEGATIVES, lists)
    return rows.with_column(out, SHORT_BY, pa.array(short.astype(np.int32)))
