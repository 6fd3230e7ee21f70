"""Rows as bytes: one small class for each kind of file."""

from __future__ import annotations

from typing import Any, Literal, Protocol, assert_never

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.core.rows import Schema, Table

# A file's kind is the ending of its name. `json` is what NeMo AutoModel reads from a disk: one
# object that names the folder of a corpus and lists the queries. `bin` and `ds` are token ids, with
# an index in a file beside them.
RowKind = Literal["parquet", "jsonl", "tsv", "json"]
TokenKind = Literal["bin", "ds"]
Kind = RowKind | TokenKind
CORPUS_FOLDER = "corpus"
_OPENING = orjson.dumps({"corpus": [{"path": CORPUS_FOLDER}]})[:-1] + b',"data":[\n'


class Encoder(Protocol):
    """Writes rows to one open file, which it leaves open."""

    def write(self, rows: Table) -> None:
        """Appends rows; they are in one piece, and there is at least one."""

    def close(self) -> None:
        """Writes what belongs behind the last row."""


def endings(kind: Kind) -> tuple[str, ...]:
    """The endings of the files that rows are written to, all with one name before them."""
    match kind:
        case "bin":
            return (".bin", ".idx")
        case "ds":
            return (".ds", ".ds.index")
        case _:
            return (f".{kind}",)


def open_encoder(kind: RowKind, file: Any, schema: Schema) -> Encoder:  # noqa: ANN401  (fsspec)
    """What writes rows with these columns to an empty file."""
    match kind:
        case "parquet":
            return _Parquet(file, schema)
        case "jsonl":
            return _JsonLines(file)
        case "tsv":
            return _TabSeparated(file, schema)
        case "json":
            return _RetrievalJson(file)
        case _:
            assert_never(kind)


class _Parquet:
    """Each piece of rows becomes a row group."""

    def __init__(self, file: Any, schema: Schema) -> None:  # noqa: ANN401
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", write_page_index=True)

    def write(self, rows: Table) -> None:
        self._writer.write_table(rows, row_group_size=rows.num_rows)

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    """A JSON object in each line; JSON has no NaN, which becomes null."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401
        self._file = file

    def write(self, rows: Table) -> None:
        self._file.write(b"".join(line + b"\n" for line in _objects(rows)))

    def close(self) -> None:
        pass


class _RetrievalJson:
    """One JSON object: where the corpus is, beside the file, and a query in each line."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401
        self._file = file
        self._between = _OPENING

    def write(self, rows: Table) -> None:
        self._file.write(self._between + b",\n".join(_objects(rows)))
        self._between = b",\n"

    def close(self) -> None:
        self._file.write(b"\n]}\n")


class _TabSeparated:
    """Columns between tabs below their names; only what needs quotes has them."""

    def __init__(self, file: Any, schema: Schema) -> None:  # noqa: ANN401
        self._file = file
        self._file.write("\t".join(schema.names).encode() + b"\n")

    def write(self, rows: Table) -> None:
        columns = [_quoted(column.cast(pa.string())) for column in rows.columns]
        lines = pc.binary_join_element_wise(*columns, "\t").to_pylist()
        self._file.write("\n".join([*lines, ""]).encode())

    def close(self) -> None:
        pass


def _quoted(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(
        pc.match_substring_regex(texts, '[\t\r\n"]'),
        pc.binary_join_element_wise('"', doubled, '"', ""),
        texts,
    )


def _objects(rows: Table) -> list[bytes]:
    return [orjson.dumps(row) for row in rows.to_pylist()]
