import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.graph import edges_of, symmetric
from synth.algorithms.kernel import Index
from synth.algorithms.neighbors import Vectors, nearest_others
from synth.algorithms.order_figures import window_cosines
from synth.algorithms.paths import edge_path, paper_path
from synth.algorithms.spans import (
    Overflow,
    Spans,
    cut_spans,
    neighbor_spans,
    own_spans,
    packed,
)
from synth.algorithms.windows import window_spans

TOKENS = st.lists(st.integers(0, 60), min_size=0, max_size=25)
OVERFLOWS: list[Overflow] = ["split", "truncate", "own_window", "drop"]


def drawn(count: int, seed: int, topics: int = 8, dim: int = 8) -> Vectors:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(topics, dim))[rng.integers(0, topics, count)]
    found = found + 0.5 * rng.normal(size=(count, dim))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def windows_of(
    vectors: Vectors, tokens: Index, window_tokens: int, passes: int = 8
) -> tuple[Spans, Index]:
    graph = symmetric(edges_of(nearest_others(vectors, 8)), len(vectors))
    path = edge_path(graph, vectors, lambda ends: nearest_others(ends, 8))
    return window_spans(path, graph, vectors, tokens, window_tokens, passes), path


def check_windows(spans: Spans, window_tokens: int) -> None:
    """Windows are numbered from 0, none is too long, and each document has one part in it."""
    assert (np.diff(spans.windows) >= 0).all()
    assert set(spans.windows.tolist()) == set(range(int(spans.windows.max(initial=-1)) + 1))
    assert (spans.tokens > 0).all()
    loads = np.bincount(spans.windows, spans.tokens + 1) - 1
    assert (loads <= window_tokens).all()
    pairs = list(zip(spans.windows.tolist(), spans.documents.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)


def parts_of(spans: Spans, document: int) -> list[tuple[int, int]]:
    own = spans.documents == document
    return sorted(zip(spans.starts[own].tolist(), spans.ends[own].tolist(), strict=True))


def check_whole(spans: Spans, tokens: Index) -> None:
    """The parts of each document, one behind the other, are the document."""
    for document, count in enumerate(tokens.tolist()):
        at = 0
        for start, end in parts_of(spans, document):
            assert start == at
            at = end
        assert at == count


@given(TOKENS, st.integers(2, 40), st.integers(1, 8), st.integers(0, 1))
def test_windows_that_are_cut_hold_every_token_once(
    tokens: list[int], window_tokens: int, least: int, free: int
) -> None:
    counts = np.array(tokens, np.int64)
    order = np.random.default_rng(0).permutation(len(counts))
    least = min(least, max(1, (window_tokens - free) // 2))
    spans = cut_spans(order, counts, window_tokens, least, free)
    check_windows(spans, window_tokens - free)
    check_whole(spans, counts)
    for document, count in enumerate(tokens):
        sizes = [end - start for start, end in parts_of(spans, document)]
        assert all(size >= min(count, least) for size in sizes)


@given(TOKENS, st.integers(2, 40))
def test_windows_cut_without_reserve_are_full_up_to_a_separator(
    tokens: list[int], window_tokens: int
) -> None:
    spans = cut_spans(np.arange(len(tokens)), np.array(tokens, np.int64), window_tokens)
    loads = np.bincount(spans.windows, spans.tokens + 1) - 1
    assert (loads[:-1] >= window_tokens - 1).all()


@given(TOKENS.filter(bool), st.integers(2, 200), st.integers(0, 20), st.integers(0, 4))
def test_windows_of_similar_documents_hold_every_token_once(
    tokens: list[int], window_tokens: int, seed: int, passes: int
) -> None:
    counts = np.array(tokens, np.int64)
    vectors = drawn(len(counts), seed)
    spans, path = windows_of(vectors, counts, window_tokens, passes)
    check_windows(spans, window_tokens)
    check_whole(spans, counts)
    place = np.empty(len(path), np.int64)
    place[path] = np.arange(len(path))
    same = np.diff(spans.windows) == 0
    assert (np.diff(place[spans.documents])[same] > 0).all()
    again, _ = windows_of(vectors, counts, window_tokens, passes)
    assert all((one == other).all() for one, other in zip(spans, again, strict=True))


@pytest.mark.parametrize("mean_tokens", [20, 60, 100, 400])
def test_more_passes_make_windows_more_similar_than_any_path(mean_tokens: int) -> None:
    rng = np.random.default_rng(mean_tokens)
    vectors = drawn(500, 3, topics=40, dim=24)
    tokens = rng.integers(mean_tokens // 2, 2 * mean_tokens, 500)
    graph = symmetric(edges_of(nearest_others(vectors, 8)), 500)
    plain, path = windows_of(vectors, tokens, 512, 0)
    found, _ = windows_of(vectors, tokens, 512, 8)
    papers = cut_spans(paper_path(graph), tokens, 512)

    def similarity(spans: Spans) -> float:
        each = window_cosines(spans, vectors)
        return float(np.nanmean(each))

    assert similarity(found) > similarity(plain) > 0
    assert similarity(found) > 1.05 * similarity(papers)
    # Windows stay as few, up to the tokens that were left free for separators.
    assert found.windows[-1] <= 1.01 * papers.windows[-1] + 1
    assert sorted(path.tolist()) == list(range(500))


@pytest.mark.parametrize(("mean_tokens", "share"), [(20, 0.1), (80, 0.7), (200, 0.85)])
def test_fewer_documents_are_cut_the_more_a_window_holds(mean_tokens: int, share: float) -> None:
    vectors = drawn(500, 3, topics=40, dim=24)
    rng = np.random.default_rng(mean_tokens)
    tokens = rng.integers(mean_tokens // 2, 2 * mean_tokens, 500)
    plain, _ = windows_of(vectors, tokens, 1024, 0)
    found, _ = windows_of(vectors, tokens, 1024, 8)

    def cuts(spans: Spans) -> int:
        return int((spans.starts > 0).sum())

    assert cuts(found) <= share * cuts(plain)


def test_one_document_longer_than_the_window_fills_windows_by_itself() -> None:
    spans, _ = windows_of(np.full((1, 4), 0.5, np.float32), np.array([2500]), 1024)
    check_whole(spans, np.array([2500]))
    assert len(spans.windows) == 3


@pytest.mark.parametrize("overflow", OVERFLOWS)
def test_a_document_longer_than_a_window_is_treated_as_asked(overflow: Overflow) -> None:
    spans = packed(np.array([1, 0, 2]), np.array([2, 13, 3]), 5, overflow)
    assert (
        parts_of(spans, 1)
        == {
            "split": [(0, 5), (5, 10), (10, 13)],
            "truncate": [(0, 5)],
            "own_window": [(0, 5), (5, 10), (10, 13)],
            "drop": [],
        }[overflow]
    )
    beside = {w: set(spans.documents[spans.windows == w].tolist()) for w in spans.windows.tolist()}
    if overflow == "own_window":
        assert all(1 not in own or own == {1} for own in beside.values())
        assert list(beside.values()) == [{0, 2}, {2}, {1}, {1}, {1}]


@given(TOKENS, st.integers(2, 30), st.sampled_from(OVERFLOWS))
def test_windows_hold_what_fits_into_them_whatever_becomes_of_the_rest(
    tokens: list[int], window_tokens: int, overflow: Overflow
) -> None:
    counts = np.array(tokens, np.int64)
    spans = packed(np.arange(len(counts)), counts, window_tokens, overflow)
    check_windows(spans, window_tokens)
    kept = {
        "truncate": np.minimum(counts, window_tokens),
        "drop": np.where(counts > window_tokens, 0, counts),
    }.get(overflow, counts)
    check_whole(spans, kept)


def test_windows_of_their_own_are_full_but_for_the_last() -> None:
    spans = own_spans(np.array([1]), np.array([9, 7]), 3)
    assert spans.tokens.tolist() == [3, 3, 1]
    assert spans.windows.tolist() == [0, 1, 2]


def test_a_window_of_neighbours_begins_with_its_document_and_may_repeat_others() -> None:
    ids = np.array([[1, 2, 3], [0, 2, -1], [1, 0, 3], [2, 1, 0]])
    tokens = np.array([4, 4, 4, 4])
    spans = neighbor_spans(ids, tokens, 8, seed=0)
    check_windows(spans, 8)
    assert spans.windows[-1] + 1 == 2
    for window in range(2):
        documents = spans.documents[spans.windows == window].tolist()
        assert documents == [documents[0], ids[documents[0], 0]]
    assert (neighbor_spans(ids, tokens, 8, 0).documents == spans.documents).all()
