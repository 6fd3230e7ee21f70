from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.graph import edges_of, symmetric
from synth.algorithms.groups import grouped_order
from synth.algorithms.kernel import Index
from synth.algorithms.neighbors import Neighbors, Vectors, nearest_others


def near(vectors: Vectors) -> Neighbors:
    return nearest_others(vectors, 8)


def drawn(count: int, seed: int) -> Vectors:
    draw = np.random.default_rng(seed)
    found = draw.normal(size=(5, 6))[draw.integers(0, 5, count)] + 0.4 * draw.normal(
        size=(count, 6)
    )
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def ordered(vectors: Vectors, tokens: Index, most: int) -> list[int]:
    graph = symmetric(edges_of(near(vectors)), len(vectors))
    return [int(one) for one in grouped_order(graph, vectors, tokens, most, near)]


def groups_of(vectors: Vectors, tokens: Index, most: int) -> set[frozenset[int]]:
    """By the definition: all pairs of neighbours, the most similar first."""
    found = near(vectors)
    pairs = {
        (min(one, other), max(one, other)): score
        for one in range(len(vectors))
        for other, score in zip(found.ids[one].tolist(), found.scores[one].tolist(), strict=True)
        if other >= 0 and score > 0
    }
    group = {one: frozenset([one]) for one in range(len(vectors))}
    for one, other in sorted(pairs, key=lambda pair: (-pairs[pair], pair)):
        both = group[one] | group[other]
        if sum(int(tokens[at]) + 1 for at in both) <= most:
            group |= dict.fromkeys(both, both)
    return set(group.values())


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(0, 120), st.integers(0, 9))
def test_documents_of_a_group_follow_each_other(tokens: list[int], most: int, seed: int) -> None:
    counts, vectors = np.array(tokens, np.int64), drawn(len(tokens), seed)
    order = ordered(vectors, counts, most)
    assert sorted(order) == list(range(len(tokens)))
    for group in groups_of(vectors, counts, most):
        places = sorted(order.index(one) for one in group)
        assert places == list(range(places[0], places[0] + len(group)))


@given(st.integers(2, 25), st.integers(0, 9))
def test_in_a_group_each_document_stands_behind_one_that_it_is_most_like(
    count: int, seed: int
) -> None:
    vectors, counts = drawn(count, seed), np.full(count, 10)
    order = ordered(vectors, counts, 55)
    for group in groups_of(vectors, counts, 55):
        own = vectors[[one for one in order if one in group]]
        cosines = own @ own.T
        for at in range(1, len(group)):
            reached = cosines[at:, :at].max(axis=1)
            assert reached[0] >= reached.max() - 1e-6


def test_any_number_of_documents_may_gather_around_one() -> None:
    # A star: its leaves are like the middle one and not like each other.
    rays = np.eye(5, dtype=np.float32)
    middle = rays.sum(axis=0, keepdims=True)
    others = -np.eye(5, dtype=np.float32)
    vectors = np.concatenate([rays, middle / np.sqrt(5), others]).astype(np.float32)
    order = ordered(vectors, np.full(11, 1), 12)
    places = sorted(order.index(one) for one in range(6))
    assert places == list(range(places[0], places[0] + 6))


def test_a_group_is_beside_one_that_is_like_it() -> None:
    angles = np.radians([0, 3, 90, 93, 20, 23, 110, 113])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    order = ordered(vectors, np.full(8, 10), 22)
    pairs = [{one // 2 for one in pair} for pair in zip(order[::2], order[1::2], strict=True)]
    assert all(len(pair) == 1 for pair in pairs)
    chain = [next(iter(pair)) for pair in pairs]
    assert chain in ([0, 2, 1, 3], [3, 1, 2, 0])
