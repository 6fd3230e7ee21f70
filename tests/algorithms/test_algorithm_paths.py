from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.graph import Edges, Graph, edges_of, symmetric
from synth.algorithms.kernel import Index
from synth.algorithms.lin_kernighan import improve_path
from synth.algorithms.neighbors import Neighbors, Vectors, nearest_others
from synth.algorithms.paths import edge_path, paper_path


@st.composite
def neighbors(draw: st.DrawFn) -> Neighbors:
    """Neighbours with few different weights, some zero or negative: many ties."""
    count = draw(st.integers(0, 9))
    k = draw(st.integers(0, 4)) if count else 0
    node, weight = st.integers(-1, max(0, count - 1)), st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.75])
    ids = [draw(st.lists(node, min_size=k, max_size=k)) for _ in range(count)]
    weights = [draw(st.lists(weight, min_size=k, max_size=k)) for _ in range(count)]
    return Neighbors(
        np.array(ids, np.int64).reshape(count, k), np.array(weights, np.float32).reshape(count, k)
    )


def pairs(found: Neighbors) -> dict[frozenset[int], float]:
    """The weight of each pair, looked up one by one."""
    edges: dict[frozenset[int], float] = {}
    for one in range(len(found.ids)):
        for other, weight in zip(found.ids[one].tolist(), found.scores[one].tolist(), strict=True):
            if other not in (one, -1) and weight > 0:
                pair = frozenset((one, other))
                edges[pair] = max(weight, edges.get(pair, 0))
    return edges


def papers_walk(found: Neighbors) -> list[int]:
    """The paper's walk as it reads: everything looked for anew at every move."""
    edges = pairs(found)
    path: list[int] = []
    left = set(range(len(found.ids)))
    while left:
        near = [at for at in left if path and frozenset((path[-1], at)) in edges]
        if near:
            at = min(near, key=lambda at: (-edges[frozenset((path[-1], at))], at))
        else:
            degree = {at: sum(at in pair and pair <= left for pair in edges) for at in left}
            at = min(left, key=lambda at: (degree[at], at))
        path.append(at)
        left.remove(at)
    return path


def graph_of(found: Neighbors) -> Graph:
    return symmetric(edges_of(found), len(found.ids))


def near(vectors: Vectors) -> Neighbors:
    return nearest_others(vectors, 5)


def path_of(vectors: Vectors, k: int = 5) -> Index:
    return edge_path(graph_of(nearest_others(vectors, k)), vectors, near)


def drawn(count: int, dim: int, seed: int = 0, topics: int | None = None) -> Vectors:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(count, dim))
    if topics is not None:
        found = rng.normal(size=(topics, dim))[rng.integers(0, topics, count)] + 0.6 * found
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def along(vectors: Vectors, path: Index) -> float:
    return float((vectors[path[1:]] * vectors[path[:-1]]).sum())


@given(neighbors())
def test_a_graph_has_each_pair_in_both_rows_with_its_larger_weight_nearest_first(
    found: Neighbors,
) -> None:
    graph, edges = graph_of(found), pairs(found)
    for one in range(len(found.ids)):
        row = slice(graph.starts[one], graph.starts[one + 1])
        others, weights = graph.targets[row].tolist(), graph.weights[row].tolist()
        expected = {
            next(iter(pair - {one})): weight for pair, weight in edges.items() if one in pair
        }
        assert dict(zip(others, weights, strict=True)) == expected
        assert others == sorted(others, key=lambda other: (-expected[other], other))


@given(neighbors())
def test_the_papers_walk_is_that_of_the_paper(found: Neighbors) -> None:
    assert paper_path(graph_of(found)).tolist() == papers_walk(found)


@given(
    count=st.integers(1, 40),
    dim=st.integers(1, 4),
    seed=st.integers(0, 50),
    rounded=st.booleans(),
)
def test_every_document_is_visited_exactly_once(
    count: int, dim: int, seed: int, rounded: bool
) -> None:
    vectors = drawn(count, dim, seed)
    if rounded:  # many are equal, and some have no neighbour of positive weight
        vectors = np.where(np.arange(dim) == np.abs(vectors).argmax(1)[:, None], 1, 0)
        vectors = vectors.astype(np.float32)
    path = path_of(vectors)
    assert sorted(path.tolist()) == list(range(count))
    assert path.tolist() == path_of(vectors).tolist()


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_copies_of_one_vector_are_one_path(count: int) -> None:
    vectors = np.full((count, 3), 3**-0.5, np.float32)
    nothing = Neighbors(np.zeros((0, 0), np.int64), np.zeros((0, 0), np.float32))
    graph = graph_of(nearest_others(vectors, 5) if count else nothing)
    assert sorted(edge_path(graph, vectors, near).tolist()) == list(range(count))
    assert sorted(paper_path(graph).tolist()) == list(range(count))


def test_documents_without_a_neighbour_are_joined_all_the_same() -> None:
    no_edges = Edges(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.float32))
    vectors = drawn(30, 8)
    path = edge_path(symmetric(no_edges, 30), vectors, near)
    assert sorted(path.tolist()) == list(range(30))
    assert along(vectors, path) > along(vectors, np.arange(30))
    assert paper_path(symmetric(no_edges, 30)).tolist() == list(range(30))


@pytest.mark.parametrize("seed", range(5))
def test_a_path_of_heavy_edges_is_more_similar_than_the_papers(seed: int) -> None:
    vectors = drawn(600, 16, seed, topics=30)
    graph = graph_of(nearest_others(vectors, 10))
    path = edge_path(graph, vectors, lambda ends: nearest_others(ends, 10))
    assert along(vectors, path) > 1.02 * along(vectors, paper_path(graph))


def test_on_a_line_documents_stand_in_its_order() -> None:
    angles = np.random.default_rng(1).permutation(40) * 0.02
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    places = angles[path_of(vectors)]
    assert (np.diff(places) > 0).all() or (np.diff(places) < 0).all()


def on_a_line(count: int) -> Vectors:
    angles = np.arange(count) * 0.05
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


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
    graph, path = (
        graph_of(nearest_others(vectors, k)),
        np.random.default_rng(seed).permutation(count),
    )
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
    found = improve_path(graph_of(nearest_others(vectors, 6)), vectors, np.arange(7), 200)
    assert along(vectors, found) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_kicks_gain_on_what_chains_alone_find(seed: int) -> None:
    vectors = drawn(300, 16, seed)
    graph, path = graph_of(nearest_others(vectors, 10)), np.arange(300)
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
    found = improve_path(graph_of(nearest_others(vectors, 4)), vectors, np.array(path), 0).tolist()
    assert sorted(found) in (found, found[::-1])


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_the_shortest_paths_stay_whole(count: int) -> None:
    vectors = on_a_line(count).reshape(count, 2)
    graph = (
        graph_of(nearest_others(vectors, 2))
        if count > 1
        else Graph(np.zeros(count + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))
    )
    found = improve_path(graph, vectors, np.arange(count), 50)
    assert sorted(found.tolist()) == list(range(count))
