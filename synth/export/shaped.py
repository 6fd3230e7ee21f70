"""Rows shaped for publishing, and the two columns that place them: split key and order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.rows import Table

SPLIT_KEY = pa.field("_split_key", pa.string())
ORDER = pa.field("_order", pa.string())

_PLACES = (SPLIT_KEY.name, ORDER.name)

# The table that has a row, or several, for each row that an export reads.
ROWS = "rows"

# Digits of the largest int64, so that places sort as text as they do as numbers.
_POSITION_DIGITS = 19
# Rows made of one row: a hundred million are enough.
_INDEX_DIGITS = 8
# Columns that name the source of a row, the surest first.
_SOURCES = ("source_id", "doc_ids", "parent_id", "id")

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Shaped:
    """What an export makes of some rows; ``rows_used + sum(dropped.values())`` is their number.

    Attributes:
        rows: The columns to publish, then `SPLIT_KEY` and `ORDER`.
        dropped: Input rows that give no row, by reason.
        rows_used: Input rows that give at least one.
        others: Further tables, by name; those that are split have a `SPLIT_KEY`.
    """

    rows: Table
    dropped: Mapping[str, int]
    rows_used: int
    others: Mapping[str, Table] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, Table]:
        """All tables, by name."""
        return {ROWS: self.rows, **self.others}


def shaped(columns: Table, batch: Table, row: Rows, index: Rows | None = None) -> Shaped:
    """Rows of which each comes from a row of `batch`, none of which is left out.

    Args:
        columns: The columns to publish.
        batch: The input rows.
        row: The input row that each comes from, shape (rows,).
        index: Its place among those of one input row; None where there is one of each.
    """
    at = pa.array(row)
    placed = columns.append_column(SPLIT_KEY, split_keys(batch).take(at))
    placed = placed.append_column(ORDER, _order(batch, at, index))
    return Shaped(placed, {}, len(np.unique(row)))


def unplaced(table: Table) -> Table:
    """The columns to publish."""
    return table.drop_columns([name for name in _PLACES if name in table.column_names])


def split_keys(batch: Table) -> pa.Array:
    """What the split of each row is drawn by: its source document.

    That is `source_id`, else the first document of a window, else `parent_id`, else `id`. Windows
    that share a document in their middle may still come apart.
    """
    named = [name for name in _SOURCES if name in batch.column_names]
    keys = [_first(column(batch, name)) for name in named]
    return pc.coalesce(*keys)


def _first(values: pa.Array) -> pa.Array:
    """Ids, or the first one of each list of ids."""
    if not pa.types.is_list(values.type):
        return values.cast(pa.string())
    filled = pc.if_else(pc.greater(pc.list_value_length(values), 0), values, None)
    return pc.list_element(filled, 0).cast(pa.string())


def _order(batch: Table, at: pa.Array, index: Rows | None) -> pa.Array:
    order = column(batch, "id").cast(pa.string())
    if "position" in batch.column_names:
        number = column(batch, "position").cast(pa.string())
        place = pc.utf8_lpad(number, _POSITION_DIGITS, "0")
        order = pc.binary_join_element_wise(pc.coalesce(place, ""), order, " ")
    order = order.take(at)
    if index is None:
        return order
    number = pc.utf8_lpad(pa.array(index).cast(pa.string()), _INDEX_DIGITS, "0")
    return pc.binary_join_element_wise(order, number, " ")


def column(batch: Table, name: str) -> pa.Array:
    """A column in one piece."""
    whole = batch.column(name).combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def is_text(texts: pa.Array) -> Mask:
    """Where there is a text that is more than white space, shape (texts,)."""
    found = pc.not_equal(pc.utf8_trim_whitespace(texts), "")
    return np.asarray(
        pc.fill_null(found, fill_value=False).to_numpy(zero_copy_only=False), np.bool_
    )


def counted(rules: Mapping[str, Mask]) -> tuple[dict[str, int], Mask]:
    """How many rows each rule leaves out, and which rows none does.

    Args:
        rules: Rows to leave out, by reason; a row counts for the first rule that it breaks.
    """
    left = ~np.zeros_like(next(iter(rules.values())))
    counts = {}
    for reason, broken in rules.items():
        number = int(np.count_nonzero(broken & left))
        if number:
            counts[reason] = number
        left &= ~broken
    return counts, left
