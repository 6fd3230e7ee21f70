import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from synth.algorithms.neighbors import Vectors, nearest_others, top_k


def unit_vectors(seed: int, rows: int, dim: int = 8) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(rows, dim))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


def grid_vectors(seed: int, rows: int) -> Vectors:
    """Vectors whose inner products are small whole numbers: many ties, no rounding."""
    drawn = np.random.default_rng(seed).integers(-1, 2, size=(rows, 3)).astype(np.float32)
    drawn[~drawn.any(axis=1)] = 1
    return drawn


def brute_force(
    queries: Vectors, corpus: Vectors, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    scores = queries.astype(np.float64) @ corpus.astype(np.float64).T
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(scores, ids, axis=1)


@given(st.integers(0, 99), st.integers(1, 40), st.integers(1, 60), st.integers(1, 70))
def test_neighbours_are_those_of_brute_force_with_ties_to_the_lower_index(
    seed: int, asked: int, held: int, k: int
) -> None:
    queries, corpus = grid_vectors(seed, asked), grid_vectors(seed + 1, held)
    found = top_k(queries, corpus, k)
    ids, scores = brute_force(queries, corpus, k)
    assert found.ids.tolist() == ids.tolist()
    assert found.scores.tolist() == scores.tolist()


def test_neighbours_of_real_vectors_are_those_of_brute_force() -> None:
    queries, corpus = unit_vectors(0, 50, 384), unit_vectors(1, 2000, 384)
    found = top_k(queries, corpus, 20)
    ids, scores = brute_force(queries, corpus, 20)
    assert (found.ids == ids).all()
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


def test_the_memory_that_is_allowed_changes_not_one_bit() -> None:
    corpus = np.concatenate([unit_vectors(1, 300, 384)] * 3)
    wide, narrow = (top_k(unit_vectors(0, 70, 384), corpus, 25, mb) for mb in (256, 1))
    assert (wide.ids == narrow.ids).all()
    assert (wide.scores == narrow.scores).all()


def test_a_query_gets_the_same_neighbours_alone_and_among_others() -> None:
    queries, corpus = unit_vectors(0, 30, 384), np.concatenate([unit_vectors(1, 90, 384)] * 4)
    together = top_k(queries, corpus, 10)
    for at in range(30):
        alone = top_k(queries[at : at + 1], corpus, 10)
        assert (alone.ids[0] == together.ids[at]).all()
        assert (alone.scores[0] == together.scores[at]).all()


def test_equal_vectors_rank_by_index() -> None:
    corpus = np.ones((500, 4), np.float32)
    assert top_k(corpus[:3], corpus, 5).ids.tolist() == [[0, 1, 2, 3, 4]] * 3


def test_more_neighbours_than_the_corpus_has_give_the_whole_corpus() -> None:
    found = top_k(unit_vectors(0, 2), unit_vectors(1, 3), 10)
    assert sorted(found.ids[0].tolist()) == [0, 1, 2]
    assert top_k(unit_vectors(0, 2), unit_vectors(1, 0), 10).ids.shape == (2, 0)
    assert top_k(unit_vectors(0, 0), unit_vectors(1, 3), 10).ids.shape == (0, 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_vector_without_a_direction_is_named(value: float) -> None:
    vectors = unit_vectors(0, 4)
    broken = vectors.copy()
    broken[2] = value
    with pytest.raises(ValueError, match="corpus vector 2"):
        top_k(vectors, broken, 2)
    with pytest.raises(ValueError, match="query vector 2"):
        top_k(broken, vectors, 2)


def test_vectors_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="queries have 8 dimensions, corpus 4"):
        top_k(unit_vectors(0, 2), unit_vectors(0, 2, dim=4), 1)


@given(st.integers(0, 99), st.integers(0, 30), st.integers(1, 40))
def test_no_vector_is_its_own_neighbour_among_many_equal_ones(seed: int, rows: int, k: int) -> None:
    found = nearest_others(grid_vectors(seed, rows), k)
    assert found.ids.shape == (rows, max(0, min(k, rows - 1)))
    assert not (found.ids == np.arange(rows)[:, None]).any()
    assert (np.diff(found.scores, axis=1) <= 0).all()
