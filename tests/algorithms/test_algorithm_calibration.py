from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synth.algorithms.calibration import (
    Sampled,
    corrected,
    false_negative_rates,
    judge_of,
    stratified,
)

SCORES = arrays(np.float64, st.integers(1, 30), elements=st.floats(-5, 5))


@given(SCORES, SCORES)
def test_no_cut_tells_known_pairs_apart_better(
    relevant: np.ndarray, irrelevant: np.ndarray
) -> None:
    judge = judge_of(relevant, irrelevant)
    for cut in np.concatenate([relevant, irrelevant]):
        assert np.mean(relevant >= cut) - np.mean(irrelevant >= cut) <= judge.skill + 1e-12
    assert judge.hits == pytest.approx(np.mean(relevant >= judge.cut))
    assert judge.false_alarms == pytest.approx(np.mean(irrelevant >= judge.cut))


@given(st.floats(0, 1), st.floats(0.6, 1), st.floats(0, 0.4))
def test_a_share_is_found_again_behind_the_errors_of_a_judge(
    share: float, hits: float, alarms: float
) -> None:
    said = share * hits + (1 - share) * alarms
    assert float(corrected(said, hits, alarms)) == pytest.approx(share, abs=1e-9)


def drawn(share: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of n pairs are relevant, and the scores that a judge with errors gives them."""
    draw = np.random.default_rng(seed)
    truth = draw.random(n) < share
    return truth, draw.normal(truth * 1.5, 1.0)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_the_interval_of_a_poor_judge_holds_the_truth_nearly_always(share: float) -> None:
    held = 0
    for trial in range(20):
        _, good = drawn(1, 200, 3 * trial)
        _, bad = drawn(0, 200, 3 * trial + 1)
        truth, scores = drawn(share, 400, 3 * trial + 2)
        kept = np.ones((1, len(truth)), np.bool_)
        sampled = Sampled(scores, np.ones(len(truth)), np.arange(len(truth)) // 4, kept)
        rates = false_negative_rates(sampled, good, bad)
        assert rates.high[0] - rates.low[0] < 0.4
        held += rates.low[0] <= truth.mean() <= rates.high[0]
    assert held >= 17


def test_weights_undo_an_uneven_sample() -> None:
    scores = np.array([1.0, 1.0, 0.0, 0.0])
    kept = np.ones((1, 4), np.bool_)
    weights = np.array([1.0, 1.0, 9.0, 9.0])
    sampled = Sampled(scores, weights, np.arange(4), kept)
    rates = false_negative_rates(sampled, np.ones(50), np.zeros(50))
    assert rates.mean[0] == pytest.approx(0.1)


def test_a_margin_of_which_nothing_was_judged_has_no_rate() -> None:
    kept = np.array([[True, True], [False, False]])
    sampled = Sampled(np.array([1.0, 0.0]), np.ones(2), np.arange(2), kept)
    rates = false_negative_rates(sampled, np.ones(5), np.zeros(5))
    assert np.isnan([rates.mean[1], rates.low[1], rates.high[1]]).all()
    assert rates.mean[0] == pytest.approx(0.5)


@given(
    arrays(np.float64, st.integers(0, 200), elements=st.floats(-1, 1)),
    st.integers(1, 60),
    st.integers(1, 12),
)
def test_a_stratified_sample_stands_for_all(values: np.ndarray, size: int, strata: int) -> None:
    at, weights = stratified(values, size, strata, seed=1)
    assert len(at) == min(size, len(values))
    assert len(set(at.tolist())) == len(at)
    assert list(at) == sorted(at)
    if size >= strata:
        assert weights.sum() == pytest.approx(len(values))
    again, _ = stratified(values, size, strata, seed=1)
    assert (again == at).all()
