import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import datasets
import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from synth.core import rows
from synth.core.errors import SourceError
from synth.core.rows import Table
from synth.inputs.readers import content_mark
from synth.inputs.records import BATCH_ROWS
from synth.inputs.sources import RESERVED, SourceSpec
from synth.inputs.tables import planned_schema, read_tables

SPEC: TypeAdapter[SourceSpec] = TypeAdapter(SourceSpec)


def spec(kind: str, path: Path | str, **more: Any) -> SourceSpec:
    where = "dataset" if kind == "hub" else "path"
    return SPEC.validate_python({"kind": kind, where: str(path), **more})


def read(source: SourceSpec, base: Path = Path("/"), limit: int | None = None) -> Table:
    return pa.concat_tables(read_tables(source, base, limit))


def jsonl(path: Path, *records: object) -> Path:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def texts(*values: str | None) -> list[dict[str, str | None]]:
    return [{"text": value} for value in values]


CATS = ["a cat", "a dog", "a bird"]


def in_memory(folder: Path) -> SourceSpec:
    url = f"memory://{uuid4().hex}/a.jsonl"
    with fsspec.open(url, "wb") as opened:
        opened.write(plain(folder).read_bytes())
    return spec("jsonl", url)


def plain(folder: Path) -> Path:
    return jsonl(folder / "a.jsonl", *texts(*CATS))


def packed(folder: Path, ending: str, pack: Callable[[bytes], bytes]) -> SourceSpec:
    path = folder / f"b{ending}"
    path.write_bytes(pack(plain(folder).read_bytes()))
    return spec("jsonl", path)


def each_in_a_file(folder: Path, ending: str) -> Path:
    for number, text in enumerate(CATS):
        written = f"{text}\n" if ending == ".md" else orjson.dumps({"text": text}).decode()
        (folder / f"part-{number}{ending}").write_text(written)
    (folder / "README").write_text("no data")
    return folder


def parquet(folder: Path, *columns: pa.Array) -> SourceSpec:
    for number, column in enumerate(columns):
        pq.write_table(pa.table({"text": column}), folder / f"{number}.parquet", row_group_size=1)
    return spec("parquet", folder)


def lines(folder: Path) -> SourceSpec:
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbfa cat\r\n\n  \na dog\na bird")
    return spec("text", folder / "a.txt", per="line")


def hub(folder: Path) -> SourceSpec:
    datasets.Dataset.from_dict({"text": CATS}).to_parquet(folder / "train.parquet")
    return spec("hub", folder)


# Ways to write the three texts of `CATS` into a folder.
SOURCES: dict[str, Callable[[Path], SourceSpec]] = {
    "jsonl": lambda folder: spec("jsonl", plain(folder)),
    "jsonl.gz": lambda folder: packed(folder, ".jsonl.gz", gzip.compress),
    "jsonl.zst": lambda folder: packed(folder, ".jsonl.zst", zstd),
    "memory": in_memory,
    "folder": lambda folder: spec("jsonl", each_in_a_file(folder, ".jsonl")),
    "glob": lambda folder: spec("jsonl", each_in_a_file(folder, ".json") / "part-*.json"),
    "parquet": lambda folder: parquet(folder, pa.array(CATS)),
    "parquet of other strings": lambda folder: parquet(
        folder,
        pa.array(CATS[:1], pa.large_string()),
        pa.array(CATS[1:2], pa.string_view()),
        pa.array(CATS[2:]).dictionary_encode(),
    ),
    "text files": lambda folder: spec("text", each_in_a_file(folder, ".md")),
    "text lines": lines,
    "hub": hub,
}


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_gives_the_same_rows_with_the_same_ids(
    kind: str, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "jsonl").mkdir()
    source = SOURCES[kind](tmp_path / "other")
    table = read(source)
    assert table["text"].to_pylist() == CATS
    assert table["drop_reason"].null_count == 3
    assert table.equals(read(SOURCES["jsonl"](tmp_path / "jsonl")))
    assert planned_schema(source, Path("/")) == table.schema


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("limit", [0, 1, 2, 5])
def test_a_limit_reads_the_first_rows(kind: str, limit: int, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path)
    assert read(source, limit=limit).equals(read(source).slice(0, limit))


def test_a_path_is_relative_to_the_recipe(tmp_path: Path) -> None:
    jsonl(tmp_path / "a.jsonl", *texts("a cat"))
    assert read(spec("jsonl", "a.jsonl"), tmp_path).num_rows == 1


@given(st.lists(st.text(max_size=2)), st.randoms())
def test_ids_from_content_do_not_depend_on_the_order_of_the_rows(
    tmp_path_factory: pytest.TempPathFactory, values: list[str], random: Any
) -> None:
    folder = tmp_path_factory.mktemp("order")
    shuffled = random.sample(values, len(values))
    one = spec("jsonl", jsonl(folder / "one.jsonl", {"text": "first"}, *texts(*values)))
    other = spec("jsonl", jsonl(folder / "other.jsonl", *texts(*shuffled), {"text": "first"}))
    found = read(one)
    assert sorted(read(other).to_pylist(), key=str) == sorted(found.to_pylist(), key=str)
    assert len(set(found["id"].to_pylist())) == found.num_rows


def test_ids_from_content_do_not_depend_on_batches_or_files(tmp_path: Path) -> None:
    values = [f"text {number % (BATCH_ROWS + 1)}" for number in range(2 * BATCH_ROWS + 3)]
    for name, first, last in (("a", 0, 5), ("b", 5, None)):
        jsonl(tmp_path / f"{name}.jsonl", *texts(*values[first:last]))
    pq.write_table(pa.table({"text": values}), tmp_path / "all.parquet")
    assert read(spec("jsonl", tmp_path)).equals(read(spec("parquet", tmp_path)))


def test_two_rows_with_one_id_are_named(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", *({"id": key, "text": key} for key in ("a", "b", "a")))
    with pytest.raises(SourceError, match="rows 1 and 3 of the source have the same id 'a'"):
        read(spec("jsonl", path, columns={"id": "id", "text": "text"}))


def test_two_rows_with_one_id_are_found_in_different_files(tmp_path: Path) -> None:
    for name in "ab":
        pq.write_table(pa.table({"id": [7], "text": [name]}), tmp_path / f"{name}.parquet")
    with pytest.raises(SourceError, match="rows 1 and 2 of the source have the same id '7'"):
        read(spec("parquet", tmp_path, columns={"id": "id", "text": "text"}))


@pytest.mark.parametrize("missing", [None, ""])
def test_a_row_without_the_id_that_the_recipe_maps_is_named(
    missing: str | None, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"id": "a", "text": "x"}, {"id": missing, "text": "y"})
    with pytest.raises(SourceError, match="row 2 of the source has no id"):
        read(spec("jsonl", path, columns={"id": "id", "text": "text"}))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"text": ', "is not JSON"),
        (b"[1, 2]", "is a JSON list"),
        (b'{"text": NaN}', "is not JSON"),
        (b'{"text": "\xff"}', "is not JSON"),
    ],
)
def test_a_line_that_is_no_json_object_names_its_file_and_line(
    line: bytes, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "a cat"}\n\n' + line + b'\n{"text": "a dog"}\n')
    with pytest.raises(SourceError, match=rf"a\.jsonl line 3 {problem}.*bad_lines: drop"):
        read(spec("jsonl", path))
    for columns in ({"text": "text"}, {"id": "text", "text": "text"}):
        kept = read(spec("jsonl", path, bad_lines="drop", columns=columns))
        assert kept["drop_reason"].to_pylist() == [None, "not_json", None]
        assert len(set(kept["id"].to_pylist())) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no_text"),
        ("", "empty_text"),
        (" \n\t\u3000", "empty_text"),
        ("a\0b", "nul_in_text"),
        (17, "bad_text"),
        (["a"], "bad_text"),
        ({"a": 1}, "bad_text"),
        ("😀", None),
        ("👩‍👩‍👧‍👦 🏳️‍🌈", None),
        ("क्षि", None),
        ("a" * 2**20, None),
        ("NaN", None),
    ],
    ids=str,
)
def test_a_row_whose_text_is_of_no_use_is_kept_with_the_reason(
    text: object, reason: str | None, tmp_path: Path
) -> None:
    table = read(spec("jsonl", jsonl(tmp_path / "a.jsonl", {"text": "a cat"}, {"text": text})))
    assert table["drop_reason"].to_pylist() == [None, reason]
    if reason is None:
        assert table["text"].to_pylist()[1] == text


def test_a_query_must_be_there_too_and_any_other_column_may_be_null(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"q": "", "t": "a", "s": None}, {"q": "b", "t": "b", "s": 1})
    table = read(spec("jsonl", path, columns={"query": "q", "text": "t", "score": "s"}))
    assert table["drop_reason"].to_pylist() == ["empty_query", None]
    assert table["score"].to_pylist() == [None, 1]


def test_text_that_is_not_utf8_is_kept_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9\nok\n")
    table = read(spec("text", tmp_path / "a.txt", per="line"))
    assert table["drop_reason"].to_pylist() == ["not_utf8", None]


def test_text_files_have_a_path_of_no_machine(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a cat")
    table = read(spec("text", tmp_path, columns={"text": "text", "file": "path"}))
    assert table["file"].to_pylist() == ["a.txt"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, None], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([True, False], pa.bool_()),
        (["a", None], pa.string()),
        (["a", 1], pa.string()),
        ([{"a": 1}, [2]], pa.string()),
        ([[0.5, 1], None, [1, 0]], pa.list_(pa.float64())),
        ([[1, 0], [0, 1]], pa.string()),
        ([[0.5], ["a"]], pa.string()),
        ([[], []], pa.string()),
    ],
    ids=str,
)
def test_a_column_has_the_type_of_its_values(
    values: list[object], kind: pa.DataType, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", *({"text": "x", "extra": value} for value in values))
    table = read(spec("jsonl", path, columns={"text": "text", "extra": "extra"}))
    assert table.schema.field("extra").type == kind


def test_a_nested_value_becomes_its_json_text(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"text": "x", "meta": {"a": [1]}})
    table = read(spec("jsonl", path, columns={"text": "text", "meta": "meta"}))
    assert table["meta"].to_pylist() == ['{"a":[1]}']


def test_a_value_that_does_not_fit_its_column_is_a_reason(tmp_path: Path) -> None:
    numbers = [{"text": str(n), "n": n} for n in range(BATCH_ROWS)]
    path = jsonl(tmp_path / "a.jsonl", *numbers, {"text": "x", "n": "many"}, {"text": "y", "n": 1})
    table = read(spec("jsonl", path, columns={"text": "text", "n": "n"}))
    assert table["drop_reason"].to_pylist()[-2:] == ["bad_n", None]
    assert table["n"].to_pylist()[-2:] == [None, 1]


def test_given_positives_and_negatives_become_entries_with_ids(tmp_path: Path) -> None:
    record = {
        "query": "pet",
        "positives": "a cat",
        "negatives": ["a car", {"text": "a bus", "id": "n2", "score": 0.5}],
    }
    columns = {name: name for name in record}
    table = read(spec("jsonl", jsonl(tmp_path / "a.jsonl", record), columns=columns))
    (row,) = table.to_pylist()
    assert table.schema.field("positives").type == rows.POSITIVES
    assert [entry["text"] for entry in row["positives"]] == ["a cat"]
    assert [entry["text"] for entry in row["negatives"]] == ["a car", "a bus"]
    assert row["negatives"][1] | {"score": 0.5, "id": "n2"} == row["negatives"][1]
    assert all(entry["origin"] == "given" and entry["id"] for entry in row["negatives"])


def test_numbers_may_be_ids_and_texts_scores(tmp_path: Path) -> None:
    record = {"positives": [{"id": 5, "text": "a cat", "score": "0.5"}, 7]}
    path = jsonl(tmp_path / "a.jsonl", record)
    (row,) = read(spec("jsonl", path, columns={"positives": "positives"})).to_pylist()
    first, second = row["positives"]
    assert (first["id"], first["score"], second["text"]) == ("5", 0.5, "7")


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "a", "text": "a cat", "score": "high"},
        {"id": "a", "text": "a cat", "score": True},
        {"id": ["a"], "text": "a cat"},
        {"id": 1.5, "text": "a cat"},
    ],
)
def test_an_entry_of_another_type_costs_its_row_and_no_other(entry: Any, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {"positives": [entry]}, {"positives": ["a dog"]})
    table = read(spec("jsonl", path, columns={"positives": "positives"}))
    assert table["drop_reason"].to_pylist() == ["bad_positives", None]


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "text"])
def test_a_file_that_is_not_there_is_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=rf"no {kind} file at .*nowhere; check `path`"):
        planned_schema(spec(kind, "nowhere"), tmp_path)


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet"])
def test_a_file_that_cannot_be_unpacked_is_named(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"a{ending}").write_bytes(b"\x01 this is neither")
    kind = "parquet" if ending == ".parquet" else "jsonl"
    with pytest.raises(SourceError, match=rf"a\{ending}"):
        read(spec(kind, tmp_path / f"a{ending}"))


def test_a_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    cut = packed(tmp_path, ".jsonl.gz", lambda data: gzip.compress(data)[:-9])
    with pytest.raises(SourceError, match=r"b\.jsonl\.gz"):
        read(cut)


def test_an_address_that_no_filesystem_knows_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nosuch://bucket"):
        planned_schema(spec("jsonl", "nosuch://bucket/a.jsonl"), tmp_path)


def test_a_source_without_rows_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n\n")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    for kind in ("jsonl", "parquet"):
        source = spec(kind, tmp_path / f"a.{kind}")
        assert list(read_tables(source, tmp_path, None)) == []
        with pytest.raises(SourceError, match="has no rows; check `path`"):
            planned_schema(source, tmp_path)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "text files", "hub"])
def test_a_field_that_is_not_there_is_named(kind: str, tmp_path: Path) -> None:
    source = SOURCES[kind](tmp_path)
    wrong = SPEC.validate_python({**source.model_dump(), "columns": {"text": "body"}})
    with pytest.raises(SourceError, match=r"no .*field 'body'"):
        planned_schema(wrong, Path("/"))


def test_a_split_and_a_dataset_that_are_not_there_are_named(tmp_path: Path) -> None:
    source = SOURCES["hub"](tmp_path)
    wrong = SPEC.validate_python({**source.model_dump(), "split": "test"})
    with pytest.raises(SourceError, match=r"cannot load dataset .*test"):
        read(wrong)
    with pytest.raises(SourceError, match="cannot find dataset 'no/where' on the Hub"):
        read(spec("hub", "no/where"), tmp_path)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "text files", "hub"])
def test_a_source_is_marked_by_its_content_and_not_by_its_place(kind: str, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one, other = SOURCES[kind](tmp_path / "one"), SOURCES[kind](tmp_path / "other")
    mark = content_mark(one, Path("/"))
    if kind != "hub":  # the name of a dataset counts
        assert content_mark(other, Path("/")) == mark
    file = next(path for path in (tmp_path / "one").iterdir() if b"a cat" in path.read_bytes())
    before = file.read_bytes()
    file.write_bytes(before.replace(b"a cat", b"a bat"))
    assert len(before) == file.stat().st_size
    assert content_mark(one, Path("/")) != mark
    file.write_bytes(before)
    assert content_mark(one, Path("/")) == mark


def test_embeddings_come_under_their_own_name_and_nothing_else_does(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    columns = {"text": "text", "embedding_text": "v"}
    file.write_text('{"text": "a cat", "v": [0.5, 1]}\n')
    made = planned_schema(spec("jsonl", str(file), columns=columns), tmp_path)
    assert rows.holds_numbers(made.field("embedding_text").type)
    file.write_text('{"text": "a cat", "v": "soft"}\n')
    with pytest.raises(SourceError, match="'embedding_text' is a name for embeddings, and field"):
        planned_schema(spec("jsonl", str(file), columns=columns), tmp_path)


@pytest.mark.parametrize("name", RESERVED)
def test_a_column_that_synth_fills_cannot_be_mapped(name: str) -> None:
    with pytest.raises(ValidationError, match="synth fills"):
        spec("jsonl", "a.jsonl", columns={name: "x", "text": "text"})


@pytest.mark.parametrize("columns", [{}, {"id": "id"}, {"a b": "text"}, {"1": "text"}])
def test_columns_need_a_content_and_plain_names(columns: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        spec("jsonl", "a.jsonl", columns=columns)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "text", "hub"])
def test_a_source_refuses_keys_it_does_not_know(kind: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        spec(kind, "a", colums={"text": "body"})
