from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from angles import corpus, drawn, queries, vectors
from hypothesis import given
from hypothesis import strategies as st

from synth.core import rows
from synth.core.errors import EngineError, RecipeError
from synth.core.rows import Table
from synth.steps import Retrieve
from synth.steps.retrievers import Bm25, Dense
from synth.steps.whole import facts_of, in_order

DOCS = corpus(
    {
        "d0": ("a cat sat", 0),
        "d1": ("which animal sat", 5),
        "d2": ("the dog ran", 20),
        "d3": ("The dog  ran", 25),
        "d4": ("a cow ate", 30),
        "d5": ("", 40),
        "d6": ("a hen flew", 55),
    }
)
ASKED = queries(("which animal sat", 0, []))


def found(step: Retrieve, table: Table, texts: Table = DOCS) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = in_order(step, table, texts)[step.into][0].as_py()
    return entries


def ids(step: Retrieve, table: Table = ASKED) -> list[str]:
    return [entry["id"] for entry in found(step, table)]


def test_the_nearest_texts_come_first_each_once_and_none_is_the_query() -> None:
    assert ids(Retrieve(corpus="docs", k=3)) == ["d0", "d2", "d4"]


def test_an_entry_tells_score_rank_and_who_found_it() -> None:
    entry = found(Retrieve(corpus="docs", k=2), ASKED)[1]
    assert (entry["text"], entry["rank"]) == ("the dog ran", 3)
    assert entry["score"] == pytest.approx(np.cos(np.radians(20)))
    assert [(one["by"], one["rank"]) for one in entry["found"]] == [("dense", 3)]


def test_the_first_can_be_skipped_and_the_row_let_in() -> None:
    assert ids(Retrieve(corpus="docs", k=2, skip=1)) == ["d2", "d4"]
    assert ids(Retrieve(corpus="docs", k=2, exclude_self=False)) == ["d0", "d1"]


def test_a_row_never_finds_its_source_or_the_text_with_its_id() -> None:
    assert ids(Retrieve(corpus="docs", k=2), ASKED.append_column("source_id", [["d0"]])) == [
        "d2",
        "d4",
    ]
    renamed = ASKED.set_column(0, "id", [["d2"]])
    # Its copy goes with it.
    assert ids(Retrieve(corpus="docs", k=2), renamed) == ["d0", "d4"]
    out = in_order(Retrieve(corpus="docs"), renamed, DOCS)
    assert facts_of(out)["rows that never find themselves"] == "1 of 1"


def test_documents_find_their_neighbours_in_their_own_table() -> None:
    step = Retrieve(corpus="docs", column="text", k=1, into="neighbour")
    out = in_order(step, DOCS, DOCS)
    nearest = [entries and entries[0]["id"] for entries in out["neighbour"].to_pylist()]
    assert nearest == ["d1", "d0", "d4", "d4", "d3", "d4", "d4"]
    assert out["drop_reason"].to_pylist() == [None] * 5 + ["no_text", None]


def test_words_find_what_shares_one_and_score_nothing() -> None:
    step = Retrieve(corpus="docs", k=3, retrievers=(Bm25(),))
    table = ASKED.drop_columns(["embedding_query"])
    entries = found(step, table.set_column(1, "query", [["cow or hen"]]))
    assert [entry["id"] for entry in entries] == ["d4", "d6"]
    assert [entry["score"] for entry in entries] == [None, None]


def test_a_corpus_that_is_empty_or_too_small_leaves_lists_short() -> None:
    out = in_order(Retrieve(corpus="docs"), ASKED, DOCS.slice(0, 0))
    assert out["retrieved"].to_pylist() == [[]]
    assert facts_of(out) == {"rows for which fewer were found": "1 of 1"}
    assert len(found(Retrieve(corpus="docs", k=50), ASKED)) == 4


def test_a_row_without_a_text_drops_and_one_without_a_vector_is_an_error() -> None:
    out = in_order(Retrieve(corpus="docs"), queries((" ", 0, [])), DOCS)
    assert out["drop_reason"].to_pylist() == ["no_query"]
    broken = rows.with_column(
        ASKED,
        pa.field("embedding_query", pa.list_(pa.float32(), 2)),
        pa.nulls(1, pa.list_(pa.float32(), 2)),
    )
    with pytest.raises(EngineError, match="'q0' has no usable vector in `embedding_query`"):
        in_order(Retrieve(corpus="docs"), broken, DOCS)
    wide = rows.vector_column(np.ones((1, 3), np.float32))
    with pytest.raises(RecipeError, match="retrieve: `embedding_query` has 3 dimensions"):
        in_order(Retrieve(corpus="docs"), ASKED.set_column(3, "embedding_query", wide), DOCS)


@pytest.mark.parametrize("taken", ["id", "negatives", "provenance", "query", "embedding_query"])
def test_a_column_that_steps_read_is_not_filled(taken: str) -> None:
    with pytest.raises(ValueError, match=f"`into` may not fill '{taken}'"):
        Retrieve(corpus="docs", into=taken)


def test_the_vector_asked_by_is_that_of_the_column() -> None:
    assert [field.name for field in Retrieve(corpus="docs", column="text").needs()] == [
        "text",
        "embedding_text",
    ]
    own = Retrieve(corpus="docs", retrievers=(Dense(query_vector="v"),))
    assert [field.name for field in own.needs()] == ["query", "v"]
    assert vectors(0)[0].as_py() == [1, 0]


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 3))
def test_lists_are_those_of_brute_force(seed: int, k: int, skip: int) -> None:
    table, docs = drawn(seed)
    step = Retrieve(corpus="docs", k=k, skip=skip)
    own, texts = rows.vectors(table, "embedding_query"), rows.vectors(docs, "embedding_text")
    out = in_order(step, table, docs)
    for at, entries in enumerate(out["retrieved"].to_pylist()):
        order = np.argsort(-(texts @ own[at]), kind="stable")
        seen = [table["query"][at].as_py()]
        expected = []
        for place in order.tolist():
            text = docs["text"][place].as_py()
            if text not in seen:
                seen.append(text)
                expected.append(docs["id"][place].as_py())
        assert [entry["id"] for entry in entries] == expected[skip : skip + k]


@given(st.integers(0, 10_000), st.randoms())
def test_the_order_of_rows_and_corpus_changes_nothing(seed: int, random: Any) -> None:
    table, docs = drawn(seed)
    step = Retrieve(corpus="docs", k=3, retrievers=(Dense(), Bm25()))
    mixed = [random.sample(range(one.num_rows), one.num_rows) for one in (table, docs)]
    again = in_order(step, table.take(mixed[0]), docs.take(mixed[1]))
    assert again.equals(in_order(step, table, docs))
