from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from angles import corpus, drawn, positive, queries
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.exact import exact_duplicates
from synth.algorithms.scoring import products
from synth.core import rows
from synth.core.errors import EngineError, RecipeError
from synth.core.rows import Table
from synth.steps import ConsistencyFilter, Retrieve
from synth.steps.retrievers import Bm25, Dense
from synth.steps.whole import facts_of, in_order

DOCS = corpus({f"d{at}": (f"text {at}", 10 * at) for at in range(9)})
STEP = ConsistencyFilter(corpus="docs", k=3)


def ranks(step: ConsistencyFilter, table: Table, docs: Table = DOCS) -> list[int | None]:
    found: list[int | None] = in_order(step, table, docs)["consistency_rank"].to_pylist()
    return found


def reasons(step: ConsistencyFilter, table: Table, docs: Table = DOCS) -> list[str | None]:
    found: list[str | None] = in_order(step, table, docs)["drop_reason"].to_pylist()
    return found


def of_rank(*numbers: int) -> Table:
    """Queries whose positives stand at these ranks."""
    return queries(*(("q", 0, [positive(f"d{n - 1}", f"text {n - 1}")]) for n in numbers))


def test_a_row_stays_while_its_positive_is_among_the_first_k() -> None:
    table = of_rank(1, 3, 4, 9)
    assert ranks(STEP, table) == [1, 3, 4, 9]
    assert reasons(STEP, table) == [None, None, "inconsistent", "inconsistent"]
    assert facts_of(in_order(STEP, table, DOCS)) == {"search dense": "exact, recall 1.000"}


def test_the_best_of_several_positives_counts() -> None:
    both = [positive("d7", "text 7"), positive("d1", "text 1")]
    assert ranks(STEP, queries(("q", 0, both))) == [2]


def test_a_positive_is_known_by_its_text_where_its_id_is_not() -> None:
    table = queries(("q", 0, [positive("x", "TEXT  2")]), ("q", 0, [positive("d2", None)]))
    assert ranks(STEP, table) == [3, 3]


def test_a_copy_of_the_positive_counts_as_the_positive() -> None:
    docs = corpus({"d0": ("one", 5), "d1": ("two", 10), "d2": ("One", 20)})
    assert ranks(STEP, queries(("q", 0, [positive("d2", "One")])), docs) == [1]


def test_texts_that_score_the_same_share_the_middle_of_their_ranks() -> None:
    docs = corpus({f"d{at}": (f"text {at}", 0) for at in range(9)})
    for at in range(9):
        assert ranks(STEP, queries(("q", 0, [positive(f"d{at}", f"text {at}")])), docs) == [5]


def test_rows_without_a_query_or_a_positive_say_so() -> None:
    own = [positive("d0", "text 0")]
    table = queries((None, 0, own), ("q", 0, []), ("q", 0, [positive(None, " ")]), ("q", 0, own))
    assert reasons(STEP, table) == ["no_query", "no_positive", "no_positive", None]
    nulls = queries(("q", 0, []), positives=pa.nulls(1, rows.POSITIVES))
    assert reasons(STEP, nulls) == ["no_positive"]


def test_a_positive_that_the_corpus_lacks_is_ranked_by_the_score_that_it_has() -> None:
    between = math.cos(math.radians(15))
    table = queries(
        ("q", 0, [positive("x", "written", between)]),
        ("q", 0, [positive("x", "written")]),
        ("q", 0, [positive("x", "written", 0.5), positive("d3", "text 3")]),
    )
    assert ranks(STEP, table) == [3, None, 4]
    assert reasons(STEP, table) == [None, "positive_not_in_corpus", "inconsistent"]
    told = facts_of(in_order(STEP, table, DOCS))
    assert told["rows with a positive that the corpus lacks"] == "3 of 3"
    strict = ConsistencyFilter(corpus="docs", k=3, missing="drop")
    assert ranks(strict, table) == [None, None, 4]
    assert reasons(strict, table) == [*["positive_not_in_corpus"] * 2, "inconsistent"]


def test_a_score_that_is_no_inner_product_is_refused() -> None:
    with pytest.raises(
        RecipeError, match=r"'q0' has a positive with the score 7.5, but no .* is above 1:"
    ):
        ranks(STEP, queries(("q", 0, [positive("x", "written", 7.5)])))


def test_by_words_any_positive_can_be_ranked() -> None:
    docs = corpus({"d0": ("cat cat", 0), "d1": ("cat dog hen cow", 0), "d2": ("hen", 0)})
    step = ConsistencyFilter(corpus="docs", k=1, retrievers=(Bm25(),))
    table = queries(
        ("cat", 0, [positive("d0", "cat cat")]),
        ("cat", 0, [positive("d2", "hen")]),
        ("cat", 0, [positive("x", "cat or dog")]),
        ("cat", 0, [positive("x", "nothing")]),
    ).drop_columns(["embedding_query"])
    assert ranks(step, table, docs) == [1, None, 2, None]
    assert reasons(step, table, docs) == [None, *["inconsistent"] * 3]


def test_rankings_are_fused_for_positives_in_the_corpus_and_others() -> None:
    docs = corpus({"d0": ("cat", 40), "d1": ("dog", 0), "d2": ("dog cat", 10), "d3": ("x", 90)})
    step = ConsistencyFilter(corpus="docs", k=2, retrievers=(Dense(), Bm25()))
    table = queries(
        ("cat", 0, [positive("d2", "dog cat")]),
        ("cat", 0, [positive("d0", "cat")]),
        ("cat", 0, [positive("x", "cat", 0.99)]),
        ("cat", 0, [positive("x", "hen", 0.99)]),
        ("cat", 0, [positive("x", "hen")]),
    )
    # d2 is second twice, d0 third and first: 2/62 < 1/63 + 1/61.
    assert ranks(step, table, docs) == [2, 1, 1, 4, None]


def test_without_corpus_or_rows_nothing_breaks() -> None:
    one = queries(("q", 0, [positive("d0", "text 0", 0.5)]))
    assert ranks(STEP, one, DOCS.slice(0, 0)) == [1]
    assert reasons(STEP, queries(("q", 0, [positive("d0", "x")])), DOCS.slice(0, 0)) == [
        "positive_not_in_corpus"
    ]
    words = ConsistencyFilter(corpus="docs", retrievers=(Bm25(),))
    assert ranks(words, one, DOCS.slice(0, 0)) == [None]
    assert ranks(STEP, one.slice(0, 0)) == []
    assert ranks(STEP, one, DOCS.slice(0, 1)) == [1]


def test_a_broken_vector_names_its_row() -> None:
    broken = queries(
        ("q", 0, []), embedding_query=pa.array([[np.nan, 1]], pa.list_(pa.float32(), 2))
    )
    with pytest.raises(EngineError, match="'q0' has no usable vector"):
        ranks(STEP, broken)


def by_brute_force(table: Table, docs: Table) -> list[int | None]:
    own, texts = rows.vectors(table, "embedding_query"), rows.vectors(docs, "embedding_text")
    every = np.tile(np.arange(len(texts)), (len(own), 1))
    scores = products(own, texts, every)
    names, words = docs["id"].to_pylist(), docs["text"].to_pylist()
    found: list[int | None] = []
    for at, entries in enumerate(table["positives"].to_pylist()):
        texts_of = {e["text"] for e in entries}
        known = [place for place, text in enumerate(words) if text in texts_of]
        reached = [scores[at, place] for place in known]
        reached += [e["score"] for e in entries if e["id"] not in names and e["text"] not in words]
        if not reached:
            found.append(None)
            continue
        best = max(reached)
        others = np.delete(scores[at], known)
        found.append(1 + int((others > best).sum()) + math.ceil((others == best).sum() / 2))
    return found


@given(st.integers(0, 10_000))
def test_counted_ranks_are_those_of_brute_force(seed: int) -> None:
    table, docs = drawn(seed)
    assert ranks(STEP, table, docs) == by_brute_force(table, docs)


@given(st.integers(0, 10_000))
def test_a_search_that_sees_everything_gives_the_ranks_that_are_counted(seed: int) -> None:
    table, docs = drawn(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synth.steps.searching.looks_at_all", lambda *_: False)
        searched = ranks(ConsistencyFilter(corpus="docs", k=docs.num_rows), table, docs)
    assert searched == by_brute_force(table, docs)


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_a_search_that_ends_keeps_the_rows_that_counting_keeps(seed: int, k: int) -> None:
    table, docs = drawn(seed)
    # One positive each, without a copy in the corpus.
    docs = docs.filter(
        pa.array(exact_duplicates(docs["text"].combine_chunks(), np.arange(14)) == np.arange(14))
    )
    table = table.filter(pa.array([len(one) == 1 for one in table["positives"].to_pylist()]))
    step = ConsistencyFilter(corpus="docs", k=k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("synth.steps.searching.looks_at_all", lambda *_: False)
        searched = reasons(step, table, docs)
    assert searched == reasons(step, table, docs)


@given(st.integers(0, 10_000), st.integers(1, 13))
def test_a_larger_k_keeps_all_that_a_smaller_one_keeps(seed: int, k: int) -> None:
    table, docs = drawn(seed)
    few, many = (
        reasons(ConsistencyFilter(corpus="docs", k=wide), table, docs) for wide in (k, k + 1)
    )
    assert all(other is None for one, other in zip(few, many, strict=True) if one is None)


@given(st.integers(0, 10_000), st.randoms())
def test_the_order_of_rows_and_corpus_changes_nothing(seed: int, random: Any) -> None:
    table, docs = drawn(seed)
    for retrievers in ((Dense(),), (Bm25(),), (Dense(), Bm25())):
        step = ConsistencyFilter(corpus="docs", k=3, retrievers=retrievers)
        mixed = [random.sample(range(one.num_rows), one.num_rows) for one in (table, docs)]
        again = in_order(step, table.take(mixed[0]), docs.take(mixed[1]))
        assert again.equals(in_order(step, table, docs))


def test_without_ties_the_rank_is_the_one_that_retrieve_tells() -> None:
    table, step = of_rank(2, 5), Retrieve(corpus="docs", k=9, exclude_self=False)
    lists = in_order(step, table, DOCS)["retrieved"].to_pylist()
    told = [
        next(entry["rank"] for entry in entries if entry["id"] == own[0]["id"])
        for entries, own in zip(lists, table["positives"].to_pylist(), strict=True)
    ]
    assert told == ranks(STEP, table) == [2, 5]
