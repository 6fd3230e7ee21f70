"""Searches: rough products find what float32 finds, BM25 ranks as bm25s, fusion is by ranks."""

from __future__ import annotations

import bm25s
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from synth.algorithms import neighbors, rough_products
from synth.algorithms.approximate import search
from synth.algorithms.copy_screen import may_be_copies, near_copies, word_sets
from synth.algorithms.directions import principal_directions
from synth.algorithms.fuzzy import copy_ratio
from synth.algorithms.lexical import bm25_index, bm25_top_k, tokens
from synth.algorithms.mining import allowed, first_places, fused, places_of
from synth.algorithms.neighbors import Neighbors, Vectors, top_k
from synth.algorithms.rough_products import candidates
from synth.algorithms.scoring import best, products

DIM = 48


def vectors(seed: int, count: int, dim: int = DIM, topics: int = 20) -> Vectors:
    """Unit vectors around a few centres, as embeddings are."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(topics, dim))
    made = centres[draw.integers(0, topics, count)] + draw.normal(size=(count, dim))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


@pytest.fixture(params=[True, False], ids=["bfloat16", "float32"])
def multiplied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to multiply, whichever this machine would take."""
    monkeypatch.setattr(rough_products, "half_is_faster", lambda: request.param)


def by_rough(queries: Vectors, corpus: Vectors, k: int) -> tuple[Neighbors, np.ndarray]:
    among = candidates(queries, corpus, k, 64)
    shape = (len(queries), k)
    found = Neighbors(np.full(shape, -1, np.int64), np.zeros(shape, np.float32))
    best(queries, corpus, among.ids, among.counts, k, found.ids, found.scores)
    return found, among.counts


@pytest.mark.usefixtures("multiplied")
@pytest.mark.parametrize("scale", [1.0, -1.0, 30.0, 1e-3])
def test_rough_products_find_just_what_float32_finds(scale: float) -> None:
    queries, corpus = vectors(0, 90), vectors(1, 20_000) * np.float32(scale)
    found, counts = by_rough(queries, corpus, 40)
    expected = top_k(queries, corpus, 40)
    assert (counts >= 40).all()
    assert (found.ids == expected.ids).all()
    assert (found.scores == expected.scores).all()


@pytest.mark.usefixtures("multiplied")
def test_hundreds_of_equals_are_left_to_float32() -> None:
    corpus = np.concatenate([vectors(1, 3_000), np.repeat(vectors(2, 1), 3_000, axis=0)])
    found, counts = by_rough(corpus[-1:], corpus, 10)
    assert counts.tolist() == [-1]
    assert found.ids.tolist() == [[-1] * 10]


@pytest.mark.usefixtures("multiplied")
def test_a_large_search_takes_rough_products_and_gives_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queries, corpus = vectors(0, 50), vectors(1, 9_000)
    corpus[5_000:8_000] = corpus[4_999]
    expected = top_k(queries, corpus, 25)
    monkeypatch.setattr(neighbors, "_MANY_PRODUCTS", 1)
    found = top_k(queries, corpus, 25)
    assert (found.ids == expected.ids).all()
    assert (found.scores == expected.scores).all()


def test_principal_directions_are_orthogonal_and_the_strongest_come_first() -> None:
    corpus = vectors(0, 2_000)
    found = principal_directions(corpus)
    assert np.allclose(found.T @ found, np.eye(DIM), atol=1e-5)
    strength = np.square(corpus @ found).sum(axis=0)
    assert (np.diff(strength) <= 1e-3).all()


def test_products_are_nan_where_there_is_no_text() -> None:
    one = vectors(0, 2)
    found = products(one, one, np.array([[0, -1], [1, 0]]))
    assert np.isnan(found[0, 1])
    assert found[1, 0] == pytest.approx(1, abs=1e-6)


def test_an_approximate_search_reaches_its_recall_and_says_so() -> None:
    queries, corpus = vectors(0, 300), vectors(1, 12_000)
    exact = search(queries, corpus, 20, "exact")
    found = search(queries, corpus, 20, "approximate", 0.9)
    assert exact.recall == 1
    assert 0.9 <= found.recall < 1
    assert "cells" in found.how
    hits = [len(set(a) & set(b)) for a, b in zip(found.found.ids, exact.found.ids, strict=True)]
    assert sum(hits) / exact.found.ids.size == pytest.approx(found.recall, abs=0.05)
    same = found.found.ids == exact.found.ids
    assert (found.found.scores[same] == exact.found.scores[same]).all()


WORDS = st.sampled_from(["cat", "Dog", "bird", "fish", "tree", "12", "été", "der", "ÜBER"])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=12).map(" ".join), min_size=1, max_size=12)


@given(TEXTS, TEXTS)
def test_bm25_scores_are_those_of_bm25s(corpus: list[str], queries: list[str]) -> None:
    found = bm25_top_k(bm25_index(pa.array(corpus)), pa.array(queries), len(corpus))
    model = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    words = [text.casefold().split() for text in corpus]
    model.index(words, show_progress=False)
    for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
        asked = [word for word in query.casefold().split() if word in model.vocab_dict]
        expected = model.get_scores(asked) if asked else np.zeros(len(corpus))
        held = ids[ids >= 0]
        assert sorted(held) == np.flatnonzero(expected > 0).tolist()
        assert scores[: len(held)] == pytest.approx(expected[held], rel=1e-4)
        assert (np.diff(scores[: len(held)]) <= 0).all()


def test_scripts_without_spaces_are_words_of_two_characters() -> None:
    found = tokens(pa.array(["日本語 abc", "日本", "本語", "語", "ABC!", None]))
    whole = found.of(0).tolist()
    assert whole[:2] == [*found.of(1).tolist(), *found.of(2).tolist()]
    assert whole[2:] == found.of(4).tolist()
    assert len(found.of(3)) == 1
    assert len(found.of(5)) == 0


def test_texts_without_a_word_of_the_query_are_not_found() -> None:
    index = bm25_index(pa.array(["a b", "c d", None, ""]))
    assert bm25_top_k(index, pa.array(["c", "x", None]), 2).ids.tolist() == [
        [1, -1],
        [-1, -1],
        [-1, -1],
    ]
    assert bm25_top_k(bm25_index(pa.array([None], pa.string())), pa.array(["c"]), 2).ids.size == 0


def ranking(*ids: list[int]) -> Neighbors:
    found = np.array(ids)
    return Neighbors(found, np.zeros(found.shape, np.float32))


def test_fusion_sums_reciprocal_ranks() -> None:
    found = fused([ranking([3, 1, 2]), ranking([1, 4, -1])], 5)
    assert found.ids.tolist() == [[1, 3, 4, 2, -1, -1]]
    assert found.scores[0, 0] == pytest.approx(1 / 62 + 1 / 61)
    assert found.scores[0, 1] == pytest.approx(1 / 61)


def test_places_are_those_of_a_ranking() -> None:
    found = places_of(ranking([3, 1, 2], [0, 4, -1]), np.array([[2, 5, -1], [-1, 0, 1]]))
    assert found.tolist() == [[2, -1, -1], [-1, 0, -1]]


def test_what_is_banned_or_equal_to_one_before_is_not_allowed() -> None:
    groups = np.array([0, 1, 2, 1, 4])
    ids = np.array([[0, 1, 3, 2, -1], [4, 3, 2, 1, 0]])
    excluded = np.zeros(ids.shape, np.bool_)
    excluded[1, 0] = True
    found = allowed(ids, groups, np.array([0, 2]), np.array([0, 1, 2]), excluded)
    assert found.tolist() == [[False, True, False, True, False], [False, True, False, False, True]]
    assert first_places(found, 3).tolist() == [[1, 3, -1], [1, 4, -1]]


SENTENCE = st.lists(
    st.sampled_from(
        ["the", "cat", "sat", "on", "a", "mat", "mats", "matting", "été", "日本語", "x"]
    ),
    max_size=9,
).map(" ".join)


@given(st.lists(SENTENCE, min_size=1, max_size=6), st.sampled_from([50.0, 80.0, 95.0, 100.0]))
def test_no_near_copy_escapes_the_screen(texts: list[str], ratio: float) -> None:
    array = pa.array(texts)
    one, other = (part.ravel() for part in np.indices((len(texts), len(texts))))
    sets = word_sets(array)
    screened = may_be_copies(sets, one, sets, other, ratio)
    found = near_copies(array, one, array, other, ratio)
    for at in range(len(one)):
        is_copy = copy_ratio(texts[one[at]], texts[other[at]]) >= ratio
        assert found[at] == is_copy
        assert screened[at] or not is_copy


def test_the_screen_leaves_few_strangers() -> None:
    draw = np.random.default_rng(0)
    letters = list("etaoinshrdlcumwfgypbvk")
    words = ["".join(draw.choice(letters, draw.integers(2, 9))) for _ in range(3_000)]
    texts = pa.array([" ".join(draw.choice(words, 120)) for _ in range(100)])
    one, other = np.triu_indices(100, 1)
    sets = word_sets(texts)
    assert may_be_copies(sets, one, sets, other, 95).mean() < 0.01
    assert fuzz.token_set_ratio("a b", "b a") == 100
