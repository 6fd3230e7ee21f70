from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.algorithms.split import split_of
from synth.core.rows import Table
from synth.export import file_sets, write_tables, written
from synth.export.encoders import open_encoder
from synth.formats import ExportSpec, PairExport, RowsExport
from synth.inputs.files import Folder

HALVES = RowsExport(splits={"train": 0.5, "test": 0.5}, shard_rows=7)


def write_splits(
    tables: Iterable[Table], spec: ExportSpec, seed: int, folder: Folder
) -> dict[str, int]:
    """Writes rows as a run whose only export is `spec`; the files are in its folder `data`."""
    parts = ({"rows": table} for table in tables)
    return write_tables(parts, file_sets([spec], spec), seed, folder)[spec.name]


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


def files(run: Path) -> dict[str, bytes]:
    data = run / "data"
    return {path.name: path.read_bytes() for path in sorted(data.iterdir()) if path.is_file()}


def test_no_source_document_is_in_two_splits(tmp_path: Path) -> None:
    table = shaped(200, sources=40)
    counts = write_splits([table], HALVES, 17, Folder(str(tmp_path)))
    found = {
        split: {
            source
            for path in (tmp_path / "data").glob(f"{split}-*-of-*.parquet")
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
    paths = sorted((tmp_path / "data").iterdir())
    assert [path.name for path in paths] == [f"train-0000{n}-of-00003.parquet" for n in range(3)]
    assert [pq.read_metadata(path).num_rows for path in paths] == [10, 10, 3]
    assert pa.concat_tables(pq.read_table(p) for p in paths).equals(table.select(["id", "_source"]))
    assert counts == {"train": 23}


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("size", [1, 3, 100])
def test_equal_rows_give_equal_bytes_however_they_come(
    tmp_path: Path, size: int, kind: Literal["parquet", "jsonl"]
) -> None:
    table, spec = shaped(100), HALVES.model_copy(update={"files": kind})
    marked = table.replace_schema_metadata({"pandas": "{}"})
    parts = [marked.slice(at, size) for at in range(0, 100, size)]
    write_splits([table], spec, 3, Folder(str(tmp_path / "one")))
    write_splits(parts, spec, 3, Folder(str(tmp_path / "other")))
    assert files(tmp_path / "one")
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_row_groups_are_small_and_the_same_however_rows_come(tmp_path: Path) -> None:
    table = shaped(25_000)
    parts = [table.slice(at, 999) for at in range(0, 25_000, 999)]
    write_splits([table], RowsExport(), 3, Folder(str(tmp_path / "one")))
    write_splits(parts, RowsExport(), 3, Folder(str(tmp_path / "other")))
    assert files(tmp_path / "one") == files(tmp_path / "other")
    found = pq.ParquetFile(tmp_path / "one" / "data" / "train-00000-of-00001.parquet")
    groups = [found.metadata.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert groups == [10_000, 10_000, 5_000]
    assert found.metadata.row_group(0).column(0).compression == "ZSTD"
    assert b"pandas" not in (found.schema_arrow.metadata or {})


def test_old_files_go_and_folders_inside_stay(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "other").mkdir(parents=True)
    (data / "other" / "train-00000-of-00001.parquet").write_bytes(b"")
    for name in ("train-00000-of-00009.parquet", "train.json", "_train-00000.parquet.partial"):
        (data / name).write_bytes(b"")
    write_splits([shaped(3)], RowsExport(), 0, Folder(str(tmp_path)))
    assert list(files(tmp_path)) == ["train-00000-of-00001.parquet"]
    assert (data / "other" / "train-00000-of-00001.parquet").exists()


def test_an_empty_split_has_no_file(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    assert write_splits([shaped(4, sources=1)], HALVES, 1, folder) in ({"train": 4}, {"test": 4})
    assert len(files(tmp_path)) == 1
    assert write_splits([], HALVES, 1, folder) == {}
    assert files(tmp_path) == {}


def test_splits_are_written_to_any_filesystem() -> None:
    folder = Folder("memory://export-shards")
    write_splits([shaped(15)], RowsExport(shard_rows=10), 0, folder)
    assert folder.sub("data").names() == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]


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
    found = [[files.folder for files in file_sets(exports, one)] for one in exports]
    assert found == [["data"], ["data/corpus"]]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("number", [0, 1, 23])
def test_what_was_written_is_read_back(
    tmp_path: Path, number: int, kind: Literal["parquet", "jsonl"]
) -> None:
    spec = RowsExport(shard_rows=10, files=kind)
    table = shaped(number)
    counts = write_splits([table], spec, 0, Folder(str(tmp_path)))
    columns = table.select(["id", "_source"]).schema
    found = written(file_sets([spec], spec)[0], Folder(str(tmp_path)), columns)
    assert found.splits == counts == ({"train": number} if number else {})
    if number:
        assert found.schema == columns
        assert found.example == table.select(["id", "_source"]).to_pylist()[0]


def test_json_lines_are_the_rows_and_nan_is_null(tmp_path: Path) -> None:
    table = pa.table(
        {
            "text": ['a "b"\n\u2028c', None],
            "scores": [[0.5, float("nan")], []],
            "_order": ["1", "2"],
        }
    )
    write_splits([table], RowsExport(files="jsonl"), 0, Folder(str(tmp_path)))
    lines = files(tmp_path)["train-00000-of-00001.jsonl"].splitlines()
    assert [json.loads(line) for line in lines] == [
        {"text": 'a "b"\n\u2028c', "scores": [0.5, None]}, {"text": None, "scores": []},
    ]  # fmt: skip


@given(
    cells=st.lists(st.tuples(st.text(st.sampled_from('a\t"\n\r ')), st.integers(-3, 3)), min_size=1)
)
def test_values_between_tabs_come_back_as_they_were(cells: list[tuple[str, int]]) -> None:
    table = pa.table({"id": [one for one, _ in cells], "score": [one for _, one in cells]})
    opened = io.BytesIO()
    encoder = open_encoder("tsv", opened, table.schema)
    encoder.write(table)
    encoder.close()
    text = io.StringIO(opened.getvalue().decode(), newline="")
    head, *found = csv.reader(text, delimiter="\t")
    assert head == ["id", "score"]
    assert [(one, int(two)) for one, two in found] == cells


def test_a_write_that_fails_leaves_no_file_with_a_final_name(tmp_path: Path) -> None:
    def parts() -> Iterator[Table]:
        yield shaped(5)
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError):
        write_splits(parts(), RowsExport(shard_rows=2), 0, Folder(str(tmp_path)))
    assert all(name.endswith(".partial") for name in files(tmp_path))
