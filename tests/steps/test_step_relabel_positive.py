from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core import rows
from synth.core.rows import Table
from synth.steps import RelabelPositive

Entries = list[dict[str, Any]]
NAN = float("nan")


def positive(name: str, score: float | None, text: str | None = None) -> dict[str, Any]:
    return {"id": name, "text": f"text {name}" if text is None else text, "score": score}


def negative(
    name: str, score: float | None, text: str | None = None, origin: str = "mined"
) -> dict[str, Any]:
    return positive(name, score, text) | {"rank": 3, "origin": origin, "found": None}


def pairs(*lists: tuple[Entries | None, Entries | None], query: str | None = "q") -> Table:
    return pa.table(
        {
            "id": [f"q{number}" for number in range(len(lists))],
            "query": pa.array([query] * len(lists), pa.string()),
            "positives": pa.array([one for one, _ in lists], rows.POSITIVES),
            "negatives": pa.array([other for _, other in lists], rows.NEGATIVES),
            "drop_reason": pa.nulls(len(lists), pa.string()),
        }
    )


def told(step: RelabelPositive, positives: Entries, negatives: Entries) -> dict[str, Any]:
    """The row after the step, with the ids of its lists in place of the lists."""
    row: dict[str, Any] = step.apply(pairs((positives, negatives))).to_pylist()[0]
    return row | {name: [one["id"] for one in row[name]] for name in ("positives", "negatives")}


STEP = RelabelPositive()


def test_the_best_passage_becomes_the_positive_and_the_old_one_a_negative() -> None:
    out = STEP.apply(
        pairs(([positive("p", 0.5)], [negative("a", 0.2), negative("b", 0.9), negative("c", 0.7)]))
    )
    row = out.to_pylist()[0]
    assert row["positives"] == [{"id": "b", "text": "text b", "score": pytest.approx(0.9)}]
    assert [one["id"] for one in row["negatives"]] == ["a", "c", "p"]
    fallen = row["negatives"][-1]
    assert (fallen["origin"], fallen["score"], fallen["rank"]) == ("positive", 0.5, None)
    assert (row["relabelled"], row["original_positive_id"]) == (True, "p")
    assert (row["positive_origin"], row["drop_reason"]) == ("mined", None)


def test_the_old_positive_may_also_go_or_stay() -> None:
    lists = [positive("p", 0.5), positive("r", 0.1)], [negative("b", 0.9, origin="generated:m")]
    assert told(STEP, *lists)["negatives"] == ["p", "r"]
    gone = told(RelabelPositive(original="drop"), *lists)
    assert (gone["positives"], gone["negatives"]) == (["b"], [])
    both = told(RelabelPositive(original="keep"), *lists)
    assert (both["positives"], both["negatives"]) == (["b", "p", "r"], [])
    assert both["original_positive_id"] == "p"
    assert both["positive_origin"] == "generated:m"


@pytest.mark.parametrize(("score", "gain", "changes"), [
    (0.5, 0.0, False), (0.625, 0.0, True), (0.625, 0.125, False), (0.75, 0.125, True),
])  # fmt: skip
def test_a_tie_keeps_the_original(score: float, gain: float, changes: bool) -> None:
    out = told(RelabelPositive(min_gain=gain), [positive("p", 0.5)], [negative("a", score)])
    assert out["relabelled"] is changes
    assert out["positives"] == (["a"] if changes else ["p"])
    assert (out["original_positive_id"] is None) is not changes


def test_the_best_of_several_positives_is_the_one_to_beat() -> None:
    out = told(STEP, [positive("p", 0.1), positive("r", 0.8)], [negative("a", 0.7)])
    assert (out["relabelled"], out["positives"]) == (False, ["p", "r"])


def test_of_equal_negatives_the_lower_id_rises() -> None:
    assert told(STEP, [positive("p", 0.1)], [negative("b", 0.7), negative("a", 0.7)])[
        "positives"
    ] == ["a"]


def test_a_copy_of_a_positive_the_query_and_no_text_never_rise() -> None:
    lists = (
        [positive("p", 0.5)],
        [
            negative("x", 0.9, "text p"),
            negative("p", 0.9, "other"),
            negative("y", 0.9, "q"),
            negative("y2", 0.9, "Q?"),
            negative("z", 0.9, " "),
            negative("a", 0.4),
        ],
    )
    out = told(STEP, *lists)
    assert (out["relabelled"], out["negatives"]) == (False, ["x", "p", "y", "y2", "z", "a"])


def test_copies_of_a_positive_leave_the_negatives_of_a_row_that_changes() -> None:
    lists = (
        [positive("p", 0.5), positive("r", 0.4, "text p")],
        [
            negative("x", 0.6, "text p"),
            negative("b", 0.9),
            negative("c", 0.8, "text b"),
            negative("b", 0.7, "other"),
            negative("a", 0.4),
        ],
    )
    assert told(STEP, *lists)["negatives"] == ["a", "p"]
    assert told(RelabelPositive(original="keep"), *lists)["negatives"] == ["a"]


def test_a_row_that_cannot_be_judged_drops_and_keeps_its_lists() -> None:
    out = STEP.apply(
        pairs(
            ([positive("p", None)], [negative("a", 0.9)]),
            ([positive("p", 0.5)], [negative("a", 0.9), negative("b", NAN)]),
            ([], [negative("a", 0.9)]),
            (None, None),
            ([positive("p", None, " ")], [negative("a", 0.9)]),
            ([positive("p", 0.5)], [negative("a", None, " ")]),
            ([positive("p", 0.5)], None),
        )
    )
    assert out["drop_reason"].to_pylist() == [
        "no_score", "no_score", "no_positive", "no_positive", "no_positive", None, None,
    ]  # fmt: skip
    assert out["relabelled"].to_pylist() == [False] * 7
    assert [len(one) for one in out["positives"].to_pylist()] == [1, 1, 0, 0, 1, 1, 1]


def test_negative_scores_are_scores() -> None:
    assert told(STEP, [positive("p", -3.0)], [negative("a", -2.0)])["positives"] == ["a"]


SCORE = st.none() | st.floats(-1, 1, width=32)
NAME = st.sampled_from("abcdefgh")
LISTS = st.tuples(
    st.lists(st.builds(positive, NAME, SCORE), max_size=3),
    st.lists(st.builds(negative, NAME, SCORE), max_size=6),
)


@given(st.lists(LISTS, max_size=4), st.sampled_from(["negative", "drop", "keep"]))
def test_no_text_is_lost_but_what_is_dropped_and_the_positive_is_the_best(
    lists: list[tuple[Entries, Entries]], original: Any
) -> None:
    out = RelabelPositive(original=original).apply(pairs(*lists)).to_pylist()
    for (positives, negatives), row in zip(lists, out, strict=True):
        before = {one["text"] for one in (*positives, *negatives)}
        after = {one["text"] for one in (*row["positives"], *row["negatives"])}
        if not row["relabelled"]:
            assert after == before
            assert [one["id"] for one in row["positives"]] == [one["id"] for one in positives]
            continue
        assert before - after <= {one["text"] for one in positives}
        assert original == "drop" or after == before
        best = row["positives"][0]
        assert best["score"] == max(one["score"] for one in (*positives, *negatives))
        own = {one["text"] for one in row["positives"]}
        assert not own & {one["text"] for one in row["negatives"]}


@given(st.lists(LISTS, min_size=1, max_size=4))
def test_relabelling_again_changes_nothing(lists: list[tuple[Entries, Entries]]) -> None:
    once = STEP.apply(pairs(*lists))
    again = STEP.apply(once)
    assert again["positives"].equals(once["positives"])
    assert not any(again["relabelled"].to_pylist())


@given(st.lists(LISTS, min_size=2, max_size=5), st.integers(1, 4))
def test_batches_change_nothing(lists: list[tuple[Entries, Entries]], size: int) -> None:
    table = pairs(*lists)
    parts = [STEP.apply(table.slice(at, size)) for at in range(0, len(lists), size)]
    assert pa.concat_tables(parts).combine_chunks().equals(STEP.apply(table).combine_chunks())
