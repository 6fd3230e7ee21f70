"""Scores, labels and rankings of what is exported."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from publishing import passage

from synth.core import rows
from synth.core.rows import Table
from synth.export import ORDER, SPLIT_KEY, shape
from synth.formats import (
    ExportSpec,
    FlagEmbeddingExport,
    LabeledListExport,
    LabeledPairExport,
    ListwiseExport,
    NTupleExport,
    TripletExport,
)

Scored = dict[str, float | None]
SCORED: list[ExportSpec] = [
    NTupleExport(negatives=1, scores=True),
    TripletExport(scores=True),
    LabeledPairExport(scores=True),
    LabeledListExport(scores=True),
    FlagEmbeddingExport(scores=True),
]
LISTWISE = ListwiseExport(source="cats")
MISSING = [None, math.nan, math.inf, -math.inf]


def row(positives: Scored, negatives: Scored, name: str = "r") -> Table:
    lists = [[passage(key, score) for key, score in one.items()] for one in (positives, negatives)]
    return pa.table(
        {
            "id": [name],
            "query": ["q"],
            "positives": pa.array([lists[0]], rows.POSITIVES),
            "negatives": pa.array([lists[1]], rows.NEGATIVES),
        }
    )


def published(spec: ExportSpec, batch: Table) -> list[dict[str, Any]]:
    out = shape(spec, batch).rows.drop_columns([SPLIT_KEY.name, ORDER.name])
    return [{key: short(value) for key, value in one.items()} for one in out.to_pylist()]


def short(value: Any) -> Any:
    """Texts by the ids that they are made from, numbers as they are read."""
    if isinstance(value, list):
        return [short(one) for one in value]
    if isinstance(value, str):
        return value.removeprefix("All about ").removesuffix(".")
    return round(value, 3)


def test_labeled_pairs_have_positives_before_negatives_and_the_hardest_first() -> None:
    batch = row({"a": 0.9, "b": None}, {"c": 0.1, "d": 0.5})
    assert published(LabeledPairExport(), batch) == [
        {"query": "q", "passage": "a", "label": 1},
        {"query": "q", "passage": "b", "label": 1},
        {"query": "q", "passage": "d", "label": 0},
        {"query": "q", "passage": "c", "label": 0},
    ]


def test_a_row_without_negatives_gives_labeled_pairs_of_its_positives_alone() -> None:
    assert published(LabeledPairExport(scores=True), row({"a": 0.9}, {})) == [
        {"query": "q", "passage": "a", "score": 0.9}
    ]


def test_a_labeled_list_has_all_passages_of_a_row() -> None:
    batch = row({"a": 0.9, "b": 0.7}, {"c": 0.1, "d": 0.5})
    assert published(LabeledListExport(), batch) == [
        {"query": "q", "documents": ["a", "b", "d", "c"], "labels": [1, 1, 0, 0]}
    ]
    assert published(LabeledListExport(scores=True), batch) == [
        {"query": "q", "documents": ["a", "b", "d", "c"], "scores": [0.9, 0.7, 0.5, 0.1]}
    ]
    assert shape(LabeledListExport(), row({"a": 0.9}, {})).dropped == {"no_negative": 1}


def test_scores_of_a_tuple_stand_in_the_order_of_its_texts() -> None:
    batch = row({"a": 0.9, "b": 0.7}, {"c": 0.1, "d": 0.5})
    spec = NTupleExport(negatives=2, scores=True, ids=True)
    assert published(spec, batch)[1] == {
        "query": "q", "positive": "b", "negative_1": "d", "negative_2": "c",
        "scores": [0.7, 0.5, 0.1], "id": "r", "source_id": "r",
    }  # fmt: skip
    found = published(TripletExport(scores=True), batch)
    assert [one["scores"] for one in found] == [[0.9, 0.5], [0.9, 0.1], [0.7, 0.5], [0.7, 0.1]]


def test_flag_embedding_has_a_list_of_scores_for_each_list_of_texts() -> None:
    batch = row({"a": 0.9}, {"c": 0.1, "d": 0.5})
    assert published(FlagEmbeddingExport(scores=True), batch) == [
        {
            "query": "q", "pos": ["a"], "neg": ["d", "c"],
            "pos_scores": [0.9], "neg_scores": [0.5, 0.1],
        }
    ]  # fmt: skip


@pytest.mark.parametrize("prompt", [None, "", " "])
def test_flag_embedding_leaves_out_a_row_without_the_prompt_that_it_names(
    prompt: str | None,
) -> None:
    batch = row({"a": 0.9}, {"c": 0.1}).append_column("task", pa.array([prompt], pa.string()))
    assert shape(FlagEmbeddingExport(prompt="task"), batch).dropped == {"no_prompt": 1}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("spec", SCORED, ids=repr)
def test_a_row_that_lacks_a_score_is_counted(spec: ExportSpec, missing: float | None) -> None:
    for batch in (row({"a": missing}, {"b": 0.1}), row({"a": 0.9}, {"b": missing})):
        out = shape(spec, batch)
        assert (out.rows.num_rows, out.dropped) == (0, {"no_score": 1})


def test_a_score_that_would_not_be_written_may_be_missing() -> None:
    batch = row({"a": 0.9}, {"b": 0.5, "c": None})
    assert shape(NTupleExport(negatives=1, scores=True), batch).rows.num_rows == 1
    assert shape(NTupleExport(negatives=2, scores=True), batch).dropped == {"no_score": 1}


SCORES = st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5])
LISTS = st.dictionaries(st.sampled_from("abcd"), st.none() | SCORES, min_size=1)
NEGATIVE_LISTS = st.dictionaries(st.sampled_from("stuvwxyz"), SCORES, min_size=1)


@given(positives=LISTS, negatives=NEGATIVE_LISTS, k=st.integers(2, 6), name=st.sampled_from("pqrs"))
def test_a_ranking_is_a_permutation_that_sorts_the_documents(
    positives: Scored, negatives: Scored, k: int, name: str
) -> None:
    (found,) = published(ListwiseExport(source="cats", k=k), row(positives, negatives, name))
    ranking, documents = found["ranking"], found["document"]
    number = min(k, len(positives) + len(negatives))
    assert sorted(ranking) == list(range(1, number + 1))
    assert len(documents) == number
    # Positives without a score first, then by score, then positives before negatives.
    keys = {key: (math.inf if score is None else score, 1) for key, score in positives.items()}
    keys |= {key: (score or 0.0, 0) for key, score in negatives.items()}
    ranked = [keys[documents[place - 1]] for place in ranking]
    assert ranked == sorted(keys.values(), reverse=True)[:number]


@given(
    positives=LISTS, negatives=NEGATIVE_LISTS, other=NEGATIVE_LISTS, name=st.sampled_from("pqrs")
)
def test_where_a_document_stands_hangs_on_no_score(
    positives: Scored, negatives: Scored, other: Scored, name: str
) -> None:
    rescored = {key: other.get(key, 0.15) for key in negatives}
    one, two = (
        published(LISTWISE, row(positives, scores, name))[0]["document"]
        for scores in (negatives, rescored)
    )
    assert one == two


def test_the_best_document_stands_anywhere_in_the_list() -> None:
    batches = [row({"a": 0.9}, {"s": 0.1, "t": 0.2, "u": 0.3}, f"r{at}") for at in range(800)]
    found = published(LISTWISE, pa.concat_tables(batches))
    places = np.bincount([one["ranking"][0] for one in found], minlength=5)[1:]
    # A fair draw of 800 from 4 has a standard deviation of 12.2 in each place.
    assert abs(places - 200).max() < 5 * 12.2


def test_a_list_needs_two_documents_and_scored_negatives() -> None:
    assert shape(LISTWISE, row({"a": None}, {})).dropped == {"short_of_documents": 1}
    assert shape(LISTWISE, row({"a": 0.9}, {"s": None})).dropped == {"no_score": 1}
    assert shape(LISTWISE, row({}, {"s": 0.1, "t": 0.1})).dropped == {"no_positive": 1}
    two = row({"a": None, "b": None}, {})
    assert sorted(published(LISTWISE, two)[0]["ranking"]) == [1, 2]


def test_ties_are_ranked_as_they_stand_positives_first() -> None:
    (found,) = published(LISTWISE, row({"a": 0.5, "b": 0.5}, {"s": 0.5, "t": 0.5}))
    assert [found["document"][place - 1] for place in found["ranking"]] == ["a", "b", "s", "t"]
