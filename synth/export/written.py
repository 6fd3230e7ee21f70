"""What is in the files of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import orjson
import pyarrow.parquet as pq

from synth.core.rows import Schema
from synth.export.layout import FileSet
from synth.inputs.files import Folder

_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Written:
    """One configuration of a dataset.

    Attributes:
        files: Where its files are.
        splits: Rows of each split that has any.
        schema: Its columns; None where it has no row.
        example: Its first row.
        unpacked: Bytes of the rows of each split, before they are compressed.
    """

    files: FileSet
    splits: Mapping[str, int]
    schema: Schema | None
    example: Mapping[str, Any]
    unpacked: Mapping[str, int] = field(default_factory=dict)


def written(files: FileSet, root: Folder, schema: Schema) -> Written:
    """What there is, read from the files.

    Args:
        files: The files of a configuration, Parquet or JSON Lines.
        root: The run's folder.
        schema: The columns that were written, for JSON tells no types.
    """
    folder = root.sub(*files.folder.split("/"))
    names = folder.names()
    splits: dict[str, int] = {}
    unpacked: dict[str, int] = {}
    found, example = None, {}
    for split in files.splits:
        for name in (one for one in names if fnmatch(one, files.pattern(split))):
            with folder.fs.open(folder.path(name), "rb") as opened:
                look = _parquet if files.kind == "parquet" else _json_lines
                rows, size, columns, first = look(opened)
            splits[split] = splits.get(split, 0) + rows
            unpacked[split] = unpacked.get(split, 0) + size
            if found is None:
                found, example = columns or schema, first
    return Written(files, splits, found, example, unpacked)


Look = tuple[int, int, Schema | None, dict[str, Any]]


def _parquet(opened: Any) -> Look:  # noqa: ANN401  (fsspec)
    found = pq.ParquetFile(opened)
    first = next(found.iter_batches(batch_size=1)).to_pylist()[0]
    told = found.metadata
    size = sum(told.row_group(at).total_byte_size for at in range(told.num_row_groups))
    return told.num_rows, size, found.schema_arrow, first


def _json_lines(opened: Any) -> Look:  # noqa: ANN401  (fsspec)
    line = opened.readline()
    rows, size = 1, len(line)
    while block := opened.read(_BLOCK_BYTES):
        rows += block.count(b"\n")
        size += len(block)
    return rows, size, None, orjson.loads(line)
