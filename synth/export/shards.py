"""Splits of a dataset as files with the names that the Hub expects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.split import split_of
from synth.core.rows import Table
from synth.export.encoders import Encoder, endings, open_encoder
from synth.export.layout import FileSet
from synth.export.shaped import SPLIT_KEY, column, unplaced
from synth.export.token_files import TokenFile
from synth.inputs.files import Folder, storage_errors

# Small enough that the Hub's viewer, which reads whole row groups, opens a page at once.
ROW_GROUP_ROWS = 10_000
_PARTIAL = ".partial"
_OURS = (
    *(".parquet", ".jsonl", ".tsv", ".json"),
    *(".bin", ".idx", ".ds", ".ds.index"),
    _PARTIAL,
)


def write_tables(
    parts: Iterable[Mapping[str, Table]], sets: Sequence[FileSet], seed: int, root: Folder
) -> dict[str, dict[str, int]]:
    """Writes the tables of an export; each row to the split that its source document belongs to.

    Equal rows give equal bytes, however they are divided into parts. What an earlier run wrote
    there is removed first; folders inside stay.

    Args:
        parts: Rows of each table, in the order in which they are to be read.
        sets: The files that the tables go to.
        seed: The recipe's.
        root: The run's folder, on any filesystem.

    Returns:
        Rows of each split that has any, by configuration, in the order of `splits`.

    Raises:
        StorageError: If they cannot be written.
    """
    for name in dict.fromkeys(files.folder for files in sets):
        _clear(root.sub(*name.split("/")))
    writers = [_SetWriter(files, seed, root) for files in sets]
    with storage_errors(root.url):
        try:
            for part in parts:
                for writer in writers:
                    if writer.files.table in part:
                        writer.add(part[writer.files.table])
            for writer in writers:
                writer.finish()
        finally:
            for writer in writers:
                writer.close()
    return {
        writer.files.config: writer.rows for writer in writers if writer.files.config is not None
    }


def _clear(folder: Folder) -> None:
    folder.make()
    for name in folder.names():
        if name.endswith(_OURS):
            folder.remove(name)


class _SetWriter:
    """Writes the rows of one table, each to its split."""

    def __init__(self, files: FileSet, seed: int, root: Folder) -> None:
        self.files, self._seed = files, seed
        folder = root.sub(*files.folder.split("/"))
        self._splits = {split: _SplitWriter(folder, files, split) for split in files.splits}

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each split that has any."""
        return {split: writer.rows for split, writer in self._splits.items() if writer.rows}

    def add(self, table: Table) -> None:
        """Writes the rows, but for a rest."""
        rows = unplaced(table)
        if len(self._splits) == 1:
            next(iter(self._splits.values())).add(rows)
            return
        drawn = _drawn(column(table, SPLIT_KEY.name), self.files.splits, self._seed)
        for split, writer in self._splits.items():
            writer.add(rows.filter(pa.array(drawn == split)))

    def finish(self) -> None:
        """Writes the rest, and gives the files their names."""
        for writer in self._splits.values():
            writer.finish()

    def close(self) -> None:
        """Ends the open files."""
        for writer in self._splits.values():
            writer.close()


def _drawn(keys: pa.Array, splits: Mapping[str, float], seed: int) -> NDArray[np.object_]:
    """The split of each key, each different key drawn once."""
    found = keys.dictionary_encode()
    drawn = [split_of(key, splits, seed) for key in found.dictionary.to_pylist()]
    at: NDArray[np.int64] = found.indices.to_numpy(zero_copy_only=False)
    return np.array(drawn, np.object_)[at]


class _SplitWriter:
    """Writes the rows of one split: row groups and files of a size that no batching changes."""

    def __init__(self, folder: Folder, files: FileSet, split: str) -> None:
        self.rows = 0
        self._folder, self._files, self._split = folder, files, split
        self._waiting: list[Table] = []
        self._shards = 0
        self._in_shard = 0
        self._file: Any = None
        self._encoder: Encoder | None = None
        self._schema: pa.Schema | None = None

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
            name = self._files.file(self._split, number, self._shards)
            stem = name.removesuffix(f".{self._files.kind}")
            for partial, ending in zip(
                self._partials(number), endings(self._files.kind), strict=True
            ):
                whole = self._folder.path(f"{stem}{ending}")
                self._folder.fs.mv(self._folder.path(partial), whole)

    def close(self) -> None:
        """Ends the open file."""
        try:
            if self._encoder is not None:
                self._encoder.close()
        finally:
            if self._file is not None:
                self._file.close()
            self._file = self._encoder = None

    def _group_rows(self) -> int:
        if self._files.shard_rows is None:
            return ROW_GROUP_ROWS
        return min(ROW_GROUP_ROWS, self._files.shard_rows - self._in_shard)

    def _write_group(self, size: int) -> None:
        rows = pa.concat_tables(self._waiting)
        self._waiting = [rows.slice(size)]
        if self._schema is None:
            self._schema = pa.schema([field.remove_metadata() for field in rows.schema])
        encoder = self._encoder or self._open(self._schema)
        # In one piece: where chunks end would show in the pages of a Parquet file.
        encoder.write(rows.slice(0, size).combine_chunks().cast(self._schema))
        self._in_shard += size
        if self._in_shard == self._files.shard_rows:
            self.close()
            self._in_shard = 0

    def _open(self, schema: pa.Schema) -> Encoder:
        kind = self._files.kind
        if kind == "bin" or kind == "ds":
            stem = self._stem(self._shards)
            self._encoder = TokenFile(kind, self._folder, stem, schema)
        else:
            (partial,) = self._partials(self._shards)
            self._file = self._folder.fs.open(self._folder.path(partial), "wb")
            self._encoder = open_encoder(kind, self._file, schema)
        self._shards += 1
        return self._encoder

    def _stem(self, number: int) -> str:
        return f"_{self._split}-{number:05d}"

    def _partials(self, number: int) -> list[str]:
        """Names of the files of a shard while it is written; datatrove chooses its own endings."""
        kind = self._files.kind
        rest = "" if kind in ("bin", "ds") else _PARTIAL
        return [f"{self._stem(number)}{ending}{rest}" for ending in endings(kind)]
