"""For which tasks a prompt is, in which language a reply is, who is asked, what a pair has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.algorithms.fusion import fused_scores
from synth.core import rows
from synth.core.chat import Completion
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.inputs.prompts import load_prompt, parse_prompt
from synth.inputs.shipped import shipped_names
from synth.plan.checks import check_prompt
from synth.steps import Generate
from synth.steps.ask import NOT_FOR_TASK, Answer, ModelCard
from synth.steps.generate import Generation
from synth.steps.reply import Parsed

SPOKEN = """\
---
purpose: Say it in a language.
needs: [text, asked]
axes: {language: [German, French]}
makes: rows
into: said
checks: [CHECK]
---
{{ text }} {{ asked }} {{ axes.language }}
"""
ENGLISH = "The heron waits in shallow water until a fish swims near."
GERMAN = "Der Reiher wartet im flachen Wasser, bis ein Fisch naht."
FRENCH = "Le héron attend dans l'eau peu profonde qu'un poisson approche."
TRIPLE = """\
---
purpose: Write a triple.
needs: [text]
axes: {hops: [one]}
makes: pairs
into: {query: q, positive: p, negative: n, answer: a, facts: f}
axes_into: {hops: hops}
tasks: [retrieval]
reply:
  type: object
  properties:
    q: {type: string}
    p: {type: string}
    n: {type: string}
    a: {type: string}
    f:
      type: array
      items: {type: object, properties: {name: {type: string}, year: {type: integer}}}
  required: [q, p, n, a, f]
---
{{ text }} {{ axes.hops }}
"""


def bound(text: str, labels: tuple[str, ...] = ("writer",), **more: Any) -> Generation:
    prompt = parse_prompt("made", text, "made.md")
    models: dict[str, Any] = {"model": "m0"}
    if len(labels) > 1:
        models = {"models": {f"m{at}": 1.0 for at in range(len(labels))}}
    cards = {f"m{at}": ModelCard(f"identity {at}", label) for at, label in enumerate(labels)}
    return Generation(Generate(prompt="made", **models, **more), "step", prompt, cards, 7)


def table(**columns: Any) -> Table:
    count = len(next(iter(columns.values())))
    ids = pa.array([f"d{at}" for at in range(count)], pa.string())
    return pa.table({"id": ids, **columns, "drop_reason": pa.nulls(count, pa.string())})


# Examples.


SHOWN = """\
---
purpose: Shorten a text.
needs: [text]
makes: rows
into: {said: short, more: others}
reply:
  type: object
  properties: {short: {type: string}, others: {type: array, items: {type: string}}}
checks: [{kind: not_example, words: 5}]
---
# user
Glass is made of sand.
# assistant
{"short": "Glass is sand, melted with soda.", "others": ["Soda lowers the melting point."]}
# user
{{ text }}
"""
FIVE = ("Glass is sand melted with", "Soda LOWERS the, melting - point", "lowers the melting point")


@given(
    run=st.sampled_from([*FIVE, "Glass is sand melted", "sand is glass melted with soda"]),
    around=st.tuples(*[st.sampled_from(["", "And ", "in 1,500 ways - "])] * 2),
    listed=st.booleans(),
)
def test_a_reply_repeats_no_run_of_words_of_an_example(
    run: str, around: tuple[str, str], listed: bool
) -> None:
    text = f"{around[0]}{run} {around[1]}x"
    said = {"short": "New.", "others": ["Own.", text]} if listed else {"short": text, "others": []}
    verdict = bound(SHOWN).verdict({"text": "a"}, Completion(orjson.dumps(said).decode()))
    expected = "check_not_example" if run in FIVE[:2] else None
    assert verdict.failure == expected


def test_a_prompt_without_examples_has_none_to_repeat() -> None:
    head, _, rest = SHOWN.partition("# user\nGlass")
    task = bound(head + rest[rest.rindex("# user") :])
    verdict = task.verdict(
        {"text": "a"}, Completion('{"short": "Glass is sand, melted with soda."}')
    )
    assert verdict.failure is None


@pytest.mark.parametrize("name", shipped_names("prompts"))
def test_what_shipped_prompts_write_repeats_none_of_their_examples(name: str) -> None:
    prompt = load_prompt(name, Path())
    chooses = name.startswith(("judge_", "rank_")) or name == "persona_question_plan"
    held = [check.kind for check in prompt.head.checks]
    assert ("not_example" in held) == (not chooses and bool(prompt.examples))


# Languages.


@pytest.mark.parametrize(
    ("check", "row", "drawn", "good", "bad"),
    [
        ("{kind: language, axis: language}", {}, "German", GERMAN, FRENCH),
        ("{kind: language, axis: language}", {}, "French", FRENCH, GERMAN),
        ("{kind: language, column: asked}", {"asked": "de"}, "French", GERMAN, FRENCH),
        ("{kind: language, of: text}", {"text": ENGLISH}, "French", ENGLISH, GERMAN),
        ("{kind: language, axis: language, of: text}", {"text": ENGLISH}, "any", ENGLISH, GERMAN),
        ("{kind: language, axis: language, of: text}", {"text": ENGLISH}, "de", GERMAN, ENGLISH),
    ],
)
def test_a_reply_is_in_the_language_that_was_asked_for(
    check: str, row: dict[str, str], drawn: str, good: str, bad: str
) -> None:
    task = bound(SPOKEN.replace("CHECK", check))
    values = {"text": "x", "asked": "x"} | row
    assert task.verdict(values, Completion(good), {"language": drawn}).failure is None
    refused = task.verdict(values, Completion(bad), {"language": drawn})
    assert refused.failure == "check_language"


def test_a_reply_in_a_language_that_nobody_knows_is_no_good_reply() -> None:
    task = bound(SPOKEN.replace("CHECK", "{kind: language, column: asked}"))
    verdict = task.verdict({"text": "x", "asked": "Elvish"}, Completion(GERMAN), {})
    assert verdict.failure == "check_language"


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("{kind: language}", "give `axis`, `column` or `of`"),
        ("{kind: language, axis: language, column: asked}", "not by both"),
        ("{kind: language, axis: tone}", "names axis 'tone'; its axes are language"),
        ("{kind: language, column: tongue}", "reads 'tongue', which `needs` must name"),
        ("{kind: language, of: tongue}", "reads 'tongue', which `needs` must name"),
    ],
)
def test_a_check_of_languages_that_cannot_hold_says_why(check: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        parse_prompt("made", SPOKEN.replace("CHECK", check), "made.md")


def test_an_axis_of_languages_has_languages_in_the_prompt_and_in_the_step() -> None:
    check = SPOKEN.replace("CHECK", "{kind: language, axis: language}")
    with pytest.raises(RecipeError, match="cannot tell 'Elvish' of axis 'language'"):
        parse_prompt("made", check.replace("French", "Elvish"), "made.md")
    head = parse_prompt("made", check, "made.md").head
    step = Generate(prompt="made", model="m0", axes={"language": {"Elvish": 1}})
    with pytest.raises(RecipeError, match="step 1: check language cannot tell 'Elvish'"):
        check_prompt("step 1", step, head)


def test_three_shipped_recipes_may_be_told_other_languages() -> None:
    for name in ("persona_query", "translate", "paraphrase"):
        head = load_prompt(name, Path()).head
        step = Generate(prompt=name, model="m0", axes={"language": {"Hindi": 1, "pt": 2}})
        check_prompt("step 1", step, head)
        assert "language" in {check.kind for check in head.checks}


# Tasks.


def test_a_row_of_another_task_is_not_asked_about() -> None:
    rows_of = table(text=["a", "b", "c"], task=["retrieval", "nli", None])
    asks = bound(TRIPLE).ask(rows_of)
    assert [ask.failure for ask in asks] == [None, NOT_FOR_TASK, None]
    assert asks[1].request is None
    without = bound(TRIPLE).ask(rows_of.drop_columns(["task"]))
    assert [ask.failure for ask in without] == [None, None, None]


def test_a_row_of_another_task_goes_on_where_inputs_are_kept_and_drops_elsewhere() -> None:
    batch = table(text=["a"], task=["nli"])
    for keeps, reason in ((True, None), (False, NOT_FOR_TASK)):
        task = bound(TRIPLE, keep_inputs=keeps, n=2)
        answers = [Answer(ask, Parsed(failure=ask.failure)) for ask in task.ask(batch)]
        (row,) = task.read(batch, answers).rows.to_pylist()
        assert (row["id"], row["drop_reason"]) == ("d0", reason)


# What may be done to rows of a task (QZhou-Embedding): paraphrase all, augment retrieval alone,
# write negatives for retrieval alone.
POLICY = {
    "paraphrase_query_and_passage": {"retrieval"},
    "paraphrase_pair": {"retrieval"},
    "paraphrase_sentence": {"nli", "sts", "classification"},
    "augment_pair": {"retrieval"},
    "hard_negative": {"retrieval"},
}


@pytest.mark.parametrize("name", POLICY)
def test_the_policy_of_tasks_is_that_of_the_paper(name: str) -> None:
    assert set(load_prompt(name, Path()).head.tasks) == POLICY[name]
    assert name in shipped_names("prompts")


# The published weights of E5-mistral.
PUBLISHED = {
    ("e5_short_long", "query_type"): {"extremely long-tail": 0.4, "long-tail": 0.5, "common": 0.1},
    ("e5_short_long", "query_length"): {
        "less than 5 words": 0.4, "5 to 15 words": 0.4, "at least 10 words": 0.2
    },
    ("e5_short_long", "clarity"): {
        "clear": 0.6, "understandable with some effort": 0.2, "ambiguous": 0.2
    },
    ("e5_short_long", "num_words"): dict.fromkeys(("50", "100", "200", "300", "400", "500"), 1 / 6),
    ("e5_long_short", "num_words"): {
        "less than 10": 0.1, "at least 10": 0.3, "at least 50": 0.2, "at least 100": 0.2,
        "at least 200": 0.2,
    },
    ("e5_sts", "unit"): {"sentence": 0.9, "phrase": 0.05, "passage": 0.05},
    ("e5_sts", "high"): dict.fromkeys(("4", "4.5", "5"), 1 / 3),
    ("e5_sts", "low"): dict.fromkeys(("2.5", "3", "3.5"), 1 / 3),
    ("e5_bitext", "unit"): {"sentence": 0.9, "phrase": 0.05, "passage": 0.05},
}  # fmt: skip


@pytest.mark.parametrize(("name", "axis"), PUBLISHED)
def test_axes_have_the_published_values_and_weights(name: str, axis: str) -> None:
    prompt = load_prompt(name, Path())
    weights = prompt.head.axes[axis]
    shares = {value: weight / sum(weights.values()) for value, weight in weights.items()}
    assert shares == pytest.approx(PUBLISHED[name, axis])
    drawn = [prompt.draw_axes(seed)[axis] for seed in range(2000)]
    found = {value: drawn.count(value) / len(drawn) for value in weights}
    assert found == pytest.approx(shares, abs=0.04)


def test_half_of_the_examples_have_a_level() -> None:
    axes = load_prompt("e5_short_long", Path()).head.axes["difficulty"]
    assert axes == {"any": 3, "high school": 1, "college": 1, "PhD": 1}


# Pairs with more than a query and a positive.


def test_a_reply_with_a_negative_and_more_fills_a_whole_row() -> None:
    task, batch = bound(TRIPLE), table(text=["a"])
    (ask,) = task.ask(batch)
    said = {"q": "which", "p": "good", "n": "bad", "a": "yes", "f": [{"name": "x", "year": 3}]}
    parsed = task.verdict({"text": "a"}, Completion(orjson.dumps(said).decode()), ask.axes)
    made = task.read(batch, [Answer(ask, parsed)]).rows
    assert made.schema == rows.with_fields(batch.schema, task.adds())
    (row,) = made.to_pylist()
    assert row["query"] == "which"
    assert [entry["text"] for entry in row["positives"]] == ["good"]
    assert [(entry["text"], entry["origin"]) for entry in row["negatives"]] == [
        ("bad", "generated:writer")
    ]
    assert (row["answer"], row["hops"]) == ("yes", "one")
    assert row["facts"] == [{"name": "x", "year": 3}]


# Several LLMs.


def test_a_row_is_asked_about_of_another_model_than_wrote_it() -> None:
    labels = ("gpt", "mixtral", "llama")
    made_by = [{"model": labels[at % 3]} for at in range(60)]
    batch = table(text=["a"] * 60, provenance=pa.array(made_by, rows.PROVENANCE))
    task = bound(TRIPLE, labels, cross_model=True)
    asked = [task.cards[ask.model].label for ask in task.ask(batch)]
    assert all(one != by["model"] for one, by in zip(asked, made_by, strict=True))
    assert set(asked) == set(labels)
    assert "provenance" in [field.name for field in task.needs()]


def test_where_all_models_are_one_it_is_asked_nevertheless() -> None:
    batch = table(text=["a"], provenance=pa.array([{"model": "gpt"}], rows.PROVENANCE))
    assert bound(TRIPLE, ("gpt", "gpt"), cross_model=True).ask(batch)[0].request is not None
    with pytest.raises(ValidationError, match="give several `models`"):
        Generate(prompt="made", model="one", cross_model=True)


def test_equal_weights_share_rows_equally() -> None:
    asked = [ask.model for ask in bound(TRIPLE, ("a", "b", "c")).ask(table(text=["t"] * 900))]
    assert [asked.count(f"m{at}") / 900 for at in range(3)] == pytest.approx([1 / 3] * 3, abs=0.05)


# Two opinions.

SCORES = st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=8)


@given(scores=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_what_both_opinions_prefer_is_preferred(scores: list[tuple[int, int]]) -> None:
    one, other = [list(side) for side in zip(*scores, strict=True)]
    fused = [score for score in fused_scores(one, other) if score is not None]
    assert len(fused) == len(scores)
    assert all(0 < score <= 1 for score in fused)
    for (a, b), first in zip(scores, fused, strict=True):
        for (c, d), second in zip(scores, fused, strict=True):
            assert first >= second if a >= c and b >= d else True
    assert fused == fused_scores(other, one)


@given(scores=SCORES)
def test_an_opinion_without_a_preference_changes_no_order(scores: list[int | None]) -> None:
    fused = fused_scores(scores, [7] * len(scores))
    assert [one is None for one in fused] == [one is None for one in scores]
    known = [at for at, score in enumerate(scores) if score is not None]
    by_score = sorted(known, key=lambda at: -(scores[at] or 0))
    assert by_score == sorted(known, key=lambda at: -(fused[at] or 0))


def test_a_text_that_is_first_in_both_scores_one() -> None:
    assert fused_scores([0.2, 0.9], [3, 8]) == [pytest.approx(61 / 62), 1.0]


def test_only_scores_can_be_fused() -> None:
    head = load_prompt("translate", Path()).head
    with pytest.raises(RecipeError, match="prompt 'translate' makes rows"):
        check_prompt("step 1", Generate(prompt="translate", model="m0", fuse=True), head)


def test_an_axis_beside_a_text_has_languages_or_says_the_same() -> None:
    check = SPOKEN.replace("CHECK", "{kind: language, axis: language, of: text}")
    parse_prompt("made", check.replace("French", "the same language"), "made.md")
    with pytest.raises(RecipeError, match=r"cannot tell 'Frensh' .* say `the same language`"):
        parse_prompt("made", check.replace("French", "Frensh"), "made.md")
