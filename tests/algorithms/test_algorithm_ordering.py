from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.algorithms.clusters import centroids, chained, cluster_order, nearest, shares
from synth.algorithms.graph import edges_of, symmetric
from synth.algorithms.neighbors import Vectors, nearest_others, top_k
from synth.algorithms.order_figures import Figures, Spread, figures, window_cosines
from synth.algorithms.ordering import Documents, Rule, ordered
from synth.algorithms.semantic import semantic_duplicates
from synth.algorithms.similar_copies import distinct
from synth.algorithms.spans import Spans


def unit(found: np.ndarray) -> Vectors:
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def drawn(count: int, seed: int, topics: int = 6, dim: int = 6, spread: float = 0.3) -> Vectors:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(topics, dim))
    return unit(centers[rng.integers(0, topics, count)] + spread * rng.normal(size=(count, dim)))


@given(
    count=st.integers(1, 60),
    seed=st.integers(0, 30),
    k=st.integers(1, 6),
    threshold=st.sampled_from([0.8, 0.9, 0.97, 1.0]),
    first=st.sampled_from(["lowest", "random"]),
)
def test_copies_are_those_that_a_comparison_of_all_pairs_finds(
    count: int, seed: int, k: int, threshold: float, first: str
) -> None:
    vectors = drawn(count, seed)
    vectors[::5] = vectors[0]
    order = np.arange(count)
    if first == "random":
        order = np.random.default_rng(seed).permutation(count)
    found = distinct(vectors, k, order, threshold, top_k)
    products = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    kept = found.kept
    for one in np.flatnonzero(found.of >= 0):
        assert found.of[found.of[one]] < 0
        assert products[one, found.of[one]] >= threshold - 1e-5
        assert abs(min(1, products[one, found.of[one]]) - found.cosine[one]) < 1e-5
    between = products[np.ix_(kept, kept)] - np.eye(len(kept)) * 3
    assert between.size == 0 or between.max() < threshold + 1e-5
    assert (found.cosine[kept] == 0).all()


@given(count=st.integers(1, 40), seed=st.integers(0, 20), k=st.integers(1, 5))
def test_neighbours_of_what_stays_are_the_nearest_of_what_stays(
    count: int, seed: int, k: int
) -> None:
    vectors = drawn(count, seed, spread=0.1)
    found = distinct(vectors, k, np.arange(count), 0.95, top_k)
    expected = nearest_others(vectors[found.kept], k)
    shown = found.neighbors.scores[:, : expected.scores.shape[1]]
    assert found.neighbors.ids.shape[0] == len(found.kept)
    np.testing.assert_allclose(shown, expected.scores, atol=1e-6)


def test_the_copy_that_is_visited_first_stays_whatever_its_place() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), 50, axis=0)
    order = np.concatenate([[77, 33], np.setdiff1d(np.arange(100), [77, 33])])
    found = distinct(vectors, 3, order, 0.99, top_k)
    assert found.kept.tolist() == [33, 77]
    assert set(found.of[:50].tolist()) == {33, -1}


def test_copies_are_those_of_semantic_dedup() -> None:
    vectors = drawn(400, 1, topics=40, spread=0.2)
    order = np.random.default_rng(2).permutation(400)
    expected = semantic_duplicates(vectors, order, 0.96)
    found = distinct(vectors, 8, order, 0.96, top_k)
    assert (found.of < 0).tolist() == (expected.of < 0).tolist()
    assert 100 < len(found.kept) < 390


@pytest.mark.parametrize("dim", [16, 64, 384, 1024])
def test_equal_vectors_are_copies_at_a_threshold_of_one(dim: int) -> None:
    vectors = np.repeat(unit(np.random.default_rng(dim).normal(size=(100, dim))), 3, axis=0)
    order = np.random.default_rng(1).permutation(300)
    assert len(distinct(vectors, 5, order, 1.0, top_k).kept) == 100
    assert (semantic_duplicates(vectors, order, 1.0).of < 0).sum() == 100


def test_nothing_is_a_copy_where_that_is_switched_off() -> None:
    found = distinct(np.ones((5, 1), np.float32), 2, np.arange(5), None, top_k)
    assert found.kept.tolist() == [0, 1, 2, 3, 4]


@settings(max_examples=25)
@given(count=st.integers(1, 50), clusters=st.integers(1, 12), seed=st.integers(0, 5))
def test_an_order_by_clusters_holds_every_document_once_and_no_cluster_twice(
    count: int, clusters: int, seed: int
) -> None:
    vectors = drawn(count, seed)
    order = cluster_order(vectors, clusters, seed)
    assert sorted(order.tolist()) == list(range(count))
    of = nearest(vectors, centroids(vectors, clusters, seed))[order]
    runs = 1 + int((np.diff(of) != 0).sum())
    assert runs == len(set(of.tolist()))


def test_clusters_are_the_topics_of_documents() -> None:
    rng = np.random.default_rng(0)
    topics = np.arange(300) % 5
    vectors = unit(np.eye(5)[topics] + 0.1 * rng.normal(size=(300, 5)))
    of = nearest(vectors, centroids(vectors, 40, 1))
    assert all(len(set(topics[of == one])) == 1 for one in set(of.tolist()))


def test_chained_centroids_are_each_there_once() -> None:
    for count in (1, 2, 3, 30):
        order = chained(drawn(count, 4))
        assert sorted(order.tolist()) == list(range(count))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 40))
def test_shares_are_consecutive_and_hold_about_as_many(sizes: list[int], most: int) -> None:
    found = shares(np.array(sizes), most)
    assert (np.diff(found) >= 0).all()
    loads = np.bincount(found, sizes)
    assert (loads > 0).all() or not any(sizes)
    assert loads.max() <= most + 2 * max(sizes)


def spread(values: list[float], weights: list[float] | None = None) -> Spread:
    return Spread.of(np.array(values), np.array(weights or [1.0] * len(values)))


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=30),
    st.lists(st.floats(-1, 1), max_size=30),
)
def test_spreads_add_up(one: list[float], other: list[float]) -> None:
    both, joint = spread(one) + spread(other), spread(one + other)
    assert both.mean == pytest.approx(joint.mean)
    assert both.mean == pytest.approx(float(np.mean(one + other)))
    assert both.quantile(0.5) == joint.quantile(0.5)
    exact = np.quantile(one + other, [0.1, 0.9], method="inverted_cdf")
    assert joint.quantile(0.1) == pytest.approx(exact[0], abs=2e-3)
    assert joint.quantile(0.9) == pytest.approx(exact[1], abs=2e-3)


def test_a_spread_weighs_its_values_and_leaves_out_what_is_none() -> None:
    found = spread([0.0, 1.0, np.nan], [1, 3, 9])
    assert found.mean == 0.75
    assert np.isnan(spread([]).mean)
    assert np.isnan(spread([]).quantile(0.5))


def test_the_cosine_within_a_window_is_the_mean_over_pairs_of_its_tokens() -> None:
    vectors = unit(np.array([[1.0, 0], [1, 1], [0, 1]]))
    spans = Spans(
        np.array([0, 0, 0, 1]),
        np.array([0, 1, 2, 1]),
        np.array([0, 0, 0, 1]),
        np.array([1, 1, 2, 9]),
    )
    half = np.sqrt(0.5)
    expected = (1 * 1 * half + 1 * 2 * 0 + 1 * 2 * half) / (1 + 2 + 2)
    found = window_cosines(spans, vectors)
    assert found[0] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(found[1])


def test_figures_of_an_order_count_jumps_windows_and_sources() -> None:
    vectors = unit(np.array([[1.0, 0.1], [1, 0], [0.1, 1], [0, 1]]))
    graph = symmetric(edges_of(nearest_others(vectors, 1)), 4)
    spans = Spans(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), np.zeros(4, int), np.full(4, 5))
    found = figures(np.arange(4), vectors, graph, spans, np.array([7, 7, 7, 8]))
    assert (found.documents, found.jumps, found.windows, found.parts) == (4, 1, 2, 4)
    assert (found.one_source, found.several) == (1, 2)
    assert found.adjacent.weights.sum() == 3
    assert found.within.mean == pytest.approx(1 / np.sqrt(1.01), abs=1e-6)
    twice: Figures = found + found
    assert twice.jumps == 2
    assert twice.within.mean == pytest.approx(found.within.mean)


RULES: list[dict[str, Any]] = [
    {"objective": "path"},
    {"objective": "path", "method": "paper"},
    {"objective": "window"},
    {"objective": "window", "overflow": "own_window"},
    {"objective": "window", "overflow": "truncate"},
    {"objective": "cluster"},
    {"objective": "cluster", "clusters": 3},
    {"objective": "random"},
    {"objective": "knn"},
]


@pytest.mark.parametrize("rule", RULES, ids=str)
@settings(max_examples=15)
@given(count=st.integers(0, 40), seed=st.integers(0, 10), copies=st.booleans())
def test_an_order_holds_what_stays_once_and_is_the_same_each_time(
    rule: dict[str, Any], count: int, seed: int, copies: bool
) -> None:
    vectors = drawn(count, seed)
    if copies:
        vectors[: count // 2] = vectors[: count // 2][:1]
    tokens = np.random.default_rng(seed).integers(1, 90, count)
    documents = Documents(vectors, np.arange(count), tokens, np.arange(count) % 3)
    asked = Rule(window_tokens=64, neighbors=4, dedup_cosine=0.99, **rule)
    found = ordered(documents, asked)
    assert sorted(found.order.tolist()) == np.flatnonzero(found.of < 0).tolist()
    assert ordered(documents, asked).order.tolist() == found.order.tolist()
    assert found.after.documents == found.before.documents == len(found.order)
    if rule["objective"] not in ("window", "knn"):
        assert found.spans is None
        return
    assert found.spans is not None
    assert set(found.spans.documents.tolist()) <= set(found.order.tolist())
    loads = np.bincount(found.spans.windows, found.spans.tokens + 1, 1) - 1
    assert loads.max() <= 64
    if rule["objective"] == "window":
        expected = np.minimum(tokens, 64) if rule.get("overflow") == "truncate" else tokens
        held = np.bincount(found.spans.documents, found.spans.tokens, count)
        assert held[found.order].tolist() == expected[found.order].tolist()


def test_an_order_for_windows_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="'window' takes tokens"):
        ordered(Documents(drawn(3, 0), np.arange(3)), Rule(objective="window"))


def test_windows_are_more_similar_than_paths_and_paths_than_clusters_and_chance() -> None:
    vectors = drawn(800, 5, topics=60, dim=32, spread=0.8)
    tokens = np.random.default_rng(5).integers(50, 200, 800)
    documents = Documents(vectors, np.arange(800), tokens)
    found = {
        str(rule): ordered(documents, Rule(window_tokens=1024, **rule)).after
        for rule in RULES
        if rule.get("overflow") is None and rule.get("clusters") is None
    }
    window, path, paper, cluster, random = (
        found[str(rule)]
        for rule in (RULES[2], RULES[0], RULES[1], {"objective": "cluster"}, RULES[7])
    )
    within = [one.within.mean for one in (window, path, cluster, random)]
    assert within == sorted(within, reverse=True)
    adjacent = [one.adjacent.mean for one in (path, paper, cluster, random)]
    assert adjacent == sorted(adjacent, reverse=True)
    assert path.jumps < cluster.jumps


def test_an_approximate_search_tells_what_it_found() -> None:
    vectors = drawn(12_000, 3, topics=300, dim=16, spread=0.6)
    rule = Rule(search="approximate", recall=0.9, neighbors=8, dedup_cosine=0.995)
    found = ordered(Documents(vectors, np.arange(12_000)), rule)
    assert "cells looked at" in found.searched
    assert 0.9 <= found.recall <= 1
    assert sorted(found.order.tolist()) == np.flatnonzero(found.of < 0).tolist()
    assert found.after.adjacent.mean > 0.5 + found.before.adjacent.mean
