"""TTE depth and Q against their definitions, pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synth.algorithms.depth import (
    Depths,
    Distance,
    Vectors,
    depth,
    mean_cosine,
    own_depth,
    rank_sum_p,
    shift,
)

DISTANCES: tuple[Distance, ...] = ("cosine", "chord")
sizes = st.integers(2, 12)


def unit(number: int, seed: int, towards: float = 0.3) -> Vectors:
    found = np.random.default_rng(seed).standard_normal((number, 5)) + towards
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def by_definition(points: Vectors, reference: Vectors, distance: Distance, *, own: bool) -> Depths:
    found = []
    for at, x in enumerate(points.astype(np.float64)):
        others = [
            h for other, h in enumerate(reference.astype(np.float64)) if not own or other != at
        ]
        far = [1 - x @ h if distance == "cosine" else np.linalg.norm(x - h) for h in others]
        found.append(2 - np.mean(far))
    return np.array(found)


@pytest.mark.parametrize("distance", DISTANCES)
@given(m=sizes, n=sizes, seed=st.integers(0, 99))
def test_depth_is_two_less_the_mean_distance(distance: Distance, m: int, n: int, seed: int) -> None:
    points, reference = unit(m, seed), unit(n, seed + 1)
    expected = by_definition(points, reference, distance, own=False)
    assert depth(points, reference, distance) == pytest.approx(expected, abs=1e-5)
    alone = by_definition(reference, reference, distance, own=True)
    # The chord of a vector with itself is the root of a rounding error, and not 0.
    assert own_depth(reference, distance) == pytest.approx(alone, abs=1e-3)


@given(n=sizes, seed=st.integers(0, 99))
def test_collections_of_one_size_are_not_mixed_up(n: int, seed: int) -> None:
    """The published code averages over the wrong axis where both are of one size."""
    points, reference = unit(n, seed), unit(n, seed + 1)
    one_more = np.concatenate([points, points[:1]])
    assert depth(points, reference) == pytest.approx(depth(one_more, reference)[:n])


@pytest.mark.parametrize("distance", DISTANCES)
def test_the_order_of_texts_changes_no_depth(distance: Distance) -> None:
    points, reference = unit(20, 0), unit(30, 1)
    order = np.random.default_rng(2).permutation(20)
    turned = depth(points[order], reference[::-1], distance)
    assert turned == pytest.approx(depth(points, reference, distance)[order])


@given(m=sizes, n=sizes, seed=st.integers(0, 99))
def test_q_counts_pairs_of_one_text_of_each(m: int, n: int, seed: int) -> None:
    """The published code compares the second with all ranks, which pulls Q towards a half."""
    draw = np.random.default_rng(seed)
    first, second = (draw.integers(0, 6, size) / 6 for size in (n, m))
    pairs = [x <= y for x in first for y in second]
    assert shift(first, second).q == pytest.approx(np.mean(pairs))


@given(m=sizes, n=sizes, seed=st.integers(0, 99))
def test_the_rank_sum_test_is_that_of_scipy(m: int, n: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    low, high = (draw.integers(0, 6, size) / 6 for size in (m, n))
    if len({*low, *high}) == 1:
        assert rank_sum_p(low, high) == 0.5
        return
    told = stats.mannwhitneyu(high, low, alternative="greater", method="asymptotic")
    assert rank_sum_p(low, high) == pytest.approx(told.pvalue)


def test_texts_of_one_kind_have_a_q_of_a_half_and_others_less() -> None:
    source, alike, far = unit(400, 0, 1.0), unit(400, 1, 1.0), unit(400, 2, 0.0)
    own = own_depth(source)
    same, other = shift(own, depth(alike, source)), shift(own, depth(far, source))
    assert same.q == pytest.approx(0.5, abs=0.05)
    assert same.p > 0.05
    assert other.q < 0.2
    assert other.p < 1e-6


def test_the_mean_cosine_is_that_of_all_pairs_of_different_texts() -> None:
    points = unit(9, 3)
    cosines = (points @ points.T)[~np.eye(9, dtype=bool)]
    assert mean_cosine(points) == pytest.approx(cosines.mean(), abs=1e-6)
    assert mean_cosine(np.repeat(points[:1], 4, axis=0)) == pytest.approx(1, abs=1e-6)
