"""Rows as Arrow tables: the columns that `synth` knows, and how a row is marked as dropped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Table: TypeAlias = pa.Table
Schema: TypeAlias = pa.Schema
Field: TypeAlias = pa.Field

POSITIVES = pa.list_(
    pa.struct([("id", pa.string()), ("text", pa.string()), ("score", pa.float32())])
)
# Which retrievers found a text, and each one's own rank (from 1) and score.
FOUND = pa.list_(pa.struct([("by", pa.string()), ("rank", pa.int32()), ("score", pa.float32())]))
NEGATIVES = pa.list_(
    pa.struct(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("score", pa.float32()),
            ("rank", pa.int32()),
            ("origin", pa.string()),
            ("found", FOUND),
        ]
    )
)
# Texts of another table that a row's own text finds, best first.
RETRIEVED = pa.list_(
    pa.struct(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("score", pa.float32()),
            ("rank", pa.int32()),
            ("found", FOUND),
        ]
    )
)
# Where one generated row, or one generated value of a row, came from. `axes` is a JSON object: the
# `datasets` library has no map type.
PROVENANCE = pa.struct(
    [
        ("step", pa.string()),
        ("model", pa.string()),
        ("prompt", pa.string()),
        ("prompt_sha", pa.string()),
        ("seed", pa.int64()),
        ("axes", pa.string()),
    ]
)
EDITS = pa.list_(PROVENANCE)
# Stands in a planned schema for a fixed_size_list whose size only the loaded encoder knows.
VECTOR = pa.list_(pa.float32())

ID = pa.field("id", pa.string())
TEXT = pa.field("text", pa.string())
DROP_REASON = pa.field("drop_reason", pa.string())
LINEAGE = (
    pa.field("parent_id", pa.string()),
    pa.field("source_id", pa.string()),
    pa.field("provenance", PROVENANCE),
)


def is_vector(kind: pa.DataType) -> bool:
    """Whether a column holds embeddings, of a size known or not."""
    listed = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(listed and kind.value_type == pa.float32())


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether a column holds lists of floats of any precision, which are read as embeddings."""
    listed = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_list(kind) for is_list in listed) and pa.types.is_floating(kind.value_type)


def same_type(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether a column can be read as another: equal, both text, or floats for embeddings."""
    texts = (pa.types.is_string, pa.types.is_large_string)
    if any(is_text(one) for is_text in texts) and any(is_text(other) for is_text in texts):
        return True
    return bool(one == other) or (is_vector(one) and holds_numbers(other))


def with_fields(schema: Schema, fields: Iterable[Field]) -> Schema:
    """The schema with `fields` added at its end, each replacing the one of its name in place."""
    for field in fields:
        at = schema.get_field_index(field.name)
        schema = schema.append(field) if at < 0 else schema.set(at, field)
    return schema


def with_column(rows: Table, field: Field, values: Any) -> Table:  # noqa: ANN401  (array or list)
    """The table with one column added at its end or replaced in place."""
    column = (
        values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, field.type)
    )
    at = rows.schema.get_field_index(field.name)
    if at < 0:
        return rows.append_column(field, column)
    return rows.set_column(at, field, column)


def with_columns(rows: Table, fields: Iterable[Field], values: Iterable[Any]) -> Table:
    """The table with columns added at its end or replaced in place."""
    for field, column in zip(fields, values, strict=True):
        rows = with_column(rows, field, pa.array(column, field.type))
    return rows


def conform(rows: Table, schema: Schema) -> Table:
    """The table with exactly the planned columns, in their order and of their types.

    Embeddings keep their own width. This holds the law that a step adds what it says and no more.

    Raises:
        KeyError: If a planned column is missing.
    """
    columns, fields = [], []
    for field in schema:
        column = rows.column(field.name)
        if is_vector(field.type) or column.type == field.type:
            fields.append(pa.field(field.name, column.type))
        else:
            column = column.cast(field.type)
            fields.append(field)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def live(rows: Table) -> Table:
    """The rows that no step has dropped."""
    return rows.filter(pc.is_null(rows.column("drop_reason")))


def mark_dropped(rows: Table, dropped: NDArray[np.bool_] | Sequence[bool], reason: str) -> Table:
    """The same rows, those of `dropped` carrying `reason`; an earlier reason stays.

    Args:
        rows: Any table with a `drop_reason` column.
        dropped: Which rows to mark, shape (rows,).
        reason: Stable snake_case word for the ledger.
    """
    marked = pc.if_else(pa.array(dropped, pa.bool_()), reason, pa.scalar(None, pa.string()))
    reasons = pc.coalesce(rows.column("drop_reason").combine_chunks(), marked)
    return with_column(rows, DROP_REASON, reasons)


def vectors(rows: Table, column: str) -> NDArray[np.float32]:
    """An embedding column as a matrix, shape (rows, dim); (0, 0) without rows.

    Raises:
        ValueError: If a row has no vector: the others would move into its place.
    """
    if rows.num_rows == 0:
        return np.empty((0, 0), np.float32)
    missing = rows.column(column).null_count
    if missing:
        raise ValueError(f"{missing} of {rows.num_rows} rows have no vector in {column!r}")
    flat = pc.list_flatten(rows.column(column)).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat, np.float32).reshape(rows.num_rows, -1)


def vector_column(matrix: NDArray[np.float32]) -> pa.Array:
    """A matrix of shape (rows, dim) as a fixed_size_list<float32> column."""
    size = matrix.shape[1] if matrix.ndim == 2 and matrix.shape[1] else 1
    flat = pa.array(np.ascontiguousarray(matrix, np.float32).reshape(-1), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, size)
