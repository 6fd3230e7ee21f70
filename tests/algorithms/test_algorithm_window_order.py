from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.neighbors import Vectors
from synth.algorithms.order_figures import nearest_cosines
from synth.algorithms.spans import Spans
from synth.algorithms.window_order import nearest_first


def drawn(count: int, seed: int) -> Vectors:
    found = np.random.default_rng(seed).normal(size=(count, 8))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def windows_of(sizes: list[int], seed: int) -> Spans:
    """Windows of so many documents each, every document in one."""
    count = sum(sizes)
    draw = np.random.default_rng(seed)
    ends = draw.integers(1, 50, count)
    windows = np.repeat(np.arange(len(sizes)), sizes)
    return Spans(windows, draw.permutation(count), np.zeros(count, np.int64), ends)


def gained(spans: Spans, vectors: Vectors) -> float:
    """The sum of the cosines of each document and the most similar one before it."""
    return float(np.nansum(nearest_cosines(spans, vectors), dtype=np.float64))


SIZES = st.lists(st.integers(1, 9), max_size=5)


@given(SIZES, st.integers(0, 9))
def test_windows_keep_their_documents(sizes: list[int], seed: int) -> None:
    spans = windows_of(sizes, seed)
    found = nearest_first(spans, drawn(sum(sizes), seed))
    assert found.windows.tolist() == spans.windows.tolist()
    parts = [sorted(zip(*(one.tolist() for one in of), strict=True)) for of in (spans, found)]
    assert parts[0] == parts[1]


@given(st.integers(1, 6), st.integers(0, 30))
def test_no_order_of_a_window_has_more_similar_documents_before_each(size: int, seed: int) -> None:
    vectors = drawn(size, seed)
    spans = windows_of([size], seed)
    best = max(
        gained(Spans(*(one[list(order)] for one in spans)), vectors)
        for order in itertools.permutations(range(size))
    )
    assert gained(nearest_first(spans, vectors), vectors) == pytest.approx(best, abs=1e-5)


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.integers(0, 30))
def test_a_rest_of_a_document_begins_its_window_and_the_others_follow_as_well_as_can_be(
    rests: list[bool], seed: int
) -> None:
    size, vectors = len(rests), drawn(len(rests), seed)
    spans = windows_of([size], seed)
    starts = np.where(rests, 7, 0)
    spans = spans._replace(starts=starts, ends=spans.ends + starts)
    found = nearest_first(spans, vectors)
    assert (found.starts[0] > 0) == any(rests)
    orders = [
        Spans(*(one[list(order)] for one in spans))
        for order in itertools.permutations(range(size))
        if rests[order[0]] == any(rests)
    ]
    best = max(gained(one, vectors) for one in orders)
    assert gained(found, vectors) == pytest.approx(best, abs=1e-5)


@given(SIZES, st.integers(0, 9))
def test_what_is_in_order_stays_in_order(sizes: list[int], seed: int) -> None:
    vectors = drawn(sum(sizes), seed)
    once = nearest_first(windows_of(sizes, seed), vectors)
    again = nearest_first(once, vectors)
    assert [one.tolist() for one in again] == [one.tolist() for one in once]


def test_equal_vectors_stay_as_they_are() -> None:
    spans = windows_of([4, 3], 1)
    spans = spans._replace(ends=np.full(7, 5))
    vectors = np.tile(drawn(1, 0), (7, 1))
    assert nearest_first(spans, vectors).documents.tolist() == spans.documents.tolist()


def test_the_first_document_of_a_window_is_like_none_before_it() -> None:
    spans, vectors = windows_of([2, 1, 3], 0), drawn(6, 0)
    found = nearest_cosines(spans, vectors)
    assert np.isnan(found[[0, 2, 3]]).all()
    own = vectors[spans.documents]
    assert found[1] == pytest.approx(own[1] @ own[0], abs=1e-6)
    assert found[5] == pytest.approx(max(own[5] @ own[3], own[5] @ own[4]), abs=1e-6)
