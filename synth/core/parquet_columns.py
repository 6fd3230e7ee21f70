"""Which columns inside a Parquet file hold what is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synth.core.rows import Table


def leaves(opened: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    """What to read of a file for columns, or for a field of their entries alone."""
    found = []
    for path in _paths(opened):
        plain = path.replace(".list.element", "")
        if any(plain == name or plain.startswith(f"{name}.") for name in columns):
            found.append(path)
    return found


def id_paths(opened: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    """What to read of columns to see the ids in them: of entries their ids alone."""
    found = []
    for name in columns:
        own = [path for path in _paths(opened) if path == name or path.startswith(f"{name}.")]
        found += [path for path in own if len(own) == 1 or path.endswith(".id")]
    return found


def _paths(opened: pq.ParquetFile) -> list[str]:
    """All that can be read of a file by itself, as Parquet names it."""
    return [opened.schema.column(at).path for at in range(len(opened.schema))]


def name_any(table: Table, ids: pa.Array) -> NDArray[np.bool_]:
    """Which rows name one of the ids in any column, shape (rows,)."""
    hit = np.zeros(table.num_rows, np.bool_)
    for column in table.columns:
        if not pa.types.is_list(column.type):
            hit |= pc.is_in(column, ids).to_numpy()
            continue
        parents, flat = pc.list_parent_indices(column), pc.list_flatten(column)
        named = pc.struct_field(flat, "id") if pa.types.is_struct(flat.type) else flat
        hit[parents.to_numpy()[pc.is_in(named, ids).to_numpy()]] = True
    return hit
