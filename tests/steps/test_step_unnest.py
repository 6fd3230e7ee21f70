"""Rows taken apart, and documents turned into their questions: who is parent of whom."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import Invert, Unnest
from synth.steps.whole import IS_NEW, in_order


def table(**columns: Any) -> Table:
    count = len(next(iter(columns.values())))
    ids = [f"d{at}" for at in range(count)]
    return pa.table({"id": ids, **columns, "drop_reason": pa.nulls(count, pa.string())})


def parts(out: Table) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """New rows, and those that came."""
    is_new = out[IS_NEW.name]
    return (
        out.filter(is_new).sort_by("id").to_pylist(),
        out.filter(pa.compute.invert(is_new)).to_pylist(),
    )


def test_each_item_becomes_a_row_with_the_others_beside_it() -> None:
    came = table(text=["t", "u"], labels=[["a", "b", "a", " "], []])
    step = Unnest(column="labels", into="label", others="rest")
    made, old = parts(step.whole(came))
    assert sorted((row["label"], tuple(row["rest"])) for row in made) == [
        ("a", ("b",)), ("b", ("a",))
    ]  # fmt: skip
    assert all(
        (row["text"], row["parent_id"], row["source_id"]) == ("t", "d0", "d0") for row in made
    )
    assert [(row["id"], row["drop_reason"]) for row in old] == [("d1", "no_labels")]


def test_entries_below_a_score_become_no_row_and_inputs_may_stay() -> None:
    found = [[{"text": "near", "score": 0.9}, {"text": "far", "score": 0.2}, {"text": "new"}]]
    came = table(query=["q"], retrieved=pa.array(found, rows.RETRIEVED))
    step = Unnest(
        column="retrieved", into="query", score="how_near", min_score=0.5, keep_inputs=True
    )
    made, old = parts(step.whole(came))
    assert [(row["query"], row["how_near"]) for row in made] == [("near", pytest.approx(0.9))]
    assert [(row["query"], row["how_near"], row["drop_reason"]) for row in old] == [
        ("q", None, None)
    ]


def test_no_more_rows_are_made_than_asked() -> None:
    made, _ = parts(Unnest(column="l", into="x", most=2).whole(table(l=[["a", "b", "c"]])))
    assert {row["x"] for row in made} == {"a", "b"}


def test_a_column_without_lists_is_refused() -> None:
    with pytest.raises(RecipeError, match="column `text` holds string"):
        Unnest(column="text", into="x").whole(table(text=["a"]))


@pytest.mark.parametrize(
    "given", [{"into": "id"}, {"into": "l"}, {"into": "x", "others": "x"}, {"into": "parent_id"}]
)
def test_unnest_fills_columns_of_its_own(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Unnest.model_validate({"column": "l", **given})


def test_a_question_has_all_documents_that_list_it_as_positives() -> None:
    came = table(
        text=["one", "two", "three"],
        questions=[["who?", "what?"], ["who?"], []],
        place=["x", "y", "z"],
    )
    made, old = parts(in_order(Invert(), came.take([2, 0, 1])))
    found = {row["query"]: row for row in made}
    assert [entry["text"] for entry in found["who?"]["positives"]] == ["one", "two"]
    assert found["who?"]["doc_ids"] == ["d0", "d1"]
    assert found["who?"]["place"] is None
    assert [entry["id"] for entry in found["what?"]["positives"]] == ["d0"]
    assert found["what?"]["place"] == "x"
    assert all(row["negatives"] == [] for row in made)
    assert [(row["id"], row["drop_reason"]) for row in old] == [("d2", "no_questions")]


def test_a_single_question_needs_no_list() -> None:
    made, old = parts(in_order(Invert(column="q"), table(text=["one", "two"], q=["who?", None])))
    assert [row["query"] for row in made] == ["who?"]
    assert [row["drop_reason"] for row in old] == ["no_q"]
