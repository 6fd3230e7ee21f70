"""What recipes that ask LLMs promise, seen in what they leave on the fake model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from accounts import Account, Row, accounts, faked

from synth.algorithms.languages import code_of, is_language
from synth.engines.specs import FakeSpec
from synth.inputs.shipped import shipped_folder
from synth.recipe import Recipe, load_recipe
from synth.runner import run
from synth.steps import Generate

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]


def ran(recipe: Recipe, out: Path) -> dict[str, Account]:
    return accounts(Path(run(recipe, out=str(out)).path))


def live(account: Account) -> list[Row]:
    return [row for row in account.rows if row["drop_reason"] is None]


def shipped(name: str) -> list[Row]:
    lines = (shipped_folder("recipes") / "data" / f"{name}.jsonl").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]


def with_axes(recipe: Recipe, step_name: str, axes: dict[str, dict[str, float]]) -> Recipe:
    steps = [
        step.model_copy(update={"axes": axes})
        if isinstance(step, Generate) and name == step_name
        else step
        for name, step in recipe.named_steps()
    ]
    return recipe.model_copy(update={"steps": tuple(steps)}).placed(recipe.base)


def test_sets_of_other_tasks_are_mapped_exactly(tmp_path: Path) -> None:
    found = ran(load_recipe("qzhou_transform"), tmp_path)
    titles = {(row["title"], row["text"]) for row in shipped("passages")}
    assert _pairs(live(found["titles"])) == titles
    questions = {(row["question"], row["text"]) for row in shipped("facts")}
    assert _pairs(live(found["answers"])) == questions
    claims = {(row["claim"], row["supports"], row["refutes"]) for row in shipped("claims")}
    assert {
        (row["query"], row["positives"][0]["text"], row["negatives"][0]["text"])
        for row in live(found["evidence"])
    } == claims
    grades = {"entailment": 2, "neutral": 1, "contradiction": 0}
    assert {
        (r["id"], r["premise"], r["hypothesis"], r["score"]) for r in live(found["graded"])
    } == {
        (row["id"], row["premise"], row["hypothesis"], grades[row["label"]])
        for row in shipped("inferences")
    }
    given = [(row["first"], row["second"], row["score"]) for row in shipped("similarities")]
    both = Counter((row["first"], row["second"], row["score"]) for row in live(found["both-ways"]))
    assert both == Counter([*given, *((two, one, score) for one, two, score in given)])
    label = {row["text"]: row["label"] for row in shipped("shop_mail")}
    classified = live(found["classified"])
    assert {row["query"]: row["class_id"] for row in classified} == label
    for row in classified:
        assert [label[one["text"]] for one in row["positives"]] == [row["class_id"]]
        assert row["class_id"] not in {label[one["text"]] for one in row["negatives"]}
        assert len(row["negatives"]) == 4


def _pairs(rows: list[Row]) -> set[tuple[str, str]]:
    return {(row["query"], row["positives"][0]["text"]) for row in rows}


def test_three_of_ten_negatives_are_written_and_the_others_mined_from_the_window(
    tmp_path: Path,
) -> None:
    found = ran(faked(load_recipe("qzhou_negatives")), tmp_path)
    for row in live(found["mined"]):
        ranks = {one["rank"] for one in row["negatives"] if one["origin"] == "mined"}
        # Ten that could be mined stand before them; the positive has a rank too, and is none.
        assert len(ranks) == 20
        assert ranks <= set(range(11, 32))
    full = [row["negatives"] for row in live(found["mixed"]) if len(row["negatives"]) == 10]
    assert len(full) > 10
    for own in full:
        written = sum(one["origin"].startswith("generated:") for one in own)
        assert written <= 3
    for row in live(found["mixed"]):
        written = sum(one["origin"].startswith("generated:") for one in row["negatives"])
        assert written <= 0.3 * len(row["negatives"])


def test_only_retrieval_rows_are_augmented_and_no_row_of_another_task_is_lost(
    tmp_path: Path,
) -> None:
    found = ran(faked(load_recipe("qzhou_augment")), tmp_path)
    tasks = Counter(row["task"] for row in shipped("mixed_tasks"))
    augmented = found["augmented"]
    assert set(augmented.ids) >= {row["id"] for row in shipped("mixed_tasks")}
    assert augmented.record.usage.requests <= 3 * 2 * tasks["retrieval"]
    new = [row for row in live(augmented) if row["parent_id"] is not None]
    assert {row["task"] for row in new} == {"retrieval"}
    kept = {row["id"] for row in live(found["others"])}
    assert kept == {row["id"] for row in shipped("mixed_tasks") if row["task"] != "retrieval"}


def test_a_paraphrase_keeps_its_label_and_its_grade(tmp_path: Path) -> None:
    found = ran(faked(load_recipe("qzhou_paraphrase")), tmp_path)
    given = {row["id"]: row for row in shipped("inferences")}
    grades = {"entailment": 2, "neutral": 1, "contradiction": 0}
    new = [row for row in live(found["distinct-inferences"]) if row["parent_id"]]
    assert new
    for row in new:
        parent = given[row["parent_id"]]
        assert (row["premise"], row["score"]) == (parent["premise"], grades[parent["label"]])
        assert row["text"] != parent["hypothesis"]
    labels = {row["id"]: row["label"] for row in shipped("shop_mail")}
    classified = live(found["classified"])
    assert all(row["class_id"] == labels[row["parent_id"] or row["id"]] for row in classified)
    assert any(row["parent_id"] for row in classified)


def test_a_question_has_as_many_positives_as_it_needs_passages(tmp_path: Path) -> None:
    found = ran(faked(load_recipe("nvidia_multi_hop")), tmp_path)
    questions = live(found["hops"])
    assert {int(row["hops"]) for row in questions} == {1, 2, 3}
    assert all(len(row["positives"]) == int(row["hops"]) for row in questions)
    assert all(row["positives"][0]["id"] == row["parent_id"] for row in questions)
    assert all(row["judge_score"] >= 7 for row in live(found["graded"]))


def test_models_share_rows_and_none_writes_what_it_planned_itself(tmp_path: Path) -> None:
    recipe = faked(load_recipe("nemotron_mix"))
    models = {
        name: FakeSpec(kind="fake", model=f"fake-{name}") if name != "encoder" else spec
        for name, spec in recipe.models.items()
    }
    found = ran(recipe.model_copy(update={"models": models}).placed(recipe.base), tmp_path)
    queries = Counter(row["provenance"]["model"] for row in live(found["queries"]))
    assert set(queries) == {"fake-one", "fake-two"}
    assert min(queries.values()) / queries.total() > 0.3
    texts = live(found["texts"])
    assert texts
    for row in texts:
        assert {edit["model"] for edit in row["edits"]} == (
            {"fake-one", "fake-two"} - {row["provenance"]["model"]}
        )


def test_the_positive_of_a_relabelled_row_is_the_best_of_both_opinions(tmp_path: Path) -> None:
    found = ran(faked(load_recipe("gecko_fret")), tmp_path)
    rows = live(found["relabelled"])
    assert {row["relabelled"] for row in rows} == {True, False}
    for row in rows:
        best = row["positives"][0]["score"]
        assert all(one["score"] <= best for one in row["negatives"])
    for row in live(found["worst"]):
        rejected = [one["score"] for one in row["rejected_negatives"]]
        assert all(one["score"] <= min(rejected) for one in row["negatives"])


LANGUAGES = {"German": 1.0, "French": 1.0, "English": 2.0}


@pytest.mark.parametrize(
    ("name", "step", "text", "column"),
    [
        ("qwen3_persona", "queries", "query", "language"),
        ("translate", "translations", "translation", "language"),
        ("paraphrase", "paraphrases", "text", None),
    ],
)
def test_a_language_axis_is_drawn_and_other_languages_drop(
    name: str, step: str, text: str, column: str | None, tmp_path: Path
) -> None:
    found = ran(with_axes(faked(load_recipe(name)), step, {"language": LANGUAGES}), tmp_path)
    new = [row for row in found[step].rows if row["parent_id"] is not None]
    drawn = Counter(_drawn(row) for row in new)
    assert set(drawn) == set(LANGUAGES)
    assert drawn["English"] / drawn.total() == pytest.approx(0.5, abs=0.2)
    # What the fake writes is mostly no German, as with a model that has none.
    assert found[step].dropped["check_language"]
    for row in new:
        if row["drop_reason"] is None:
            assert column is None or row[column] == _drawn(row)
            assert is_language(row[text], str(code_of(_drawn(row))), 0.5)


def _drawn(row: Row) -> str:
    axes: dict[str, Any] = orjson.loads(row["provenance"]["axes"])
    return str(axes["language"])
