import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from synth.algorithms.margin import Reference, Scores, ceilings, keep_below, reference_scores

UNIT = st.floats(-1, 1, width=32)
POSITIVES = arrays(np.float32, 4, elements=UNIT)
CANDIDATES = arrays(np.float32, 12, elements=st.floats(-1, 1, width=32) | st.just(float("nan")))
ROW = np.repeat(np.arange(4), 3)


@given(POSITIVES, CANDIDATES, st.floats(0, 0.9), st.floats(0, 0.09))
def test_a_wider_margin_never_keeps_more(
    positive: Scores, scores: Scores, margin: float, wider: float
) -> None:
    narrow = keep_below(scores, ROW, ceilings(positive, margin))
    wide = keep_below(scores, ROW, ceilings(positive, margin + wider))
    assert not (wide & ~narrow).any()


@given(POSITIVES, CANDIDATES, st.floats(0, 0.99))
def test_what_is_kept_never_exceeds_the_ceiling_nor_the_positive(
    positive: Scores, scores: Scores, margin: float
) -> None:
    ceiling = ceilings(positive, margin, absolute_margin=0.01, max_score=0.8)
    kept = keep_below(scores, ROW, ceiling)
    assert (scores[kept] <= ceiling[ROW][kept]).all()
    assert (scores[kept] < positive[ROW][kept]).all()
    assert (scores[kept] <= 0.8).all()


@pytest.mark.parametrize(("positive", "ceiling"), [(0.8, 0.76), (-0.8, -0.84), (0.0, 0.0)])
def test_a_margin_stays_a_margin_whatever_the_sign(positive: float, ceiling: float) -> None:
    assert ceilings(np.array([positive]), 0.05) == pytest.approx(ceiling)


def test_the_lowest_of_all_rules_is_the_ceiling() -> None:
    reference = np.array([0.9, 0.5])
    assert ceilings(reference, 0.1, 0.2, 0.6).tolist() == pytest.approx([0.6, 0.3])
    assert ceilings(reference).tolist() == [np.inf, np.inf]


def test_a_score_that_is_not_finite_is_never_kept() -> None:
    scores = np.array([np.nan, np.inf, -np.inf, 0.1])
    kept = keep_below(scores, np.zeros(4, np.int64), np.array([np.inf]))
    assert kept.tolist() == [False, False, False, True]


def test_a_row_without_a_reference_keeps_nothing() -> None:
    ceiling = ceilings(np.array([np.nan]), 0.05, max_score=0.9)
    assert not keep_below(np.array([0.1]), np.zeros(1, np.int64), ceiling).any()


def test_a_floor_rejects_what_scores_below_it() -> None:
    row, ceiling = np.zeros(3, np.int64), np.array([0.5])
    assert keep_below(np.array([0.1, 0.2, 0.6]), row, ceiling, 0.2).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("reference", "expected"), [("hardest", 0.25), ("first", 0.75), ("mean", 0.5)]
)
def test_the_reference_is_of_the_finite_positives_of_each_row(
    reference: Reference, expected: float
) -> None:
    scores, row = np.array([np.nan, 0.75, 0.25, np.nan]), np.array([0, 0, 0, 2])
    found = reference_scores(scores, row, 3, reference)
    assert found[0] == expected
    assert np.isnan(found[1:]).all()
