from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.margin import Reference, Selection
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import MarginFilter

Entries = list[dict[str, Any]]


def negative(name: str, score: float | None, origin: str = "mined") -> dict[str, Any]:
    return {"id": name, "text": f"text {name}", "score": score, "rank": None, "origin": origin}


def positive(name: str, score: float | None) -> dict[str, Any]:
    return {"id": name, "text": f"text {name}", "score": score}


def pairs(*lists: tuple[Entries, Entries], **columns: Any) -> Table:
    return pa.table(
        {
            "id": [f"q{number}" for number in range(len(lists))],
            "query": ["which cat"] * len(lists),
            "positives": pa.array([one for one, _ in lists], rows.POSITIVES),
            "negatives": pa.array([other for _, other in lists], rows.NEGATIVES),
            "drop_reason": pa.nulls(len(lists), pa.string()),
            **columns,
        }
    )


def kept(out: Table) -> list[str]:
    return [entry["id"] for entry in out["negatives"][0].as_py()]


def rejected(out: Table) -> dict[str, str]:
    return {entry["id"]: entry["reason"] for entry in out["rejected_negatives"][0].as_py()}


SCORE = st.none() | st.floats(-1, 1, width=32) | st.just(float("nan"))
NAME = st.sampled_from("abcdefgh")
ORIGIN = st.sampled_from(["mined", "generated:m", "given"])
POSITIVES = st.lists(st.builds(positive, NAME, SCORE), max_size=3)
NEGATIVES = st.lists(st.builds(negative, NAME, SCORE, ORIGIN), max_size=8)
ROWS = st.lists(st.tuples(POSITIVES, NEGATIVES), max_size=4)


@given(ROWS, st.floats(0, 0.5), st.floats(0, 0.4))
def test_a_wider_margin_never_keeps_more(lists: Any, margin: float, wider: float) -> None:
    narrow, wide = (
        MarginFilter(relative_margin=m, keep=None).apply(pairs(*lists))["negatives"].to_pylist()
        for m in (margin, margin + wider)
    )
    for few, many in zip(wide, narrow, strict=True):
        assert {entry["id"] for entry in few} <= {entry["id"] for entry in many}


@given(ROWS)
def test_what_is_kept_is_below_every_positive_and_is_none_of_them(lists: Any) -> None:
    out = MarginFilter(keep=3).apply(pairs(*lists))
    for positives, negatives in zip(
        out["positives"].to_pylist(), out["negatives"].to_pylist(), strict=True
    ):
        scored = [
            p["score"] for p in positives if p["score"] is not None and p["score"] == p["score"]
        ]
        assert len(negatives) <= 3
        for entry in negatives:
            assert all(entry["score"] <= s - abs(s) * 0.05 for s in scored)
            assert entry["text"] not in {p["text"] for p in positives}
        assert len({entry["text"] for entry in negatives}) == len(negatives)


@given(ROWS)
def test_every_negative_is_kept_or_rejected_with_a_reason(lists: Any) -> None:
    out = MarginFilter().apply(pairs(*lists))
    for (_, before), good, bad in zip(
        lists, out["negatives"].to_pylist(), out["rejected_negatives"].to_pylist(), strict=True
    ):
        assert sorted(e["id"] for e in before) == sorted(e["id"] for e in [*good, *bad])
        assert all(entry["reason"] for entry in bad)


@given(ROWS, st.integers(0, 4))
def test_the_batching_changes_nothing(lists: Any, cut: int) -> None:
    step, table = MarginFilter(max_generated_share=0.5), pairs(*lists)
    parts = [step.apply(part) for part in (table.slice(0, cut), table.slice(cut))]
    # As text, in which a NaN equals a NaN.
    assert repr(pa.concat_tables(parts).to_pylist()) == repr(step.apply(table).to_pylist())


def test_each_rejected_negative_says_why_and_under_which_ceiling() -> None:
    negatives = [
        negative("close", 0.79),
        negative("high", 0.75),
        negative("good", 0.5),
        negative("next", 0.4),
        negative("low", -0.5),
        negative("none", None),
        negative("p", 0.3),
        negative("src", 0.3),
        {**negative("query", 0.3), "text": "which cat"},
        {**negative("twice", 0.2), "text": "text good"},
        {**negative("blank", 0.2), "text": " "},
    ]
    table = pairs(([positive("p", 0.8)], negatives), source_id=["src"])
    out = MarginFilter(max_score=0.6, min_score=0, keep=1).apply(table)
    assert kept(out) == ["good"]
    assert rejected(out) == {
        "close": "above_margin",
        "high": "above_max_score",
        "next": "not_selected",
        "low": "below_min_score",
        "none": "no_score",
        "p": "is_positive",
        "src": "is_source",
        "query": "is_query",
        "twice": "repeated",
        "blank": "no_text",
    }
    ceiling = [entry["ceiling"] for entry in out["rejected_negatives"][0].as_py()]
    assert ceiling == pytest.approx([0.6] * 10)
    bounds = {one["id"]: one["bound"] for one in out["rejected_negatives"][0].as_py()}
    told = {"close": 0.76, "high": 0.6, "low": 0}
    assert bounds == {name: pytest.approx(told[name]) if name in told else None for name in bounds}


def test_kept_negatives_come_by_falling_score_and_then_by_id() -> None:
    negatives = [negative("b", 0.25), negative("c", 0.5), negative("a", 0.25)]
    out = MarginFilter().apply(pairs(([positive("p", 0.9)], negatives)))
    assert kept(out) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("reference", "names"), [("hardest", ["c"]), ("first", ["a", "b", "c"]), ("mean", ["b", "c"])]
)
def test_the_reference_can_be_the_hardest_the_first_or_the_mean(
    reference: Reference, names: list[str]
) -> None:
    positives = [positive("p", 0.8), positive("o", 0.4)]
    negatives = [negative("a", 0.7), negative("b", 0.5), negative("c", 0.3)]
    step = MarginFilter(reference=reference)
    assert kept(step.apply(pairs((positives, negatives)))) == names


def test_the_margin_holds_below_zero() -> None:
    negatives = [negative("above", -0.38), negative("inside", -0.41), negative("below", -0.43)]
    out = MarginFilter().apply(pairs(([positive("p", -0.4)], negatives)))
    assert kept(out) == ["below"]


@pytest.mark.parametrize("score", [None, float("nan")])
def test_a_row_without_a_scored_positive_is_dropped_and_keeps_no_negative(
    score: float | None,
) -> None:
    out = MarginFilter().apply(pairs(([positive("p", score)], [negative("a", 0.1)])))
    assert out["drop_reason"].to_pylist() == ["no_positive_score"]
    assert rejected(out) == {"a": "no_positive_score"}


def test_without_a_margin_no_positive_score_is_needed() -> None:
    step = MarginFilter(relative_margin=None, max_score=0.5)
    out = step.apply(pairs(([], [negative("a", 0.4), negative("b", 0.6)])))
    assert out["drop_reason"].to_pylist() == [None]
    assert kept(out) == ["a"]


def test_a_row_that_loses_all_its_negatives_stays_short_and_says_so() -> None:
    out = MarginFilter().apply(pairs(([positive("p", 0.5)], [negative("a", 0.5)])))
    assert out["drop_reason"].to_pylist() == [None]
    assert kept(out) == []
    assert out["short_by"].to_pylist() == [4]


def test_scores_without_a_bound_take_no_relative_margin() -> None:
    table = pairs(([positive("p", 7.5)], [negative("a", 6.0)]))
    told = r"row 'q0' has a score of 7.5; .*absolute_margin"
    with pytest.raises(RecipeError, match=told):
        MarginFilter().apply(table)
    with pytest.raises(RecipeError, match=rf"{told[:-15]}`margin: fixed`, .*absolute_margin"):
        MarginFilter(margin="auto").apply(table)
    assert kept(MarginFilter(relative_margin=None, absolute_margin=1).apply(table)) == ["a"]


def test_quantiles_are_those_of_the_row() -> None:
    many = [negative(f"n{number}", number / 20) for number in range(11)]
    step = MarginFilter(relative_margin=None, min_quantile=0.2, max_quantile=0.8, keep=None)
    out = step.apply(pairs(([], many), ([], [negative("a", 0.9)])))
    assert kept(out) == [f"n{number}" for number in range(8, 1, -1)]
    assert rejected(out)["n9"] == "above_max_quantile"
    assert rejected(out)["n1"] == "below_min_quantile"
    bounds = {one["id"]: one["bound"] for one in out["rejected_negatives"][0].as_py()}
    assert bounds == pytest.approx({"n10": 0.4, "n9": 0.4, "n1": 0.1, "n0": 0.1})
    assert [entry["id"] for entry in out["negatives"][1].as_py()] == ["a"]


MANY = [negative(f"n{number}", 0.5 - number / 100) for number in range(10)]


@pytest.mark.parametrize(
    ("selection", "names"),
    [("top", ["n0", "n1", "n2"]), ("quantile", ["n0", "n4", "n9"])],
)
def test_negatives_are_selected_by_rank(selection: Selection, names: list[str]) -> None:
    step = MarginFilter(selection=selection, keep=3)
    assert kept(step.apply(pairs(([positive("p", 0.9)], MANY)))) == names


@pytest.mark.parametrize("selection", ["random", "top1_random"])
def test_a_random_selection_is_the_row_s_own(selection: Selection) -> None:
    table = pairs(*(([positive("p", 0.9)], MANY) for _ in range(40)))
    step = MarginFilter(selection=selection, keep=3)
    drawn = [[one["id"] for one in row] for row in step.apply(table)["negatives"].to_pylist()]
    assert drawn == [
        [one["id"] for one in row]
        for part in (table.slice(0, 7), table.slice(7))
        for row in step.apply(part)["negatives"].to_pylist()
    ]
    assert all(len(row) == 3 for row in drawn)
    assert len({tuple(row) for row in drawn}) > 20
    assert {row[0] for row in drawn if selection == "top1_random"} <= {"n0"}
    again = MarginFilter(selection=selection, keep=3, seed=1).apply(table)["negatives"].to_pylist()
    assert drawn != [[one["id"] for one in row] for row in again]


@given(ROWS, st.floats(0.01, 0.5), st.integers(0, 3))
def test_an_automatic_margin_keeps_nothing_above_the_positive(
    lists: Any, share: float, floor: int
) -> None:
    step = MarginFilter(margin="auto", max_false_negatives=share, min_keep=floor)
    out = step.apply(pairs(*lists))
    for positives, negatives in zip(
        out["positives"].to_pylist(), out["negatives"].to_pylist(), strict=True
    ):
        scored = [
            p["score"] for p in positives if p["score"] is not None and np.isfinite(p["score"])
        ]
        assert all(entry["score"] <= min(scored) for entry in negatives)


def test_an_automatic_margin_rejects_what_stands_out_and_keeps_what_does_not() -> None:
    draw = np.random.default_rng(0)
    others = sorted((0.4 + draw.exponential(0.02, 40)).tolist(), reverse=True)
    crowd = [negative(f"c{number:02}", score) for number, score in enumerate(others)]
    # 0.62 is below a margin of 5 % under the positive; nothing else comes near it.
    stands_out = [negative("out", 0.62), *crowd]
    # The positive is lost in the crowd: a fixed margin would reject every hard negative.
    auto, fixed = MarginFilter(margin="auto"), MarginFilter()
    table = pairs(([positive("p", 0.68)], stands_out), ([positive("p", others[4])], crowd))
    found = auto.apply(table)
    assert "out" not in [entry["id"] for entry in found["negatives"][0].as_py()]
    assert kept(fixed.apply(table))[0] == "out"
    assert found["short_by"].to_pylist() == [0, 0]
    hardest = found["negatives"][1].as_py()[0]["score"]
    assert hardest > fixed.apply(table)["negatives"][1].as_py()[0]["score"]


def test_margins_of_both_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="`relative_margin` is for `margin: fixed`"):
        MarginFilter(margin="auto", relative_margin=0.1)
    with pytest.raises(ValueError, match="`min_keep` is for `margin: auto`"):
        MarginFilter(min_keep=2)
    with pytest.raises(ValueError, match="`min_keep` 9 is more than `keep` 4"):
        MarginFilter(margin="auto", min_keep=9)
    with pytest.raises(ValueError, match=r"min_quantile 0\.8 is above max_quantile 0\.2"):
        MarginFilter(min_quantile=0.8, max_quantile=0.2)
    with pytest.raises(ValueError, match="chooses `keep` negatives"):
        MarginFilter(selection="random", keep=None)


def test_generated_negatives_leave_room_for_mined_ones() -> None:
    written = [negative(name, 0.6, "generated:m") for name in "abc"]
    found = [negative(name, 0.4) for name in "wxyz"]
    out = MarginFilter(max_generated_share=0.5).apply(
        pairs(([positive("p", 0.9)], written + found))
    )
    assert kept(out) == ["a", "b", "w", "x"]
    assert rejected(out) == {
        "c": "above_generated_share",
        "y": "not_selected",
        "z": "not_selected",
    }


@given(NEGATIVES, st.floats(0, 1), st.none() | st.integers(1, 5))
def test_the_generated_share_is_never_exceeded(
    negatives: Entries, share: float, keep: int | None
) -> None:
    step = MarginFilter(relative_margin=None, max_generated_share=share, keep=keep)
    entries = step.apply(pairs(([], negatives)))["negatives"][0].as_py()
    written = sum(entry["origin"] == "generated:m" for entry in entries)
    assert written <= share * len(entries) + 1e-9


def test_scores_that_are_not_finite_never_come_back_when_few_are_left() -> None:
    negatives = [negative("inf", float("inf")), negative("down", -np.inf), negative("nan", np.nan)]
    out = MarginFilter(relative_margin=None).apply(pairs(([positive("p", 0.5)], negatives)))
    assert kept(out) == []
    assert set(rejected(out).values()) == {"no_score"}


def test_a_query_that_its_own_positive_hardly_answers_drops_its_row() -> None:
    step = MarginFilter(min_positive=0.3)
    out = step.apply(pairs(*(([positive("p", score)], []) for score in (0.3, 0.29, None))))
    assert out["drop_reason"].to_pylist() == [None, "below_min_positive", "no_positive_score"]
