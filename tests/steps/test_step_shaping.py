"""Steps that measure, sort and rearrange rows: quotas hold, nothing is lost, nothing invented."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import (
    Bucket,
    Measure,
    Quota,
    RetrievalRow,
    ScoreCascade,
    Serialize,
    ValueFilter,
)
from synth.steps.score_cascade import Rule
from synth.steps.whole import facts_of, in_order


def table(**columns: Any) -> Table:
    count = len(next(iter(columns.values())))
    ids = [f"d{at:03}" for at in range(count)]
    return pa.table({"id": ids, **columns, "drop_reason": pa.nulls(count, pa.string())})


def reasons(out: Table) -> list[str | None]:
    return list(out["drop_reason"].to_pylist())


def kept(out: Table, column: str) -> Counter[Any]:
    return Counter(rows.live(out)[column].to_pylist())


VALUES = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40)


@given(values=VALUES, most=st.integers(0, 6))
def test_a_quota_keeps_as_many_of_each_value_as_there_are_up_to_it(
    values: list[str | None], most: int
) -> None:
    came = table(kind=pa.array(values, pa.string()))
    out = in_order(Quota(column="kind", rows=most), came)
    there = Counter(value for value in values if value is not None)
    assert kept(out, "kind") == +Counter({v: min(most, n) for v, n in there.items()})
    assert reasons(out).count("no_kind") == values.count(None)


@given(values=VALUES, most=st.integers(0, 6))
def test_a_larger_quota_keeps_all_that_a_smaller_one_does(
    values: list[str | None], most: int
) -> None:
    came = table(kind=pa.array(values, pa.string()))
    small, large = (
        set(rows.live(in_order(Quota(column="kind", rows=n), came))["id"].to_pylist())
        for n in (most, most + 1)
    )
    assert small <= large


def test_each_stratum_may_have_a_quota_of_its_own() -> None:
    out = in_order(Quota(column="kind", rows={"a": 2, "b": 0}), table(kind=["a"] * 3 + ["b", "c"]))
    assert kept(out, "kind") == {"a": 2}
    assert sorted(map(str, reasons(out))) == [
        "None", "None", "no_quota", "over_quota", "over_quota"
    ]  # fmt: skip
    assert facts_of(out) == {"rows of each kind": "a: 2 of 3, b: 0 of 1, c: 0 of 1"}


def test_a_number_is_in_the_stratum_that_begins_at_or_below_it() -> None:
    step = Bucket(column="words", edges=(10, 20.5), into="stratum")
    out = step.apply(table(words=pa.array([9, 10, 20, 21, None])))
    assert step.names == ["under 10", "10 to under 20.5", "20.5 and more"]
    assert out["stratum"].to_pylist() == [
        "under 10", "10 to under 20.5", "10 to under 20.5", "20.5 and more", None
    ]  # fmt: skip
    assert reasons(out) == [None, None, None, None, "no_words"]
    with pytest.raises(ValidationError, match="rise"):
        Bucket(column="words", edges=(2, 1))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Measure(what="words"), [5, None]),
        (Measure(what="characters"), [22, None]),
        (Measure(what="distinct_words"), [0.6, None]),
        (Measure(what="letters"), [12 / 18, None]),
        (Measure(what="coverage", of=("name", "year")), [2 / 3, None]),
    ],
)
def test_a_text_is_measured(step: Measure, expected: list[float | None]) -> None:
    came = table(text=["The cat, the 1999 cat.", "  "], name=["Cat Bo", "x"], year=[1999, 1])
    out = step.apply(came)
    found = out[step.into or step.what].to_pylist()
    assert found == [pytest.approx(expected[0]), expected[1]]
    assert reasons(out) == [None, None]


def test_tokens_are_those_of_the_tokenizer() -> None:
    step = Measure(what="tokens", tokenizer="bundled/smollm2-135m-instruct", into="length")
    assert step.apply(table(text=["one two", None]))["length"].to_pylist() == [2, None]


@pytest.mark.parametrize(
    "given", [{"what": "coverage"}, {"what": "words", "of": ["x"]}, {"what": "tokens"}]
)
def test_a_measure_has_what_it_takes_and_nothing_else(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Measure.model_validate(given)


def test_a_value_that_is_not_named_drops_with_the_column_in_its_reason() -> None:
    came = table(task=["sts", "nli", None])
    assert reasons(ValueFilter.model_validate({"column": "task", "keep": "sts"}).apply(came)) == [
        None, "other_task", "no_task"
    ]  # fmt: skip
    step = ValueFilter.model_validate({"column": "length", "keep": [256]})
    assert reasons(step.apply(table(length=[256, 512]))) == [None, "other_length"]


def test_a_record_reads_name_colon_value_and_leaves_out_what_is_missing() -> None:
    came = table(name=["Bo", None], height_m=[3, None], tags=[["a", "b"], None], old=[True, None])
    out = Serialize(columns=("name", "height_m", "tags", "old")).apply(came)
    assert out["text"].to_pylist() == ["name: Bo; height m: 3; tags: a, b; old: yes", None]
    assert reasons(out) == [None, "no_value"]


def test_a_retrieval_row_takes_texts_lists_and_entries() -> None:
    found = [[{"id": "r", "text": "near"}, {"id": "s", "text": "same"}], []]
    came = table(
        title=["t", None],
        body=["same", "b"],
        others=[["one", "same", "one"], []],
        retrieved=pa.array(found, rows.RETRIEVED),
        grade=["4.5", "1"],
    )
    step = RetrievalRow(
        query="title",
        positives=("body",),
        negatives=("others", "retrieved"),
        score="grade",
        origin="label",
    )
    out = step.apply(came)
    first = out.to_pylist()[0]
    assert (first["query"], first["positives"][0]["text"]) == ("t", "same")
    assert first["positives"][0]["score"] == 4.5
    assert [(one["text"], one["origin"]) for one in first["negatives"]] == [
        ("one", "label"), ("near", "label")
    ]  # fmt: skip
    assert first["negatives"][1]["id"] == "r"
    assert reasons(out) == [None, "no_query"]


def test_a_retrieval_row_leaves_alone_what_is_not_named() -> None:
    positives = pa.array([[{"id": "p", "text": "x", "score": 0.5}]], rows.POSITIVES)
    came = table(query=["q"], positives=positives, near=[["n"]])
    out = RetrievalRow(negatives=("near",)).apply(came)
    assert out["positives"].to_pylist() == positives.to_pylist()
    assert out["query"].to_pylist() == ["q"]
    assert reasons(out) == [None]
    assert reasons(RetrievalRow(positives=("near",)).apply(table(near=[[], ["n"]]))) == [
        "no_positive", None
    ]  # fmt: skip


def test_a_transformation_maps_titles_to_bodies_exactly() -> None:
    titles, bodies = [f"title {at}" for at in range(9)], [f"body {at}" for at in range(9)]
    step = RetrievalRow(query="title", positives=("body",), positive_id="id", negatives=())
    out = step.apply(table(title=titles, body=bodies))
    assert all(row["positives"][0]["id"] == row["id"] for row in out.to_pylist())
    pairs = [(row["query"], [p["text"] for p in row["positives"]]) for row in out.to_pylist()]
    assert pairs == [(title, [body]) for title, body in zip(titles, bodies, strict=True)]


RULES = (Rule(column="a", min=3), Rule(column="b", max=6), Rule(column="a", max=8))


@given(pairs=st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 9))] * 2), max_size=30))
def test_a_cascade_names_the_first_rule_that_fails_and_keeps_all_scores(pairs: list[Any]) -> None:
    a, b = ([pair[at] for pair in pairs] for at in (0, 1))
    came = table(a=pa.array(a, pa.int64()), b=pa.array(b, pa.int64()))
    marked = in_order(ScoreCascade(rules=RULES, drop=False), came)
    dropped = in_order(ScoreCascade(rules=RULES), came)

    def first(one: int | None, other: int | None) -> str:
        if one is None:
            return "no_a"
        if one < 3:
            return "below_min_a"
        if other is None:
            return "no_b"
        if other > 6:
            return "above_max_b"
        return "above_max_a" if one > 8 else "kept"

    assert marked["status"].to_pylist() == [first(*pair) for pair in pairs]
    assert reasons(marked) == [None] * len(pairs)
    assert reasons(dropped) == [None if (w := first(*p)) == "kept" else w for p in pairs]
    assert dropped.select(["a", "b"]).equals(came.select(["a", "b"]))


def test_a_cascade_tells_what_each_threshold_takes_alone_and_in_its_place() -> None:
    scores = [[{"id": "p", "text": "x", "score": score}] for score in (0.1, 0.5, 0.9)]
    came = table(words=[1, 2, 3], positives=pa.array(scores, rows.POSITIVES))
    rules = (Rule(column="words", min=2), Rule(column="positives", min=0.6))
    told = facts_of(in_order(ScoreCascade(rules=rules), came))
    assert told["2 <= words"].startswith("takes 1, alone 1 of 3; 5% below 1.1")
    assert told["0.6 <= positives"].startswith("takes 1, alone 2 of 3")


def test_a_cascade_of_texts_is_refused() -> None:
    with pytest.raises(RecipeError, match="score_cascade reads numbers; column `text` holds"):
        in_order(ScoreCascade(rules=(Rule(column="text", min=1),)), table(text=["9"]))
    with pytest.raises(ValidationError, match="give `min`"):
        Rule(column="a")


def test_scores_of_a_list_count_by_the_lowest_and_not_where_one_is_missing() -> None:
    lists: list[list[float | None]] = [[0.5, 0.2], [0.5, None], []]
    entries = [[{"id": "p", "text": "x", "score": one} for one in own] for own in lists]
    step = Bucket(column="positives", edges=(0.4,))
    out = step.apply(table(positives=pa.array(entries, rows.POSITIVES)))
    assert out["bucket"].to_pylist() == ["under 0.4", None, None]
