from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from angles import corpus, drawn, positive, queries
from hypothesis import given
from hypothesis import strategies as st

from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import DownsampleCorpus
from synth.steps.retrievers import Bm25, Dense
from synth.steps.whole import facts_of, in_order

DOCS = corpus(
    {
        "d0": ("cat", 90),
        "d1": ("cat dog", 80),
        "d2": ("hen", 0),
        "d3": ("cow", 5),
        "d4": ("pig", 10),
        "d5": ("fox", 40),
    }
)
ASKED = queries(("cat", 0, [positive("d5", "fox")]))


def kept(step: DownsampleCorpus, asked: Table = ASKED, docs: Table = DOCS) -> list[str]:
    out = in_order(step, docs, asked)
    assert set(out["drop_reason"].to_pylist()) <= {None, "not_pooled"}
    return [row["id"] for row in out.to_pylist() if row["drop_reason"] is None]


def of(room: int, *retrievers: Any) -> DownsampleCorpus:
    return DownsampleCorpus(
        queries="asked", docs_per_query=room, retrievers=retrievers or (Dense(),)
    )


def test_positives_come_first_and_then_each_retriever_in_turn() -> None:
    both = (Dense(), Bm25())
    assert kept(of(1, *both)) == ["d5"]
    assert kept(of(2, *both)) == ["d2", "d5"]
    assert kept(of(3, *both)) == ["d0", "d2", "d5"]
    # Words find no third text: vectors fill the pool.
    assert kept(of(6, *both)) == ["d0", "d1", "d2", "d3", "d4", "d5"]


def test_more_positives_than_a_pool_has_room_for_all_stay() -> None:
    own = [positive(f"d{at}", None) for at in (0, 1, 5)]
    assert kept(of(2), queries(("cat", 0, own))) == ["d0", "d1", "d5"]


def test_the_corpus_is_the_union_of_the_pools() -> None:
    asked = queries(("x", 0, [positive("d2", "hen")]), ("x", 90, [positive("d0", "cat")]))
    assert kept(of(2), asked) == ["d0", "d1", "d2", "d3"]


def test_a_positive_is_known_by_its_text_and_one_that_is_missing_is_counted() -> None:
    asked = queries(("x", 0, [positive("y", "FOX")]), ("x", 0, [positive("z", "no such")]))
    assert kept(of(1), asked) == ["d2", "d5"]
    assert facts_of(in_order(of(1), DOCS, asked)) == {
        "search dense": "exact, recall 1.000",
        "kept of the corpus": "2 of 6 (33.3%)",
        "queries with a positive that the corpus lacks": "1 of 2",
    }


def test_without_queries_nothing_is_pooled_and_without_a_corpus_nothing_breaks() -> None:
    assert kept(of(3), ASKED.slice(0, 0)) == []
    assert kept(of(3), ASKED, DOCS.slice(0, 0)) == []
    assert kept(of(3, Bm25()), ASKED, DOCS.slice(0, 0)) == []
    assert kept(of(3), ASKED, DOCS.slice(2, 1)) == ["d2"]


def test_vectors_of_two_encoders_are_refused() -> None:
    wide = ASKED.set_column(
        3, "embedding_query", pa.array([[1.0, 0, 0]], pa.list_(pa.float32(), 3))
    )
    with pytest.raises(RecipeError, match="embed both with one encoder"):
        kept(of(3), wide)


@given(st.integers(0, 10_000), st.integers(1, 13), st.randoms())
def test_a_larger_pool_holds_a_smaller_one_in_any_order(seed: int, room: int, random: Any) -> None:
    asked, docs = drawn(seed)
    step, wider = of(room, Dense(), Bm25()), of(room + 1, Dense(), Bm25())
    found = kept(step, asked, docs)
    assert set(found) <= set(kept(wider, asked, docs))
    mixed = [random.sample(range(one.num_rows), one.num_rows) for one in (asked, docs)]
    assert kept(step, asked.take(mixed[0]), docs.take(mixed[1])) == found
    names = set(docs["id"].to_pylist())
    own = {one["id"] for entries in asked["positives"].to_pylist() for one in entries}
    assert own & names <= set(found)
