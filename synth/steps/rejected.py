"""Negatives divided into those that a row keeps and those that are rejected, each with its why."""

from __future__ import annotations

from collections.abc import Sequence

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
            ]
        )
    ),
)
SHORT_BY = pa.field("short_by", pa.int32())


def divided(
    batch: Table,
    negatives: EntryLists,
    reasons: NDArray[np.integer],
    names: Sequence[str],
    ceilings: NDArray[np.float64],
    keep: int | None,
) -> Table:
    """The same rows with the negatives that they keep, those rejected, and how many lack.

    Args:
        batch: The rows.
        negatives: Theirs.
        reasons: Of each negative the place of its reason in `names`, 0 for one that stays, shape
            (negatives,).
        names: The reasons.
        ceilings: The score that each had to stay below, not finite where there is none, shape
            (negatives,).
        keep: How many a row should have, None for no number.
    """
    kept, rejected = np.flatnonzero(reasons == 0), np.flatnonzero(reasons)
    limits = ceilings[rejected]
    more = {
        "reason": pa.array(names).take(pa.array(reasons[rejected])),
        "ceiling": pa.array(limits, pa.float32(), mask=~np.isfinite(limits)),
    }
    counts = np.bincount(negatives.row[kept], minlength=batch.num_rows)
    short = np.zeros(batch.num_rows) if keep is None else keep - counts
    out = rows.with_column(batch, NEGATIVES, negatives.lists(kept))
    lists = negatives.lists(rejected, REJECTED_NEGATIVES, more)
    out = rows.with_column(out, REJECTED_NEGATIVES, lists)
    return rows.with_column(out, SHORT_BY, pa.array(short.astype(np.int32)))
