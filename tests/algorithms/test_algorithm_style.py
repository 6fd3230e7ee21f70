from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.style import FEATURES, auc, features, style_leak

WORDS = (
    *("heron", "lake", "fish", "reed", "wing", "water", "stone", "river"),
    *("cloud", "nest", "spring", "bird", "moss", "rain"),
)


def sentence(draw: Random, end: str = ".") -> str:
    return " ".join(draw.choices(WORDS, k=draw.randint(8, 14))).capitalize() + end


@given(st.lists(st.tuples(st.floats(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_the_auc_is_the_share_of_pairs_in_order(pairs: list[tuple[float, bool]]) -> None:
    scores, second = np.array([s for s, _ in pairs]), np.array([k for _, k in pairs])
    found = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[second]
        for low in scores[~second]
    ]
    told = auc(scores, second)
    assert told == pytest.approx(np.mean(found)) if found else np.isnan(told)


@given(st.text())
def test_any_text_has_all_features(text: str) -> None:
    found = features([text, ""])
    assert found.shape == (2, len(FEATURES))
    assert np.isfinite(found).all()


def test_the_same_hand_is_not_told_apart_and_another_is() -> None:
    draw = Random(5)
    rows = [number // 2 for number in range(240)]
    kinds = [number % 2 == 1 for number in range(240)]
    same = style_leak([sentence(draw) for _ in rows], kinds, rows)
    assert same.low < 0.5 < same.high
    other = style_leak([sentence(draw, " (so!)" if kind else ".") for kind in kinds], kinds, rows)
    assert other.auc > 0.99
    assert "'('" in other.tells[0][0] or "full stop" in other.tells[0][0] or "'!'" in str(other)
