from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.approximate import Searched
from synth.algorithms.neighbors import top_k
from synth.core import rows
from synth.core.errors import EngineError, RecipeError
from synth.core.rows import Table
from synth.steps import MineNegatives, mine_negatives, searching
from synth.steps.retrievers import Bm25, Dense
from synth.steps.whole import facts_of, in_order

STEP = MineNegatives(corpus="docs", depth=2)
# Each text of the corpus with the angle, in degrees, between its vector and that of the query.
CORPUS = {
    "d0": ("a cat sat on the mat", 0),
    "d1": ("which animal sat", 5),
    "d2": ("A cat sat on the mat!", 10),
    "d3": ("the dog ran", 20),
    "d4": ("the dog ran", 25),
    "d5": ("a cow ate", 30),
    "d6": ("a hen flew", 40),
    "d7": ("", 45),
}


def vectors(*degrees: float) -> pa.Array:
    angles = np.radians(degrees)
    return rows.vector_column(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))


def corpus() -> Table:
    return pa.table(
        {
            "id": list(CORPUS),
            "text": [text for text, _ in CORPUS.values()],
            "embedding_text": vectors(*(angle for _, angle in CORPUS.values())),
        }
    )


def queries(**columns: Any) -> Table:
    positive = {"id": "d0", "text": "a cat sat on the mat", "score": None}
    return pa.table(
        {
            "id": ["q1"],
            "query": ["which animal sat"],
            "positives": pa.array([[positive]], rows.POSITIVES),
            "embedding_query": vectors(0),
            "drop_reason": pa.nulls(1, pa.string()),
            **columns,
        }
    )


def mined(step: MineNegatives, table: Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = in_order(step, table, corpus())["negatives"][0].as_py()
    return found


def test_positives_near_copies_the_query_and_repeated_texts_are_never_mined() -> None:
    assert [entry["id"] for entry in mined(STEP, queries())] == ["d3", "d5"]


@pytest.mark.parametrize(
    "query", ["Which animal, sat?", "WHICH ANIMAL -- SAT", "«which» animal sat …"]
)
def test_the_query_with_other_signs_is_never_mined(query: str) -> None:
    assert "d1" not in [entry["id"] for entry in mined(STEP, queries(query=[query]))]


def test_a_text_with_a_word_more_than_the_query_is_mined() -> None:
    found = mined(STEP, queries(query=["which animal"]))
    assert [entry["id"] for entry in found] == ["d1", "d3"]


@pytest.mark.parametrize(
    "positive", [{"id": "d0", "text": ""}, {"id": "d0", "text": None}, {"id": "x", "text": "d0"}]
)
def test_a_positive_that_only_names_a_text_of_the_corpus_gets_it(positive: Any) -> None:
    named = pa.array([[positive | {"score": 0.5}]], rows.POSITIVES)
    out = in_order(STEP, queries(positives=named), corpus())
    (found,) = out["positives"][0].as_py()
    assert (found["id"], found["text"], found["score"]) == ("d0", "a cat sat on the mat", 0.5)
    assert [entry["id"] for entry in out["negatives"][0].as_py()] == ["d3", "d5"]
    assert facts_of(out)["positives with texts of the corpus"] == "1"


def test_a_positive_that_the_corpus_does_not_name_stays_as_it_is() -> None:
    positives = [
        {"id": "z", "text": "a whale", "score": None},
        {"id": "y", "text": "", "score": 1.0},
    ]
    out = in_order(STEP, queries(positives=pa.array([positives], rows.POSITIVES)), corpus())
    assert out["positives"][0].as_py() == positives
    assert "positives with texts of the corpus" not in facts_of(out)


def test_an_entry_tells_its_score_and_its_rank_in_the_whole_search() -> None:
    first = mined(STEP, queries())[0]
    assert first["score"] == pytest.approx(np.cos(np.radians(20)))
    assert (first["rank"], first["origin"], first["text"]) == (4, "mined", "the dog ran")


def test_the_source_document_is_never_mined() -> None:
    assert [entry["id"] for entry in mined(STEP, queries(source_id=["d5"]))] == ["d3", "d6"]


def test_near_copies_can_be_let_in() -> None:
    step = MineNegatives(corpus="docs", depth=1, near_copy=None)
    assert [entry["id"] for entry in mined(step, queries())] == ["d2"]


def test_the_nearest_that_could_be_mined_can_be_skipped() -> None:
    step = MineNegatives(corpus="docs", depth=9, skip=1)
    assert [entry["id"] for entry in mined(step, queries())] == ["d5", "d6"]


def test_negatives_that_the_row_has_stay_first_and_are_not_mined_again() -> None:
    given = {"id": "g", "text": "a cow ate", "score": None, "rank": None, "origin": "generated:m"}
    out = mined(STEP, queries(negatives=pa.array([[given]], rows.NEGATIVES)))
    assert [entry["id"] for entry in out] == ["g", "d3", "d6"]


def test_the_search_goes_deeper_until_there_are_enough() -> None:
    angles = np.linspace(0, 80, 500)
    texts = [f"a cat sat on the mat {'!' * (number + 1)}" for number in range(499)]
    docs = pa.table(
        {
            "id": [f"d{number:03}" for number in range(500)],
            "text": [*texts, "a cow ate"],
            "embedding_text": vectors(*angles),
        }
    )
    found = in_order(STEP, queries(), docs)["negatives"][0].as_py()
    assert [(entry["text"], entry["rank"]) for entry in found] == [("a cow ate", 500)]


def test_the_order_of_rows_and_corpus_changes_nothing() -> None:
    table = pa.concat_tables([queries(), queries(id=["q0"], embedding_query=vectors(35))])
    out = in_order(STEP, table, corpus())
    assert in_order(STEP, table.take([1, 0]), corpus().take([5, 2, 7, 0, 6, 1, 4, 3])).equals(out)


def test_an_empty_corpus_leaves_the_rows_without_negatives() -> None:
    assert in_order(STEP, queries(), corpus().slice(0, 0))["negatives"].to_pylist() == [[]]


def test_a_row_without_a_usable_vector_is_named() -> None:
    with pytest.raises(EngineError, match="'q1' has no usable vector in `embedding_query`"):
        in_order(STEP, queries(embedding_query=pa.nulls(1, pa.list_(pa.float32(), 2))), corpus())


def test_vectors_of_two_encoders_are_refused() -> None:
    narrow = queries(embedding_query=rows.vector_column(np.ones((1, 3), np.float32)))
    with pytest.raises(RecipeError, match="embed both with one encoder"):
        in_order(STEP, narrow, corpus())


def test_words_find_what_vectors_do_not_and_each_tells_its_rank() -> None:
    both = MineNegatives(
        corpus="docs", depth=4, near_copy=None, retrievers=(Dense(), Bm25(name="words"))
    )
    found = {entry["id"]: entry for entry in mined(both, queries(query=["cow or hen"]))}
    assert [one["by"] for one in found["d5"]["found"]] == ["dense", "words"]
    assert found["d5"]["found"][1]["rank"] == 1
    # Whoever found a text, its score is its product with the query.
    assert found["d6"]["score"] == pytest.approx(np.cos(np.radians(40)))


def test_words_alone_give_no_score_to_filter_by() -> None:
    step = MineNegatives(corpus="docs", retrievers=(Bm25(),))
    table = queries(query=["a cow and a hen"]).drop_columns(["embedding_query"])
    texts = corpus().drop_columns(["embedding_text"])
    entries = in_order(step, table, texts)["negatives"][0].as_py()
    assert [entry["id"] for entry in entries[:2]] == ["d6", "d5"]
    assert all(entry["score"] is None for entry in entries)
    assert all(entry["found"][0]["score"] > 0 for entry in entries)


def test_values_that_must_be_the_same_or_differ_are_compared() -> None:
    languages = pa.array(["en", "en", "en", "de", "en", "de", None, "en"])
    texts = corpus().append_column("lang", languages)

    def ids(value: str | None, **conditions: Any) -> list[str]:
        step = MineNegatives(corpus="docs", near_copy=None, **conditions)
        out = in_order(step, queries(lang=pa.array([value], pa.string())), texts)
        return [entry["id"] for entry in out["negatives"][0].as_py()]

    assert ids("de", same=("lang",)) == ["d3", "d5"]
    assert ids(None, same=("lang",)) == ["d6"]
    assert ids("fr", same=("lang",)) == []
    assert ids("de", different=("lang",)) == ["d2", "d4", "d6"]
    assert ids(None, different=("lang",)) == ["d2", "d3", "d5", "d6"]


def test_a_search_tells_how_it_was_made() -> None:
    out = in_order(STEP, queries(), corpus())
    assert facts_of(out) == {"search dense": "exact, recall 1.000"}
    deep = MineNegatives(corpus="docs", depth=50)
    assert facts_of(in_order(deep, queries(), corpus()))["rows for which fewer were found"] == (
        "1 of 1"
    )


def test_of_several_searches_the_one_that_found_least_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recalls = iter([0.96, 1.0])

    def searched(queries: Any, corpus: Any, k: int, *_: object) -> Searched:
        return Searched(top_k(queries, corpus, k), next(recalls), "some cells")

    monkeypatch.setattr(searching, "search", searched)
    monkeypatch.setattr(mine_negatives, "_SPARE", 0)
    out = in_order(MineNegatives(corpus="docs", depth=3), queries(), corpus())
    assert facts_of(out)["search dense"] == "some cells, recall 0.960"
    assert next(recalls, None) is None


def test_a_share_for_a_ratio_of_a_hundred_is_refused() -> None:
    with pytest.raises(ValueError, match=r"goes up to 100: 95, not 0\.95"):
        MineNegatives(corpus="docs", near_copy=0.95)


def test_what_cannot_be_mined_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="two retrievers are called 'bm25'"):
        MineNegatives(corpus="docs", retrievers=(Bm25(), Bm25(k1=0.5)))
    with pytest.raises(ValueError, match="`lang` is in `same` and in `different`"):
        MineNegatives(corpus="docs", same=("lang",), different=("lang",))


@given(st.integers(0, 10_000), st.integers(1, 8))
def test_a_positive_is_never_mined_whatever_the_vectors(seed: int, depth: int) -> None:
    draw = np.random.default_rng(seed)
    words = ["cat", "dog", "mat", "sat"]
    texts = [" ".join(draw.choice(words, 3)) for _ in range(12)]
    table = pa.table(
        {
            "id": [f"d{at:02}" for at in range(12)],
            "text": texts,
            "embedding_text": rows.vector_column(draw.normal(size=(12, 3)).astype(np.float32)),
        }
    )
    own = [
        [{"id": f"d{at:02}", "text": texts[at], "score": None} for at in draw.integers(0, 12, 2)]
        for _ in range(4)
    ]
    asked = pa.table(
        {
            "id": [f"q{at}" for at in range(4)],
            "query": [texts[at] for at in draw.integers(0, 12, 4)],
            "positives": pa.array(own, rows.POSITIVES),
            "embedding_query": rows.vector_column(draw.normal(size=(4, 3)).astype(np.float32)),
            "drop_reason": pa.nulls(4, pa.string()),
        }
    )
    step = MineNegatives(corpus="docs", depth=depth, retrievers=(Dense(), Bm25()), near_copy=None)
    out = in_order(step, asked, table)
    for query, positives, negatives in zip(
        asked["query"].to_pylist(), own, out["negatives"].to_pylist(), strict=True
    ):
        found = [entry["text"] for entry in negatives]
        assert len(found) == len(set(found)) <= depth
        assert not {query, *(one["text"] for one in positives)} & set(found)
