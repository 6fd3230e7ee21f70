from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core import rows
from synth.core.rows import Table
from synth.export import ORDER, SPLIT_KEY, shape
from synth.formats import (
    BeirExport,
    DocumentsExport,
    ExportSpec,
    FlagEmbeddingExport,
    LabeledListExport,
    LabeledPairExport,
    ListwiseExport,
    NemotronExport,
    NTupleExport,
    PairExport,
    RowsExport,
    TripletExport,
)

PLACES = [SPLIT_KEY.name, ORDER.name]
TEXT = st.none() | st.sampled_from(["", "  ", "a", "b", "c"])
SCORE = st.none() | st.floats(-1, 1, width=32)
ENTRY = st.fixed_dictionaries({"id": st.sampled_from("xyz"), "text": TEXT, "score": SCORE})
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "query": TEXT,
            "text": TEXT,
            "positives": st.none() | st.lists(ENTRY, max_size=3),
            "negatives": st.none() | st.lists(ENTRY, max_size=4),
            "source_id": st.none() | st.sampled_from(["s1", "s2"]),
        }
    ),
    max_size=6,
)
SPECS: list[ExportSpec] = [
    NTupleExport(negatives=2),
    NTupleExport(negatives=1, ids=True),
    TripletExport(),
    TripletExport(ids=True),
    PairExport(),
    PairExport(ids=True),
    NTupleExport(negatives=2, scores=True),
    TripletExport(scores=True, ids=True),
    LabeledPairExport(),
    LabeledPairExport(scores=True, ids=True),
    LabeledListExport(ids=True),
    LabeledListExport(scores=True),
    FlagEmbeddingExport(ids=True),
    FlagEmbeddingExport(scores=True, prompt="text"),
    ListwiseExport(source="cats"),
    ListwiseExport(source="cats", k=3, min_documents=3, ids=True),
    NemotronExport(corpus_id="cats"),
    BeirExport(),
    BeirExport(negatives=True),
    DocumentsExport(columns=("source_id",)),
    RowsExport(),
    RowsExport(columns=("query", "embedding_text")),
]


def table(drawn: list[dict[str, Any]]) -> Table:
    return pa.table(
        {
            "id": pa.array([f"r{at}" for at in range(len(drawn))], pa.string()),
            "query": pa.array([row["query"] for row in drawn], pa.string()),
            "text": pa.array([row["text"] for row in drawn], pa.string()),
            "positives": pa.array([row["positives"] for row in drawn], rows.POSITIVES),
            "negatives": pa.array([row["negatives"] for row in drawn], rows.NEGATIVES),
            "source_id": pa.array([row["source_id"] for row in drawn], pa.string()),
            "embedding_text": pa.array([[0.0, 1.0]] * len(drawn), pa.list_(pa.float32(), 2)),
            "drop_reason": pa.nulls(len(drawn), pa.string()),
        }
    )


def row(name: str, positives: str, negatives: dict[str, float | None]) -> Table:
    return pa.table(
        {
            "id": [name],
            "query": ["q"],
            "positives": pa.array([[{"id": p, "text": p} for p in positives]], rows.POSITIVES),
            "negatives": pa.array(
                [[{"id": n, "text": n, "score": s} for n, s in negatives.items()]], rows.NEGATIVES
            ),
        }
    )


def published(spec: ExportSpec, batch: Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shape(spec, batch).rows.drop_columns(PLACES).to_pylist()
    return found


@pytest.mark.parametrize("spec", SPECS, ids=repr)
@given(drawn=ROWS)
def test_every_row_is_used_or_counted(spec: ExportSpec, drawn: list[dict[str, Any]]) -> None:
    out = shape(spec, table(drawn))
    assert out.rows_used + sum(out.dropped.values()) == len(drawn)
    assert all(count > 0 for count in out.dropped.values())
    assert out.rows.num_rows >= out.rows_used
    assert out.rows["_split_key"].null_count == 0
    assert len(set(out.rows["_order"].to_pylist())) == out.rows.num_rows


@pytest.mark.parametrize("spec", SPECS, ids=repr)
@given(drawn=ROWS, cut=st.integers(0, 6))
def test_batching_changes_nothing(spec: ExportSpec, drawn: list[dict[str, Any]], cut: int) -> None:
    whole = table(drawn)
    parts = [shape(spec, part).tables for part in (whole.slice(0, cut), whole.slice(cut))]
    for name, found in shape(spec, whole).tables.items():
        assert pa.concat_tables([part[name] for part in parts]).equals(found)


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_no_rows_give_no_rows_of_the_same_columns(spec: ExportSpec) -> None:
    positive = {"id": "x", "text": "p", "score": 0.9}
    negatives = [{"id": "y", "text": "n", "score": 0.2}, {"id": "z", "text": "m", "score": 0.1}]
    full = {"query": "q", "text": "t", "positives": [positive], "source_id": None}
    rows_in = table([full | {"negatives": negatives}])
    out, none = shape(spec, rows_in), shape(spec, rows_in.slice(0, 0))
    assert {name: one.schema for name, one in none.tables.items()} == {
        name: one.schema for name, one in out.tables.items()
    }
    assert out.rows_used == 1


@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_a_format_needs_no_more_than_it_says(spec: ExportSpec) -> None:
    batch = table([])
    assert all(field.name in batch.column_names for field in spec.needs())
    if not isinstance(spec, RowsExport):
        shape(spec, batch.select(["id", *(field.name for field in spec.needs())]))


def test_an_n_tuple_takes_the_hardest_negatives_for_each_positive() -> None:
    found = published(
        NTupleExport(negatives=2), row("r", "PQ", {"a": None, "b": 0.1, "c": 0.9, "d": 0.5})
    )
    wanted = {"query": "q", "negative_1": "c", "negative_2": "d"}
    assert found == [wanted | {"positive": "P"}, wanted | {"positive": "Q"}]
    assert list(found[0]) == ["query", "positive", "negative_1", "negative_2"]


def test_a_row_short_of_negatives_is_counted_and_not_padded() -> None:
    out = shape(NTupleExport(negatives=2), row("r", "P", {"a": 0.5, " ": 0.4}))
    assert (out.rows.num_rows, out.dropped) == (0, {"short_of_negatives": 1})


def test_a_triplet_pairs_each_positive_with_each_negative() -> None:
    found = published(TripletExport(), row("r", "PQ", {"a": 0.1, "b": 0.9}))
    assert [(one["positive"], one["negative"]) for one in found] == [
        ("P", "b"), ("P", "a"), ("Q", "b"), ("Q", "a"),
    ]  # fmt: skip


def test_ids_come_behind_the_texts_and_name_the_source() -> None:
    batch = row("r", "P", {}).append_column("source_id", pa.array(["d7"]))
    assert published(PairExport(ids=True), batch) == [
        {"query": "q", "positive": "P", "id": "r", "source_id": "d7"}
    ]


def test_documents_are_ordered_by_position_as_numbers() -> None:
    batch = pa.table(
        {"id": ["a", "b", "c"], "text": ["x", "y", "z"], "position": pa.array([10, 9, 100])}
    )
    out = shape(DocumentsExport(), batch).rows.sort_by("_order")
    assert out["id"].to_pylist() == ["b", "a", "c"]


def test_windows_are_split_by_their_first_document() -> None:
    windows = pa.array([["d1", "d2"], [], None], pa.list_(pa.string()))
    batch = pa.table({"id": ["w1", "w2", "w3"], "text": ["x", "y", "z"], "doc_ids": windows})
    assert shape(DocumentsExport(), batch).rows["_split_key"].to_pylist() == ["d1", "w2", "w3"]


def test_plain_rows_leave_out_embeddings_unless_they_are_named() -> None:
    batch = table([])
    assert "embedding_text" not in shape(RowsExport(), batch).rows.column_names
    assert "drop_reason" not in shape(RowsExport(), batch).rows.column_names
    named = shape(RowsExport(columns=("id", "embedding_text")), batch).rows
    assert named.column_names == ["id", "embedding_text", *PLACES]
