"""New rows of steps that ask no model, beside the rows that stay."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields
from synth.steps.whole import IS_NEW

# The row that a new one is made from, and the document that this comes from.
LINEAGE = rows.LINEAGE[:2]
DOC_IDS = pa.field("doc_ids", pa.list_(pa.string()))


def with_new(
    table: Table,
    stays: NDArray[np.bool_],
    parent: NDArray[np.int64],
    made: Mapping[str, pa.Array],
    adds: Fields,
) -> Table:
    """The rows that stay and then new ones, which are true in the column `IS_NEW`.

    Args:
        table: The rows that came, with the reasons of those that drop.
        stays: Which of them go on or drop, shape (rows,); the others live on in new rows.
        parent: The row from which each new row has what is not made, -1 for none, shape (new,).
        made: Columns of the new rows, `id` among them.
        adds: What the step adds.
    """
    wide = table
    for field in adds:
        if field.name not in wide.column_names:
            wide = rows.with_column(wide, field, pa.nulls(wide.num_rows, field.type))
    old = wide.take(pa.array(np.flatnonzero(stays)))
    taken = wide.take(pa.array(parent, mask=parent < 0))
    own = {**made, rows.DROP_REASON.name: pa.nulls(len(parent), pa.string())}
    columns = [
        own[field.name].cast(field.type) if field.name in own else taken.column(field.name)
        for field in wide.schema
    ]
    new = pa.Table.from_arrays(columns, schema=wide.schema)
    is_new = np.arange(old.num_rows + new.num_rows) >= old.num_rows
    return pa.concat_tables([old, new]).append_column(IS_NEW, pa.array(is_new))


def lineage(table: Table, parent: NDArray[np.int64]) -> dict[str, pa.Array]:
    """The columns of `LINEAGE` for rows made of one row each.

    Args:
        table: The rows that came.
        parent: The row that each is made from, shape (new,).
    """
    ids = table.column("id").combine_chunks().cast(pa.string())
    sources = ids
    if "source_id" in table.column_names:
        sources = pc.coalesce(table.column("source_id").combine_chunks(), ids)
    at = pa.array(parent)
    return {"parent_id": ids.take(at), "source_id": sources.take(at)}
