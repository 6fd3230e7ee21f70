from __future__ import annotations

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from synth.algorithms.split import split_of
from synth.core.rows import Table
from synth.export import data_folder, shard_pattern, write_splits
from synth.formats import PairExport, RowsExport
from synth.inputs.files import Folder

HALVES = RowsExport(splits={"train": 0.5, "test": 0.5}, shard_rows=7)


def shaped(number: int, sources: int = 10) -> Table:
    keys = [f"s{at % sources}" for at in range(number)]
    return pa.table(
        {
            "id": [f"r{at:06d}" for at in range(number)],
            "_source": keys,
            "_split_key": keys,
            "_order": [f"r{at:06d}" for at in range(number)],
        }
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_no_source_document_is_in_two_splits(tmp_path: Path) -> None:
    table = shaped(200, sources=40)
    counts = write_splits([table], HALVES, 17, Folder(str(tmp_path)))
    found = {
        split: {
            source
            for path in tmp_path.glob(shard_pattern(split))
            for source in pq.read_table(path)["_source"].to_pylist()
        }
        for split in counts
    }
    assert found["train"]
    assert found["test"]
    assert not found["train"] & found["test"]
    assert all(split_of(key, HALVES.splits, 17) == "train" for key in found["train"])
    assert sum(counts.values()) == 200


def test_shards_one_after_another_are_the_rows_in_their_order(tmp_path: Path) -> None:
    table = shaped(23)
    counts = write_splits([table], RowsExport(shard_rows=10), 0, Folder(str(tmp_path)))
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [f"train-0000{n}-of-00003.parquet" for n in range(3)]
    assert [pq.read_metadata(path).num_rows for path in paths] == [10, 10, 3]
    assert pa.concat_tables(pq.read_table(p) for p in paths).equals(table.select(["id", "_source"]))
    assert counts == {"train": 23}


@pytest.mark.parametrize("size", [1, 3, 100])
def test_equal_rows_give_equal_bytes_however_they_come(tmp_path: Path, size: int) -> None:
    table = shaped(100)
    marked = table.replace_schema_metadata({"pandas": "{}"})
    parts = [marked.slice(at, size) for at in range(0, 100, size)]
    write_splits([table], HALVES, 3, Folder(str(tmp_path / "one")))
    write_splits(parts, HALVES, 3, Folder(str(tmp_path / "other")))
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_row_groups_are_small_and_the_same_however_rows_come(tmp_path: Path) -> None:
    table = shaped(25_000)
    parts = [table.slice(at, 999) for at in range(0, 25_000, 999)]
    write_splits([table], RowsExport(), 3, Folder(str(tmp_path / "one")))
    write_splits(parts, RowsExport(), 3, Folder(str(tmp_path / "other")))
    assert files(tmp_path / "one") == files(tmp_path / "other")
    found = pq.ParquetFile(tmp_path / "one" / "train-00000-of-00001.parquet")
    groups = [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert groups == [10_000, 10_000, 5_000]
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    assert b"pandas" not in (found.schema_arrow.metadata or {})


def test_old_files_go_and_folders_inside_stay(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "train-00000-of-00001.parquet").write_bytes(b"")
    for name in ("train-00000-of-00009.parquet", "_train-00000.partial"):
        (tmp_path / name).write_bytes(b"")
    write_splits([shaped(3)], RowsExport(), 0, Folder(str(tmp_path)))
    assert list(files(tmp_path)) == ["train-00000-of-00001.parquet"]
    assert list(files(tmp_path / "other"))


def test_an_empty_split_has_no_file(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    assert write_splits([shaped(4, sources=1)], HALVES, 1, folder) in ({"train": 4}, {"test": 4})
    assert len(files(tmp_path)) == 1
    assert write_splits([], HALVES, 1, folder) == {}
    assert files(tmp_path) == {}


def test_splits_are_written_to_any_filesystem() -> None:
    folder = Folder("memory://export-shards/data")
    write_splits([shaped(15)], RowsExport(shard_rows=10), 0, folder)
    assert folder.names() == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]


def test_splits_are_drawn_fast_enough_for_millions_of_rows(tmp_path: Path) -> None:
    table = shaped(200_000, sources=200_000)
    started = time.monotonic()
    write_splits([table], RowsExport(splits={"train": 9, "test": 1}), 0, Folder(str(tmp_path)))
    assert time.monotonic() - started < 10  # about 1 s alone on one core


def test_only_split_names_that_datasets_opens_are_allowed() -> None:
    with pytest.raises(ValidationError):
        RowsExport(splits={"train-2": 1})


def test_the_first_config_is_written_directly_into_data() -> None:
    exports = (PairExport(), RowsExport(name="corpus"))
    assert [data_folder(exports, one.name) for one in exports] == ["data", "data/corpus"]
