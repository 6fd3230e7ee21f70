"""The helpers of `benchmarks/ordering.py` and `ordering_loss.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loss_statistics import Losses, compared, interval, joined
from ordering import purity
from ordering_corpora import passages
from ordering_report import page
from ordering_rivals import algorithm_1, edges_of, public_code

from synth.algorithms import graph as graphs
from synth.algorithms.neighbors import Neighbors
from synth.algorithms.packing import filled
from synth.algorithms.paths import paper_path
from synth.algorithms.spans import Spans, cut_spans

Lists = Sequence[Sequence[int]]


@st.composite
def neighbors(draw: st.DrawFn) -> Neighbors:
    count = draw(st.integers(1, 12))
    k = draw(st.integers(0, count - 1)) if count > 1 else 0
    ids, scores = [], []
    for one in range(count):
        others = [other for other in range(count) if other != one]
        ids.append(draw(st.permutations(others))[:k])
        scores.append(draw(st.lists(st.sampled_from([0.2, 0.5, 0.9]), min_size=k, max_size=k)))
    return Neighbors(
        np.array(ids, np.int64).reshape(count, k), np.array(scores, np.float32).reshape(count, k)
    )


def brute(found: Neighbors, counted: str) -> list[int]:
    """Algorithm 1 with everything looked for anew at every move."""
    edges = edges_of(found.ids.tolist(), found.scores.tolist())
    path: list[int] = []
    left = set(range(len(edges)))
    while left:
        near = edges[path[-1]].keys() & left if path else set()
        if near:
            scores = edges[path[-1]]
            at = min(near, key=lambda at: (-scores[at], at))
        else:
            among = left if counted == "left" else set(range(len(edges)))
            at = min(left, key=lambda at: (len(edges[at].keys() & among), at))
        path.append(at)
        left.remove(at)
    return path


@given(neighbors())
def test_the_papers_algorithm_in_python_is_that_of_brute_force_and_of_synth(
    found: Neighbors,
) -> None:
    edges = edges_of(found.ids.tolist(), found.scores.tolist())
    assert algorithm_1(edges) == brute(found, "left")
    assert algorithm_1(edges, "once") == brute(found, "once")
    graph = graphs.symmetric(graphs.edges_of(found), len(found.ids))
    assert paper_path(graph).tolist() == algorithm_1(edges)


@given(neighbors())
def test_the_public_rule_visits_every_document_once(found: Neighbors) -> None:
    assert sorted(public_code(found.ids.tolist())) == list(range(len(found.ids)))


def test_the_public_rule_breaks_chains_off_and_dissolves_short_ones() -> None:
    chain = [[at + 1] if at < 29 else [28] for at in range(30)]
    # The second chain, 21 to 29, is short: its last goes beside its neighbour, none has another.
    assert public_code(chain) == list(range(30))
    ids = [[at + 1] if at < 21 else [20] for at in range(22)]
    assert public_code(ids) == [*range(20), 21, 20]


def test_purity_is_the_share_of_the_commonest_topic_in_windows_of_several() -> None:
    spans = Spans(
        np.array([0, 0, 0, 1, 2, 2]),
        np.array([0, 1, 2, 3, 0, 4]),
        np.zeros(6, int),
        np.array([3, 2, 5, 9, 4, 4]),
    )
    assert purity(spans, np.array([0, 1, 0, 2, -1])) == pytest.approx((8 + 4) / (10 + 4), abs=1e-4)
    assert purity(spans, np.full(5, -1)) is None


def test_passages_hold_every_line_of_a_text() -> None:
    text = "\n".join(f"line {at} of five words" for at in range(10))
    found = passages(text, 12)
    assert "\n".join(found) == text
    assert all(len(one.split()) >= 12 for one in found[:-1])


def windows_of(order: list[int], counts: list[int], size: int) -> Losses:
    """Losses that name their token: 100 times the document, and the token in it."""
    tokens = np.array(counts)
    ids = np.concatenate([100 * one + np.arange(n) for one, n in enumerate(counts)]).astype(
        np.int32
    )
    begins = np.cumsum(tokens) - tokens
    spans = cut_spans(np.array(order), tokens, size)
    windows = filled(spans, ids, begins, -1)
    losses = windows.ids.astype(np.float32)
    losses[windows.begins[:-1]] = np.nan
    return Losses.of(losses, windows, spans, begins)


def test_each_token_keeps_its_loss_and_its_place_whatever_the_order() -> None:
    counts = [3, 7, 2]
    expected = np.concatenate([100 * one + np.arange(n) for one, n in enumerate(counts)])
    for order in ([0, 1, 2], [2, 1, 0]):
        found = windows_of(order, counts, 6)
        there = np.isfinite(found.loss)
        assert (found.loss[there] == expected[there]).all()
        assert (found.place[~there] == 0).all()
        assert (~there).sum() == found.window.max() + 1
        assert found.cut == (1 if order[0] == 0 else 2)


def test_orders_are_compared_on_the_tokens_that_all_of_them_predict() -> None:
    found = {"one": windows_of([0, 1], [4, 4], 20), "other": windows_of([1, 0], [4, 4], 20)}
    told = compared(found, np.repeat([0, 1], 4), 20, ["one", "other"])
    assert told["tokens_compared"] == 6
    assert told["orders"]["one"]["less_than"]["other"][0] == 0
    assert told["orders"]["other"]["less_than"]["one"][0] == 0
    assert told["orders"]["one"]["loss"] == told["orders"]["other"]["loss"]
    assert len(told["places"]) == len(told["orders"]["one"]["by_place"]) == 8


def test_stretches_of_documents_count_as_one_behind_the_other() -> None:
    one, other = windows_of([0, 1], [4, 4], 20), windows_of([1, 0], [3, 9], 20)
    both = joined([one, other])
    assert len(both.loss) == len(one.loss) + len(other.loss)
    assert both.cut == one.cut + other.cut
    assert set(both.window) == {*one.window, *(other.window + one.window.max() + 1)}
    means = [float(np.nanmean(found.loss)) for found in (one, other)]
    assert min(means) <= np.nanmean(both.loss) <= max(means)


def test_an_interval_holds_the_mean_and_narrows_with_more_groups() -> None:
    draw = np.random.default_rng(1)
    widths = []
    for groups in (10, 1000):
        values = draw.normal(5, 1, groups * 3)
        low, high = interval(values, np.repeat(np.arange(groups), 3))
        assert low < values.mean() < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 5


def test_the_page_of_results_is_made_of_its_figures() -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "ordering.json"
    assert page(json.loads(path.read_text())) == path.with_suffix(".md").read_text()
