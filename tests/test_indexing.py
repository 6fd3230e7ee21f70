from __future__ import annotations

import json
from pathlib import Path

import datasketch
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from synth.algorithms.text import normalized, shingles
from synth.core.errors import SourceError, StorageError
from synth.indexing import Added, DedupIndex, build_index, source_at
from synth.inputs.files import Folder

TEXTS = [
    "the quick brown fox jumps over the lazy dog and then it sleeps all day in the warm sun",
    "A Cat",
    "\u4eca\u5929\u5929\u6c14\u5f88\u597d",
]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.jsonl"
    lines = [{"id": f"d{number}", "text": text} for number, text in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"id": "n", "text": ""}]))
    return path


def test_datasketch_reads_what_it_would_have_made_itself(corpus: Path, tmp_path: Path) -> None:
    index = DedupIndex(Folder(str(tmp_path / "index")))
    assert build_index(index, source_at(str(corpus), "text", "id")) == Added(3, 0, 1)
    # With nothing of ours: pyarrow and datasketch.
    table = pq.read_table(tmp_path / "index")
    assert table.column_names == ["id", "text_hash", "minhash_word5_128"]
    for text, cell in zip(TEXTS, table["minhash_word5_128"].to_pylist(), strict=True):
        theirs = datasketch.MinHash(128, hashfunc=xxhash.xxh32_intdigest)
        theirs.update_batch([one.encode() for one in shingles(normalized(text), 5, "word")])
        assert datasketch.LeanMinHash.deserialize(cell) == datasketch.LeanMinHash(theirs)
    query = datasketch.MinHash(128, hashfunc=xxhash.xxh32_intdigest)
    query.update_batch([one.encode() for one in shingles(normalized(TEXTS[0]), 5, "word")])
    assert index.lsh().query(query) == ["d0"]


def test_an_index_grows_by_what_is_new(corpus: Path, tmp_path: Path) -> None:
    index = DedupIndex(Folder(str(tmp_path / "index")))
    build_index(index, source_at(str(corpus), "text", "id"))
    with corpus.open("a") as opened:
        opened.write(json.dumps({"id": "d9", "text": "more"}) + "\n")
    assert build_index(index, source_at(str(corpus), "text", "id")) == Added(1, 3, 1)
    assert len(index) == 4
    assert index.ids().to_pylist().count("d0") == 1


def test_other_settings_are_another_index(corpus: Path, tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "index"))
    build_index(DedupIndex(folder), source_at(str(corpus), "text", "id"))
    with pytest.raises(StorageError, match="minhash_word5_128 where minhash_char7_128 is asked"):
        build_index(DedupIndex(folder, ngram=7, unit="char"), source_at(str(corpus), "text", "id"))


@pytest.mark.parametrize("left", [0, 1_000])
def test_a_damaged_file_of_an_index_is_named_with_what_to_do(
    left: int, corpus: Path, tmp_path: Path
) -> None:
    index = DedupIndex(Folder(str(tmp_path / "index")))
    source = source_at(str(corpus), "text", "id")
    build_index(index, source)
    (damaged,) = (tmp_path / "index").glob("*.parquet")
    damaged.write_bytes(damaged.read_bytes()[:left])
    with pytest.raises(StorageError, match="remove it and run `synth dedup-index` again") as caught:
        build_index(index, source)
    assert damaged.name in str(caught.value)
    damaged.unlink()
    assert build_index(index, source) == Added(3, 0, 1)


def test_a_field_without_any_text_is_an_error_and_not_an_empty_index(
    corpus: Path, tmp_path: Path
) -> None:
    corpus.write_text(json.dumps({"id": "a", "text": "", "n": 1}) + "\n")
    index = DedupIndex(Folder(str(tmp_path / "index")))
    for field in ("n", "text"):
        with pytest.raises(SourceError, match=f"has a text in the field '{field}'"):
            build_index(index, source_at(str(corpus), field, "id"))


def test_a_path_means_what_lies_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no Parquet, JSON Lines or text file"):
        source_at(str(tmp_path), "text", None)
    (tmp_path / "a.txt").write_text("a cat")
    assert source_at(str(tmp_path), "text", None).kind == "text"
    pq.write_table(pa.table({"text": ["a cat"]}), tmp_path / "b.parquet")
    assert source_at(str(tmp_path), "text", None).kind == "parquet"
