"""The two hidden columns in which workers tell the ledger what a row's numbers cannot.

Both end at the writer: no file of a run holds them.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.core.rows import Table
from synth.manifest import Usage
from synth.steps.whole import IS_NEW

# What a batch did, on its first row: how many input rows it replaced, and what models cost.
TALLY = pa.field(
    "_tally",
    pa.struct([(name, pa.int64()) for name in ("replaced", *Usage.model_fields)]),
)


def with_tally(table: Table, is_new: NDArray[np.bool_], replaced: int, usage: Usage) -> Table:
    """A batch with what it did.

    Args:
        table: The rows of the batch, at least one.
        is_new: Which of them are new, shape (rows,).
        replaced: Input rows that go on only in the new rows made from them.
        usage: What was asked of models for the batch.
    """
    told = [{"replaced": replaced, **usage.model_dump()}, *[None] * (table.num_rows - 1)]
    table = table.append_column(IS_NEW, pa.array(is_new))
    return table.append_column(TALLY, pa.array(told[: table.num_rows], TALLY.type))


def split_tally(table: Table) -> tuple[Table, int, int, Usage]:
    """The rows without hidden columns; rows made, input rows replaced and usage."""
    made, replaced, usage = 0, 0, Usage()
    if IS_NEW.name in table.column_names:
        made = int(np.sum(table.column(IS_NEW.name).to_numpy(zero_copy_only=False)))
    if TALLY.name in table.column_names:
        for told in table.column(TALLY.name).drop_null().to_pylist():
            replaced += told.pop("replaced")
            usage += Usage(**told)
    hidden = [name for name in (IS_NEW.name, TALLY.name) if name in table.column_names]
    return table.drop_columns(hidden), made, replaced, usage
