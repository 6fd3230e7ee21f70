"""An index of a corpus for dedup: made once, added to, and asked by later runs.

An index is a folder of Parquet files with an id, a hash and a MinHash signature for each text. Each
signature is a cell as `datasketch.LeanMinHash.serialize` writes it, so that whoever has pyarrow and
datasketch reads an index without us.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.algorithms.minhash import bands
from synth.algorithms.signature_table import TEXT_HASH, as_columns, signature_column
from synth.algorithms.text import Unit
from synth.core import rows
from synth.core.errors import SourceError, StorageError
from synth.core.rows import Table
from synth.inputs.files import Folder, find_files
from synth.inputs.readers import ENDINGS
from synth.inputs.sources import JsonlSource, ParquetSource, SourceSpec, TextSource
from synth.inputs.tables import read_tables

if TYPE_CHECKING:
    from datasketch import LeanMinHash, MinHashLSH

_PART_TEXTS = 65_536


@dataclass(frozen=True)
class Added:
    """What a call of `build_index` did.

    Attributes:
        texts: Texts added.
        known: Records whose id the index had already.
        unusable: Records without a text.
    """

    texts: int
    known: int
    unusable: int


@dataclass(frozen=True)
class DedupIndex:
    """An index on disk.

    Attributes:
        folder: Where it is.
        num_perm: Hash values in a signature.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of.
    """

    folder: Folder
    num_perm: int = 128
    ngram: int = 5
    unit: Unit = "word"

    @property
    def column(self) -> pa.Field:
        """The column of signatures."""
        return signature_column(self.num_perm, self.ngram, self.unit)

    def __len__(self) -> int:
        """How many texts it has."""
        return sum(self._open(path).metadata.num_rows for path in self.folder.parquet_paths())

    def minhashes(self) -> Iterator[tuple[str, LeanMinHash]]:
        """The id and the signature of each text, as datasketch has them."""
        from datasketch import LeanMinHash

        for table in self.tables():
            for row_id, cell in zip(
                table.column("id").to_pylist(), table.column(self.column.name), strict=True
            ):
                yield row_id, LeanMinHash.deserialize(cell.as_py())

    def lsh(self, threshold: float = 0.8) -> MinHashLSH:
        """A datasketch index of all texts, with bands that find pairs at the threshold.

        Args:
            threshold: Jaccard similarity.
        """
        from datasketch import MinHashLSH

        found = MinHashLSH(num_perm=self.num_perm, params=bands(threshold, self.num_perm))
        with found.insertion_session() as session:
            for row_id, minhash in self.minhashes():
                session.insert(row_id, minhash)
        return found

    def ids(self) -> pa.Array:
        """The ids of all texts."""
        found = [table.column("id").combine_chunks() for table in self.tables(["id"])]
        return pa.concat_arrays(found) if found else pa.array([], pa.string())

    def tables(self, columns: list[str] | None = None) -> Iterator[Table]:
        """Its files, one table each.

        Raises:
            StorageError: If one is no file of such an index.
        """
        for path in self.folder.parquet_paths():
            yield self._open(path).read(columns)

    def _open(self, path: str) -> pq.ParquetFile:
        try:
            found = pq.ParquetFile(self.folder.fs.open(path, "rb"))
        except (pa.ArrowException, OSError) as error:
            raise StorageError(
                f"{path} is no file of an index, or only a part of one: {error}; remove it and "
                "run `synth dedup-index` again, which adds the texts that are missing"
            ) from error
        if self.column.name not in found.schema_arrow.names:
            has = [name for name in found.schema_arrow.names if name.startswith("minhash_")]
            raise StorageError(
                f"{path} has {', '.join(has) or 'no signatures'} where {self.column.name} is asked "
                "for (unit, ngram and num_perm are in the name); give the index the settings that "
                "it was made with, or make another"
            )
        return found

    def add(self, table: Table) -> None:
        """Adds texts as one more file.

        Args:
            table: Columns `id` and `text`, without nulls.
        """
        from synth.algorithms.near_duplicates import known_texts

        texts = table.column("text").combine_chunks()
        made = known_texts(texts, self.num_perm, self.ngram, self.unit)
        hashes, cells = as_columns(made.hashes, made.signatures)
        schema = pa.schema([rows.ID, TEXT_HASH, self.column])
        ids = table.column("id").combine_chunks().cast(pa.string())
        out = io.BytesIO()
        # Hash values are random: they do not compress.
        pq.write_table(pa.table([ids, hashes, cells], schema), out, compression="none")
        self.folder.write(f"part-{uuid.uuid4().hex}.parquet", out.getvalue())


def build_index(index: DedupIndex, source: SourceSpec) -> Added:
    """Adds all texts of a source that an index does not have; makes it where there is none.

    A call that is interrupted leaves whole files; the same call goes on from there.

    Args:
        index: Where to.
        source: Has the texts in its column `text`.

    Raises:
        SourceError: If the source cannot be read, or no record of it has a text.
        StorageError: If the index has other settings, or cannot be written.
    """
    seen, texts, known, unusable = index.ids(), 0, 0, 0
    waiting: list[Table] = []
    index.folder.make()
    for table in read_tables(source, Path.cwd(), None):
        good = pc.is_null(table.column("drop_reason"))
        unusable += table.num_rows - int(pc.sum(good).as_py() or 0)
        table = table.filter(good).select(["id", "text"])
        new = pc.invert(pc.is_in(table.column("id"), seen))
        known += table.num_rows - int(pc.sum(new).as_py() or 0)
        waiting.append(table.filter(new))
        if sum(one.num_rows for one in waiting) >= _PART_TEXTS:
            texts += _written(index, waiting)
            waiting = []
    added = Added(texts + _written(index, waiting), known, unusable)
    if unusable and not added.texts and not known:
        raise SourceError(
            f"none of {unusable:,} records has a text in the field {source.columns['text']!r}: it "
            "is missing, empty or no text in all of them; name the field that has it (--column)"
        )
    return added


def _written(index: DedupIndex, tables: list[Table]) -> int:
    count: int = sum(one.num_rows for one in tables)
    if count:
        index.add(pa.concat_tables(tables))
    return count


def source_at(path: str, text: str, row_id: str | None) -> SourceSpec:
    """The source that a path means, by the files that are there.

    Args:
        path: File, folder or glob.
        text: The field that has the text.
        row_id: The field that has the id; made from content when None.

    Raises:
        SourceError: If there is none.
    """
    columns = {"text": text, **({} if row_id is None else {"id": row_id})}
    given: dict[str, Any] = {"path": path, "columns": columns}
    for kind, make in (("parquet", ParquetSource), ("jsonl", JsonlSource), ("text", TextSource)):
        _, files = find_files(path, ENDINGS[kind])
        if any(file.endswith(ENDINGS[kind]) for file in files):
            return make(kind=kind, **given)
    raise SourceError(
        f"there is no Parquet, JSON Lines or text file at {path}; give a file, folder or glob"
    )
