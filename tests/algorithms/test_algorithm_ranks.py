"""Ranks counted out, pools and probabilities: each against the plainest way to say it."""

from __future__ import annotations

import bm25s
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synth.algorithms import ranks
from synth.algorithms.lexical import bm25_index, bm25_scores, bm25_top_k
from synth.algorithms.pooling import pooled
from synth.algorithms.ranks import (
    Counts,
    Lists,
    best_products,
    counts_beside,
    members,
    middle_ranks,
)
from synth.algorithms.scoring import products
from synth.algorithms.soft_labels import softmax_by_row

FEW = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0, 3.0])


def matrix(count: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, (count, 5), elements=FEW)


def lists(*of_queries: list[int]) -> Lists:
    flat = [text for one in of_queries for text in one]
    begins = np.cumsum([0, *(len(one) for one in of_queries)])
    return Lists(np.array(flat, np.int64), np.asarray(begins, np.int64))


@given(matrix(4), matrix(30), arrays(np.float32, 4, elements=st.sampled_from([-3, 0, 0.5, 9])))
def test_counts_are_those_of_every_product(
    queries: np.ndarray, corpus: np.ndarray, scores: np.ndarray
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "_CHUNK", 7)
        found = counts_beside(queries, corpus, scores, memory_mb=0)
    every = products(queries, corpus, np.tile(np.arange(30), (4, 1)))
    assert (found.above == (every > scores[:, None]).sum(axis=1)).all()
    assert (found.equal == (every == scores[:, None]).sum(axis=1)).all()


def test_a_score_that_rounding_moves_is_still_counted_exactly() -> None:
    draw = np.random.default_rng(0)
    corpus = draw.normal(size=(3_000, 384)).astype(np.float32)
    queries = corpus[:40] + np.float32(0.5)
    at = draw.integers(0, 3_000, (40, 1))
    scores = products(queries, corpus, at)[:, 0]
    found = counts_beside(queries, corpus, scores)
    every = products(queries, corpus, np.tile(np.arange(3_000), (40, 1)))
    assert (found.equal >= 1).all()
    assert (found.above == (every > scores[:, None]).sum(axis=1)).all()


def test_nothing_counts_beside_no_score() -> None:
    one = np.ones((1, 2), np.float32)
    found = counts_beside(one, one, np.array([np.nan], np.float32))
    assert (found.above.tolist(), found.equal.tolist()) == ([0], [0])
    assert counts_beside(one, one[:0], np.zeros(1, np.float32)).above.tolist() == [0]


def test_the_best_product_of_several_texts_is_told_with_how_many_have_it() -> None:
    corpus = np.array([[1, 0], [2, 0], [2, 5]], np.float32)
    queries = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    best, count = best_products(queries, corpus, lists([0, 1, 2], [], [0]))
    assert best.tolist()[::2] == [2, 0]
    assert np.isnan(best[1])
    assert count.tolist() == [2, 0, 1]


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_middle_rank_is_as_far_from_the_best_as_from_the_worst(above: int, equal: int) -> None:
    (rank,) = middle_ranks(Counts(np.array([above]), np.array([equal]))).tolist()
    best, worst = 1 + above, 1 + above + equal
    assert best <= rank <= worst
    assert rank - best - (worst - rank) in (0, 1)


def test_members_are_marked_wherever_they_stand() -> None:
    found = np.array([[3, 1, -1], [1, 3, 0]])
    assert members(found, lists([1, 2], [0, 1])).tolist() == [
        [False, True, False],
        [True, False, True],
    ]


WORDS = st.sampled_from(["cat", "Dog", "bird", "fish", "tree", "12"])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(" ".join), min_size=1, max_size=9)


@given(TEXTS, st.lists(WORDS, min_size=1, max_size=4).map(" ".join), st.sampled_from([0.0, 1.2]))
def test_a_text_of_the_corpus_scores_what_it_scores_in_the_index(
    corpus: list[str], query: str, k1: float
) -> None:
    index = bm25_index(pa.array(corpus), k1, 0.6)
    found = bm25_top_k(index, pa.array([query]), len(corpus))
    scores = bm25_scores(index, pa.array([query] * len(corpus)), pa.array(corpus))
    held = found.ids[0][found.ids[0] >= 0]
    assert scores[held] == pytest.approx(found.scores[0][: len(held)], rel=1e-4)
    assert np.isnan(np.delete(scores, held)).all()


def test_a_text_beside_the_corpus_is_measured_by_the_corpus() -> None:
    corpus, text = ["cat dog", "cat", "hen cow hen"], "a cat and a hen"
    index = bm25_index(pa.array(corpus))
    (score,) = bm25_scores(index, pa.array(["cat hen cat"]), pa.array([text])).tolist()
    model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    model.index([one.split() for one in corpus], show_progress=False)
    rarity = {"cat": np.log(1 + 1.5 / 2.5), "hen": np.log(1 + 2.5 / 1.5)}
    saturation = 1.2 * (0.25 + 0.75 * 5 / 2)
    assert score == pytest.approx((2 * rarity["cat"] + rarity["hen"]) / (1 + saturation))
    nothing = bm25_scores(index, pa.array(["cow", "x", None]), pa.array([text, text, text]))
    assert np.isnan(nothing).all()
    empty = bm25_index(pa.array([None], pa.string()))
    assert np.isnan(bm25_scores(empty, pa.array(["cat"]), pa.array([text]))).all()


def in_turn(rankings: list[list[int]], positives: list[int], room: int) -> list[int]:
    """A pool by the words of its definition."""
    pool, left = list(dict.fromkeys(positives)), [list(one) for one in rankings]
    while len(pool) < room and any(left):
        for one in left:
            while one and one[0] in pool:
                one.pop(0)
            if one and len(pool) < room:
                pool.append(one.pop(0))
    return pool


RANKING = st.permutations(range(8)).flatmap(
    lambda order: st.integers(0, 8).map(lambda cut: order[:cut])
)


@given(
    st.lists(st.lists(RANKING, min_size=1, max_size=3), min_size=1, max_size=4).filter(
        lambda queries: len({len(one) for one in queries}) == 1
    ),
    st.integers(1, 9),
    st.data(),
)
def test_pools_take_positives_first_and_then_from_each_ranking_in_turn(
    queries: list[list[list[int]]], room: int, data: st.DataObject
) -> None:
    own = [data.draw(st.lists(st.integers(0, 9), max_size=3)) for _ in queries]
    rankings = [
        np.array([one[place] + [-1] * (8 - len(one[place])) for one in queries])
        for place in range(len(queries[0]))
    ]
    kept = pooled(rankings, lists(*own), room, 10)
    expected = {
        text
        for query, positives in zip(queries, own, strict=True)
        for text in in_turn(query, positives, room)
    }
    assert set(np.flatnonzero(kept).tolist()) == expected


SCORES = st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=6)


@given(st.lists(SCORES, max_size=4), st.floats(0.01, 10))
def test_shares_of_a_row_add_up_and_rise_with_the_scores(
    of_rows: list[list[float]], temperature: float
) -> None:
    scores = np.array([score for one in of_rows for score in one])
    row = np.repeat(np.arange(len(of_rows)), [len(one) for one in of_rows]).astype(np.int64)
    shares = softmax_by_row(scores, row, len(of_rows), temperature)
    assert ((shares >= 0) & (shares <= 1)).all()
    for at, own in enumerate(of_rows):
        mine = shares[row == at]
        assert mine.sum() == pytest.approx(1)
        assert (np.diff(mine[np.argsort(own, kind="stable")]) >= 0).all()


def test_a_temperature_near_zero_leaves_all_to_the_highest() -> None:
    row = np.zeros(3, np.int64)
    assert softmax_by_row(np.array([0.1, 0.3, 0.2]), row, 1, 1e-300).tolist() == [0, 1, 0]
    assert softmax_by_row(np.array([0.3, 0.3, 0.2]), row, 1, 1e-300).tolist() == [0.5, 0.5, 0]
