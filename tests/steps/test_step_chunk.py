"""Chunks cover a document, end where sentences do, and know their neighbours."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.algorithms.chunks import chunk_spans, gathered
from synth.algorithms.sentences import Unit, spans
from synth.core import rows
from synth.core.rows import Table
from synth.steps import Chunk
from synth.steps.whole import IS_NEW

WORDS = st.sampled_from(["a", "heron", "waits.", "Then", "it", "strikes!", "\n\n", "3.5", "fish"])
TEXTS = st.lists(WORDS, max_size=60).map(" ".join)
COUNTS = st.lists(st.integers(1, 9), max_size=30)


def words(pieces: Any) -> list[int]:
    return [len(piece.split()) for piece in pieces]


def documents(*texts: str | None) -> Table:
    ids = [f"d{at}" for at in range(len(texts))]
    empty = pa.nulls(len(texts), pa.string())
    return pa.table({"id": ids, "text": list(texts), "other": ids, "drop_reason": empty})


@given(text=TEXTS, unit=st.sampled_from(["paragraph", "sentence", "word"]))
def test_all_but_white_space_is_in_one_piece(text: str, unit: Unit) -> None:
    found = [text[begin:end] for begin, end in spans(text, unit)]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(piece == piece.strip() and piece for piece in found)


@given(counts=COUNTS, size=st.integers(1, 20), overlap=st.integers(0, 19))
def test_chunks_hold_every_piece_in_order_and_none_lies_within_another(
    counts: list[int], size: int, overlap: int
) -> None:
    overlap = min(overlap, size - 1)
    found = gathered(counts, size, overlap)
    assert {at for begin, end in found for at in range(begin, end)} == set(range(len(counts)))
    for begin, end in found:
        assert end - begin == 1 or sum(counts[begin:end]) <= size
    for (begin, end), (next_begin, next_end) in pairwise(found):
        assert begin < next_begin <= end < next_end
        assert sum(counts[next_begin:end]) <= overlap


@given(text=TEXTS, size=st.integers(1, 12), at=st.sampled_from(["paragraph", "sentence", "word"]))
def test_without_overlap_chunks_are_the_document_in_pieces_of_a_bounded_size(
    text: str, size: int, at: Unit
) -> None:
    found = [text[begin:end] for begin, end in chunk_spans(text, at, size, 0, words)]
    assert " ".join(found).split() == text.split()
    assert all(count <= size for count in words(found))


def test_a_chunk_ends_where_a_sentence_does_wherever_it_fits() -> None:
    text = "One two. Three four five. Six. Seven eight nine ten eleven twelve. End."
    found = [text[begin:end] for begin, end in chunk_spans(text, "sentence", 5, 0, words)]
    assert found == [
        "One two. Three four five.", "Six. Seven eight nine ten", "eleven twelve. End."
    ]  # fmt: skip


def test_a_chunk_knows_its_place_its_context_and_chunks_from_elsewhere() -> None:
    text = "First one here. Second one here. Third one here. Fourth one here. Fifth one here."
    step = Chunk(size=3, group=2, neighbours=2)
    out = step.whole(documents(text, None, "  "))
    made = out.filter(out[IS_NEW.name]).to_pylist()
    dropped = out.filter(pa.compute.invert(out[IS_NEW.name])).to_pylist()
    assert [row["drop_reason"] for row in dropped] == ["no_text", "no_text"]
    assert [row["chunk_number"] for row in made] == [0, 1, 2, 3, 4]
    for row in made:
        assert row["text"] == text[row["chunk_start"] : row["chunk_end"]]
        assert row["context"] == text[row["context_start"] : row["context_end"]]
        assert row["text"] in row["context"]
        assert row["context"].count("here.") == 2
        assert (row["parent_id"], row["source_id"], row["other"]) == ("d0", "d0", "d0")
        assert len(row["neighbours"]) == 2
        assert all(one["text"] not in row["context"] for one in row["neighbours"])
        assert {one["origin"] for one in row["neighbours"]} == {"neighbour"}
    by_id = {row["id"]: row["text"] for row in made}
    assert all(by_id[one["id"]] == one["text"] for row in made for one in row["neighbours"])


def test_chunks_do_not_depend_on_the_documents_beside_them() -> None:
    texts = ["One here. Two here. Three here.", "Four here. Five here."]
    step = Chunk(size=2, group=1, neighbours=1)
    both = step.whole(documents(*texts)).sort_by("id")
    table = documents(*texts)
    apart = [step.whole(table.slice(at, 1)) for at in (0, 1)]
    assert pa.concat_tables(apart).sort_by("id").equals(both)
    nothing = step.whole(table.slice(0, 0))
    assert nothing.schema == both.schema
    planned = rows.with_fields(table.schema, step.adds())
    assert both.drop_columns([IS_NEW.name]).schema.names == planned.names


@pytest.mark.parametrize(
    "given", [{"size": 5, "overlap": 5}, {"unit": "tokens"}, {"tokenizer": "bundled/x"}]
)
def test_a_chunk_that_cannot_be_measured_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Chunk.model_validate(given)
