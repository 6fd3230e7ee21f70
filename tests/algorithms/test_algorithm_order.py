import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from synth.algorithms.neighbors import nearest_others
from synth.algorithms.order import Indices, walk

Graph = tuple[Indices, NDArray[np.float32]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Neighbours with few different weights, some of them zero or negative: many ties."""
    count = draw(st.integers(0, 9))
    k = draw(st.integers(0, 4)) if count else 0
    node, weight = st.integers(0, max(0, count - 1)), st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.75])
    ids = [draw(st.lists(node, min_size=k, max_size=k)) for _ in range(count)]
    weights = [draw(st.lists(weight, min_size=k, max_size=k)) for _ in range(count)]
    return np.array(ids, np.int64).reshape(count, k), np.array(weights, np.float32).reshape(
        count, k
    )


def greedy(ids: Indices, weights: NDArray[np.float32]) -> list[int]:
    """The paper's walk as it reads: everything looked for anew at every move."""
    count = len(ids)
    edges: dict[frozenset[int], float] = {}
    for one in range(count):
        for other, weight in zip(ids[one].tolist(), weights[one].tolist(), strict=True):
            if one != other and weight > 0:
                pair = frozenset((one, other))
                edges[pair] = max(weight, edges.get(pair, 0))
    degree = [sum(at in pair for pair in edges) for at in range(count)]
    path: list[int] = []
    left = set(range(count))
    while left:
        near = [at for at in left if path and frozenset((path[-1], at)) in edges]
        if near:
            at = min(near, key=lambda at: (-edges[frozenset((path[-1], at))], at))
        else:
            at = min(left, key=lambda at: (degree[at], at))
        path.append(at)
        left.remove(at)
    return path


@given(graphs())
def test_the_walk_is_that_of_the_paper(graph: Graph) -> None:
    assert walk(*graph).tolist() == greedy(*graph)


@given(graphs())
def test_every_document_is_visited_exactly_once(graph: Graph) -> None:
    assert sorted(walk(*graph).tolist()) == list(range(len(graph[0])))


def test_documents_about_one_topic_stand_together() -> None:
    rng = np.random.default_rng(0)
    topics = np.arange(200) % 8
    vectors = np.eye(8)[topics] + rng.normal(scale=0.1, size=(200, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    found = nearest_others(vectors, 10)
    path = walk(found.ids, found.scores)
    ordered, shuffled = vectors[path], vectors[rng.permutation(200)]
    assert (ordered[1:] * ordered[:-1]).sum(axis=1).mean() > 0.8
    assert (shuffled[1:] * shuffled[:-1]).sum(axis=1).mean() < 0.3
