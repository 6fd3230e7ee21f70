from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core import rows
from synth.core.rows import Table
from synth.steps import SoftLabels

Scores = list[float | None]


def pairs(*lists: tuple[Scores | None, Scores | None], **columns: Any) -> Table:
    def entries(scores: Scores | None) -> list[dict[str, Any]] | None:
        if scores is None:
            return None
        return [{"id": f"{at}", "text": f"t{at}", "score": one} for at, one in enumerate(scores)]

    return pa.table(
        {
            "id": [f"q{number}" for number in range(len(lists))],
            "positives": pa.array([entries(one) for one, _ in lists], rows.POSITIVES),
            "negatives": pa.array([entries(other) for _, other in lists], rows.NEGATIVES),
            "drop_reason": pa.nulls(len(lists), pa.string()),
            **columns,
        }
    )


def test_scores_keep_the_order_of_the_entries_and_labels_are_their_softmax() -> None:
    out = SoftLabels(temperature=0.5).apply(pairs(([1.0], [0.5, 0.75]))).to_pylist()[0]
    assert (out["pos_scores"], out["neg_scores"]) == ([1.0], [0.5, 0.75])
    powers = np.exp(np.array([2, 1, 1.5]))
    assert out["soft_labels"] == pytest.approx((powers / powers.sum()).tolist())
    assert out["difficulty"] == pytest.approx(1 - powers[0] / powers.sum())
    assert out["curriculum_bin"] == 2


def test_several_positives_share_the_probability_that_makes_a_row_easy() -> None:
    out = SoftLabels(temperature=1).apply(pairs(([1.0, 1.0], [1.0, 1.0]))).to_pylist()[0]
    assert out["soft_labels"] == [0.25] * 4
    assert (out["difficulty"], out["curriculum_bin"]) == (0.5, 2)


def test_a_bin_begins_at_its_edge() -> None:
    tied = pairs(([1.0], [1.0]), ([1.0], [-1.0]), ([-1.0], [1.0]))
    assert SoftLabels(edges=(0.25, 0.5)).apply(tied)["curriculum_bin"].to_pylist() == [2, 0, 2]
    assert SoftLabels(edges=()).apply(tied)["curriculum_bin"].to_pylist() == [0, 0, 0]


def test_the_teacher_is_the_model_that_scored_where_one_is_known() -> None:
    table = pairs(([1.0], [0.5]), ([1.0], [0.5]))
    assert SoftLabels().apply(table)["teacher"].to_pylist() == [None, None]
    known = table.append_column("scored_by", pa.array(["reranker", None], pa.string()))
    assert SoftLabels().apply(known)["teacher"].to_pylist() == ["reranker", None]


def test_a_row_in_which_a_score_is_missing_drops_without_labels() -> None:
    out = SoftLabels().apply(
        pairs(
            ([None], [0.5]),
            ([1.0], [0.5, float("nan")]),
            ([], [0.5]),
            (None, None),
            ([1.0], []),
            ([1.0], None),
        )
    )
    assert out["drop_reason"].to_pylist() == [
        "no_score", "no_score", "no_positive", "no_positive", None, None,
    ]  # fmt: skip
    assert out["difficulty"].to_pylist() == [None, None, None, None, 0, 0]
    assert out["soft_labels"].to_pylist() == [[None, None], [None] * 3, [None], [], [1], [1]]
    assert out["neg_scores"].to_pylist() == [[0.5], [0.5, None], [0.5], [], [], []]


@pytest.mark.parametrize("edges", [(0.5, 0.5), (0.6, 0.4)])
def test_edges_that_do_not_rise_are_refused(edges: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="`edges` rise from one to the next"):
        SoftLabels(edges=edges)
    with pytest.raises(ValueError, match="greater than 0"):
        SoftLabels(temperature=0)


SCORE = st.floats(-20, 20, width=32)
LISTS = st.tuples(st.lists(SCORE, min_size=1, max_size=3), st.lists(SCORE, max_size=5))


@given(st.lists(LISTS, min_size=1, max_size=5), st.sampled_from([0.02, 1.0]), st.integers(1, 4))
def test_difficulty_is_what_the_negatives_have_whatever_the_batches(
    lists: list[tuple[Scores, Scores]], temperature: float, size: int
) -> None:
    step, table = SoftLabels(temperature=temperature), pairs(*lists)
    out = step.apply(table)
    for row, (positives, negatives) in zip(out.to_pylist(), lists, strict=True):
        assert len(row["soft_labels"]) == len(positives) + len(negatives)
        assert sum(row["soft_labels"]) == pytest.approx(1, abs=1e-5)
        assert row["difficulty"] == pytest.approx(
            sum(row["soft_labels"][len(positives) :]), abs=1e-5
        )
        assert 0 <= row["difficulty"] <= 1
    parts = [step.apply(table.slice(at, size)) for at in range(0, len(lists), size)]
    assert pa.concat_tables(parts).combine_chunks().equals(out.combine_chunks())


@given(LISTS, st.floats(0.0625, 5, width=32))
def test_a_better_positive_makes_no_row_harder(lists: tuple[Scores, Scores], gain: float) -> None:
    positives, negatives = lists
    better: Scores = [(score or 0) + gain for score in positives]
    table = pairs((positives, negatives), (better, negatives))
    worse, easier = SoftLabels(temperature=1).apply(table)["difficulty"].to_pylist()
    assert easier <= worse
