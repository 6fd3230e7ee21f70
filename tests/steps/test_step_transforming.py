"""Steps that turn sets of other tasks into training rows map exactly."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.core import rows
from synth.core.rows import Table
from synth.steps import Compose, LabelPairs, LanguageFilter, Mirror, Recode, RetrievalRow
from synth.steps.whole import IS_NEW, in_order


def table(**columns: Any) -> Table:
    count = len(next(iter(columns.values())))
    ids = [f"d{at:03}" for at in range(count)]
    return pa.table(
        {"id": pa.array(ids, pa.string()), **columns, "drop_reason": pa.nulls(count, pa.string())}
    )


def reasons(out: Table) -> list[str | None]:
    return list(out["drop_reason"].to_pylist())


# recode


def test_inferences_get_the_numbers_that_they_stand_for() -> None:
    came = table(label=["entailment", "neutral", "contradiction", "maybe", None])
    step = Recode(numbers={"entailment": 2, "neutral": 1, "contradiction": 0})
    out = step.apply(came)
    assert out["score"].to_pylist() == [2, 1, 0, None, None]
    assert reasons(out) == [None, None, None, "unknown_label", "no_label"]


@pytest.mark.parametrize("labels", [[0, 1], [False, True]])
def test_labels_may_be_numbers_or_truth_values(labels: list[Any]) -> None:
    step = Recode.model_validate({"numbers": {labels[0]: 0.0, labels[1]: 1.0}})
    assert step.apply(table(label=labels))["score"].to_pylist() == [0, 1]


def test_numbers_do_not_take_the_place_of_the_label() -> None:
    with pytest.raises(ValidationError, match="name another column"):
        Recode(numbers={"a": 1}, into="label")


# mirror

PAIRS = st.lists(st.tuples(st.text("ab", max_size=3), st.text("cd", max_size=3)), max_size=9)


@given(pairs=PAIRS)
def test_each_pair_comes_in_both_directions_with_all_else_the_same(
    pairs: list[tuple[str, str]],
) -> None:
    came = table(
        one=pa.array([one for one, _ in pairs], pa.string()),
        two=pa.array([two for _, two in pairs], pa.string()),
        score=pa.array(range(len(pairs)), pa.int64()),
    )
    out = in_order(Mirror(columns=("one", "two")), came)
    live = [row for row in out.to_pylist() if row["drop_reason"] is None]
    good = [(n, one, two) for n, (one, two) in enumerate(pairs) if one and two]
    assert Counter((row["score"], row["one"], row["two"]) for row in live) == Counter(
        [*good, *((n, two, one) for n, one, two in good)]
    )
    new = [row for row in out.to_pylist() if row[IS_NEW.name]]
    assert [row["parent_id"] for row in new] == [f"d{n:03}" for n, _, _ in good]
    assert len({row["id"] for row in out.to_pylist()}) == out.num_rows


def test_columns_beside_the_texts_are_exchanged_where_a_step_says_so() -> None:
    came = table(one=["bread"], two=["Brot"], from_=["en"], to=["de"])
    out = in_order(Mirror(columns=("one", "two"), also=(("from_", "to"),)), came)
    assert out.to_pylist()[1]["from_"] == "de"
    assert out.to_pylist()[1]["to"] == "en"
    with pytest.raises(ValidationError, match="'two' is exchanged twice"):
        Mirror(columns=("one", "two"), also=(("two", "to"),))


# label_pairs

LABELLED = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["x", "y", "z", None])), max_size=25
)


@given(labelled=LABELLED, seed=st.integers(0, 5))
def test_positives_share_the_label_and_negatives_do_not(
    labelled: list[tuple[str, str | None]], seed: int
) -> None:
    came = table(
        text=pa.array([text for text, _ in labelled], pa.string()),
        label=pa.array([label for _, label in labelled], pa.string()),
    )
    out = in_order(LabelPairs(positives=2, negatives=3, seed=seed), came)
    texts = {label: {t for t, own in labelled if own == label} for label in "xyz"}
    for (text, label), row in zip(labelled, out.to_pylist(), strict=True):
        good = [entry["text"] for entry in row["positives"]]
        bad = [entry["text"] for entry in row["negatives"]]
        if label is None:
            assert row["drop_reason"] == "no_label"
            continue
        assert (row["query"], row["class_id"]) == (text, label)
        assert set(good) <= texts[label] - {text}
        assert not set(bad) & (texts[label] | {text})
        assert len(set(good)) == len(good) == min(2, len(texts[label] - {text}))
        assert len(set(bad)) == len(bad)
        assert (row["drop_reason"] == "only_one_of_label") == (not good)


def test_the_class_is_beside_the_texts_and_not_in_them() -> None:
    came = table(text=["a b", "c d", "e f", "g h"], label=[1, 1, 2, 2])
    out = in_order(LabelPairs(), came)
    assert out["class_id"].to_pylist() == ["1", "1", "2", "2"]
    assert out["query"].to_pylist() == came["text"].to_pylist()
    assert [entry["origin"] for entry in out["negatives"][0].as_py()] == ["label", "label"]
    assert {entry["id"] for entry in out["positives"][0].as_py()} == {"d001"}


# compose


def test_a_text_goes_behind_its_source() -> None:
    came = table(text=["Glass.", None], more=["It melts.", "Gone."])
    step = Compose(template="{{ text }}\n\n{{ more }}")
    assert [field.name for field in step.needs()] == ["more", "text"]
    out = step.apply(came)
    assert out["text"].to_pylist() == ["Glass.\n\nIt melts.", None]
    assert reasons(out) == [None, "no_text"]


def test_records_become_lines() -> None:
    kind = pa.list_(pa.struct([("question", pa.string()), ("answer", pa.string())]))
    told = pa.array([[{"question": "A?", "answer": "B."}], []], kind)
    template = "{% for one in asked %}\n{{ one.question }} {{ one.answer }}\n{% endfor %}"
    out = Compose(template=template, into="lines").apply(table(asked=told))
    assert out["lines"].to_pylist() == ["A? B.", None]
    assert reasons(out) == [None, "not_composed"]


def test_template_code_in_a_row_is_text() -> None:
    out = Compose(template="{{ text }}!").apply(table(text=["{{ 6 * 7 }}"]))
    assert out["text"].to_pylist() == ["{{ 6 * 7 }}!"]


@pytest.mark.parametrize(
    "template",
    ["no column", "{{ text", "{% include 'x' %}{{ text }}", "{{ text.__class__ }}", "{{ a|nope }}"],
)
def test_a_template_that_cannot_serve_is_refused(template: str) -> None:
    with pytest.raises(ValidationError):
        Compose(template=template)


# retrieval_row


def test_so_many_positives_count_as_a_column_says() -> None:
    found = [[{"id": "r1", "text": "two"}, {"id": "r2", "text": "three"}]] * 3
    came = table(
        text=["one"] * 3,
        retrieved=pa.array(found, rows.RETRIEVED),
        hops=["1", "3", "none"],
        parent_id=["p"] * 3,
    )
    step = RetrievalRow(positives=("text", "retrieved"), positive_id="parent_id", most="hops")
    out = step.apply(came)
    ids = [[entry["id"] for entry in own] for own in out["positives"].to_pylist()]
    assert ids == [["p"], ["p", "r1", "r2"], []]
    assert reasons(out) == [None, None, "no_positive"]


def test_a_long_positive_is_cut_after_whole_words_and_keeps_its_spaces() -> None:
    step = RetrievalRow(query="title", positives=("text",), negatives=("bad",), max_words=2)
    out = step.apply(table(title=["t"], text=["one\n two  three"], bad=["x"]))
    assert out["positives"].to_pylist()[0][0]["text"] == "one\n two"
    assert out["negatives"].to_pylist()[0][0]["text"] == "x"


# language_filter

ENGLISH = "The heron waits in shallow water until a fish swims near."
GERMAN = "Der Reiher wartet im flachen Wasser, bis ein Fisch naht."


def test_texts_in_other_languages_drop_and_say_which() -> None:
    came = table(text=[ENGLISH, GERMAN, None, "42"])
    out = LanguageFilter(languages=("English",)).apply(came)
    assert reasons(out) == [None, "wrong_language", "no_text", None]
    assert out["found_language"].to_pylist()[:3] == ["en", "de", None]
    assert out["found_language_confidence"][1].as_py() > 0.9


def test_each_row_may_name_its_own_language() -> None:
    came = table(text=[ENGLISH, GERMAN, GERMAN, GERMAN], language=["en", "German", "fr", "Elvish"])
    out = LanguageFilter(named="language").apply(came)
    assert reasons(out) == [None, None, "wrong_language", "unknown_language"]


def test_without_a_language_nothing_drops() -> None:
    out = LanguageFilter().apply(table(text=[ENGLISH, GERMAN]))
    assert reasons(out) == [None, None]
    with pytest.raises(ValidationError, match="there is no language 'Elvish' here"):
        LanguageFilter(languages=("Elvish",))
