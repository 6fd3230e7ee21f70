"""Splits of a dataset as Parquet files with the names that the Hub expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synth.algorithms.split import split_of
from synth.core.rows import Schema, Table
from synth.export.shaped import ORDER, SPLIT_KEY, column
from synth.formats import ExportSpec
from synth.inputs.files import Folder, storage_errors

# Small enough that the Hub's viewer, which reads whole row groups, opens a page at once.
ROW_GROUP_ROWS = 10_000
_PARTIAL = ".partial"


def data_folder(exports: Sequence[ExportSpec], name: str) -> str:
    """The folder of a config inside the run: ``data`` for the first, ``data/<name>`` for others."""
    return "data" if name == exports[0].name else f"data/{name}"


def shard_pattern(split: str) -> str:
    """The glob that finds the files of one split and of no other."""
    return f"{split}-?????-of-?????.parquet"


def write_splits(
    tables: Iterable[Table], spec: ExportSpec, seed: int, folder: Folder
) -> dict[str, int]:
    """Writes each row to the split that its source document belongs to.

    Equal rows give equal bytes, however they are divided into tables. What an earlier run wrote
    there is removed first; folders inside stay.

    Args:
        tables: Shaped rows, in the order in which they are to be read.
        spec: Its splits and the size of its files.
        seed: The recipe's.
        folder: Where the files go, on any filesystem.

    Returns:
        Rows of each split that has any, in the order of `spec.splits`.

    Raises:
        StorageError: If they cannot be written.
    """
    _clear(folder)
    folder.make()
    writers = {split: _SplitWriter(folder, split, spec.shard_rows) for split in spec.splits}
    with storage_errors(folder.url):
        try:
            for table in tables:
                drawn = _drawn(column(table, SPLIT_KEY.name), spec.splits, seed)
                rows = table.drop_columns([SPLIT_KEY.name, ORDER.name])
                for split, writer in writers.items():
                    writer.add(rows.filter(pa.array(drawn == split)))
            for writer in writers.values():
                writer.finish()
        finally:
            for writer in writers.values():
                writer.close()
    return {split: writer.rows for split, writer in writers.items() if writer.rows}


def _clear(folder: Folder) -> None:
    for name in folder.names():
        if name.endswith((".parquet", _PARTIAL)):
            folder.remove(name)


def _drawn(keys: pa.Array, splits: Mapping[str, float], seed: int) -> NDArray[np.object_]:
    """The split of each key, each different key drawn once."""
    if len(splits) == 1:
        return np.full(len(keys), next(iter(splits)), np.object_)
    found = keys.dictionary_encode()
    drawn = [split_of(key, splits, seed) for key in found.dictionary.to_pylist()]
    at: NDArray[np.int64] = found.indices.to_numpy(zero_copy_only=False)
    return np.array(drawn, np.object_)[at]


class _SplitWriter:
    """Writes the rows of one split: row groups and files of a size that no batching changes."""

    def __init__(self, folder: Folder, split: str, shard_rows: int) -> None:
        self.rows = 0
        self._folder, self._split, self._shard_rows = folder, split, shard_rows
        self._waiting: list[Table] = []
        self._shards = 0
        self._in_shard = 0
        self._file: Any = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: Table) -> None:
        """Writes the rows, but for a rest that does not fill a row group."""
        self.rows += rows.num_rows
        self._waiting.append(rows)
        while (size := self._group_rows()) <= sum(table.num_rows for table in self._waiting):
            self._write_group(size)

    def finish(self) -> None:
        """Writes the rest, and gives the files their names now that their number is known."""
        if rest := sum(table.num_rows for table in self._waiting):
            self._write_group(rest)
        self.close()
        for number in range(self._shards):
            name = f"{self._split}-{number:05d}-of-{self._shards:05d}.parquet"
            self._folder.fs.mv(self._partial(number), self._folder.path(name))

    def close(self) -> None:
        """Ends the open file."""
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            if self._file is not None:
                self._file.close()
            self._writer = self._file = None

    def _group_rows(self) -> int:
        return min(ROW_GROUP_ROWS, self._shard_rows - self._in_shard)

    def _write_group(self, size: int) -> None:
        rows = pa.concat_tables(self._waiting)
        self._waiting = [rows.slice(size)]
        writer = self._writer or self._open(rows.schema)
        # In one piece: where chunks end would show in the pages of the file.
        group = rows.slice(0, size).combine_chunks().cast(writer.schema)
        writer.write_table(group, row_group_size=size)
        self._in_shard += size
        if self._in_shard == self._shard_rows:
            self.close()
            self._in_shard = 0

    def _open(self, schema: Schema) -> pq.ParquetWriter:
        plain = pa.schema([field.remove_metadata() for field in schema])
        self._file = self._folder.fs.open(self._partial(self._shards), "wb")
        self._writer = pq.ParquetWriter(
            self._file, plain, compression="zstd", write_page_index=True
        )
        self._shards += 1
        return self._writer

    def _partial(self, number: int) -> str:
        return self._folder.path(f"_{self._split}-{number:05d}{_PARTIAL}")
