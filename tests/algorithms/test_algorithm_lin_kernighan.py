from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.graph import Graph, edges_of, symmetric
from synth.algorithms.kernel import Index
from synth.algorithms.lin_kernighan import improve_path
from synth.algorithms.neighbors import Vectors, nearest_others


def drawn(count: int, dim: int, seed: int) -> Vectors:
    found = np.random.default_rng(seed).normal(size=(count, dim))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def on_a_line(count: int) -> Vectors:
    angles = np.arange(count) * 0.05
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def graph_of(vectors: Vectors, k: int) -> Graph:
    return symmetric(edges_of(nearest_others(vectors, k)), len(vectors))


def along(vectors: Vectors, path: Index) -> float:
    return float((vectors[path[1:]] * vectors[path[:-1]]).sum(dtype=np.float64))


@given(
    count=st.integers(1, 40),
    dim=st.integers(1, 6),
    k=st.integers(1, 8),
    kicks=st.integers(0, 40),
    seed=st.integers(0, 99),
    rounded=st.booleans(),
)
def test_a_path_keeps_its_documents_and_never_gets_worse(
    count: int, dim: int, k: int, kicks: int, seed: int, rounded: bool
) -> None:
    vectors = drawn(count, dim, seed)
    if rounded:  # many are equal, and some have no neighbour of positive weight
        vectors = (np.arange(dim) == np.abs(vectors).argmax(1)[:, None]).astype(np.float32)
    graph, path = graph_of(vectors, k), np.random.default_rng(seed).permutation(count)
    given_path = path.copy()
    better = improve_path(graph, vectors, path, kicks)
    assert sorted(better.tolist()) == list(range(count))
    assert along(vectors, better) >= along(vectors, path) - 1e-4
    assert better.tolist() == improve_path(graph, vectors, path, kicks).tolist()
    assert path.tolist() == given_path.tolist()


@pytest.mark.parametrize("seed", range(20))
def test_among_few_documents_the_best_path_of_all_is_found(seed: int) -> None:
    # Cosines above 0: edges that the graph does not have are never worth more than one it has.
    vectors = np.abs(drawn(7, 4, seed))
    best = max(along(vectors, np.array(path)) for path in permutations(range(7)))
    found = improve_path(graph_of(vectors, 6), vectors, np.arange(7), 200)
    assert along(vectors, found) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_kicks_gain_on_what_chains_alone_find(seed: int) -> None:
    vectors = drawn(300, 16, seed)
    graph, path = graph_of(vectors, 10), np.arange(300)
    chains, kicked = (improve_path(graph, vectors, path, kicks) for kicks in (0, 300))
    assert along(vectors, path) < along(vectors, chains) < along(vectors, kicked)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param([0, 1, 2, 3, 8, 7, 6, 5, 4, 9, 10, 11], id="a piece turned round"),
        pytest.param([0, 2, 3, 4, 5, 6, 7, 8, 1, 9, 10, 11], id="a document among strangers"),
        pytest.param([4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11], id="pieces in each other's place"),
    ],
)
def test_what_stands_wrong_on_a_line_is_put_right(path: list[int]) -> None:
    vectors = on_a_line(12)
    found = improve_path(graph_of(vectors, 4), vectors, np.array(path), 0).tolist()
    assert sorted(found) in (found, found[::-1])


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_shortest_paths_stay_whole(count: int) -> None:
    vectors = on_a_line(count).reshape(count, 2)
    graph = (
        graph_of(vectors, 2)
        if count > 1
        else Graph(np.zeros(count + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    )
    found = improve_path(graph, vectors, np.arange(count), 50)
    assert sorted(found.tolist()) == list(range(count))
