from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core import rows
from synth.core.chat import Completion, Message, Request, Sampling
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.engines.choices import choice_reply
from synth.engines.fake import FakeModel
from synth.engines.specs import FakeSpec
from synth.inputs.prompts import load_prompt, parse_prompt
from synth.steps import Generate, MarginFilter
from synth.steps.ask import Answer, Ask, ModelCard
from synth.steps.generate import Generation
from synth.steps.reply import Parsed

GRADED = """\
---
purpose: Grade a passage.
needs: [query, topic]
makes: scores
reply:
  type: object
  properties: {grade: {type: integer, minimum: 1, maximum: 5}}
  required: [grade]
---
{{ topic }}: does {{ passage }} answer {{ query }}?
"""


def task(text: str | None = None, **more: Any) -> Generation:
    prompt = parse_prompt("grade", text, "grade.md") if text else load_prompt(SHIPPED, Path())
    step = Generate(prompt=prompt.name, model="judge", **more)
    return Generation(step, "judged", prompt, {"judge": ModelCard("identity", "judge")}, 3)


SHIPPED = "judge_relevance"


def entry(text: str | None, score: float | None = None) -> dict[str, Any]:
    return {"id": text, "text": text, "score": score}


def retrieval(*found: tuple[str | None, list[str | None], list[str | None]]) -> Table:
    """Rows of a query, its positives and its negatives."""
    return pa.table(
        {
            "id": [f"q{at}" for at in range(len(found))],
            "query": pa.array([query for query, _, _ in found], pa.string()),
            "topic": ["birds"] * len(found),
            "positives": pa.array(
                [[entry(text) for text in texts] for _, texts, _ in found], rows.POSITIVES
            ),
            "negatives": pa.array(
                [[entry(text, 0.5) for text in texts] for _, _, texts in found], rows.NEGATIVES
            ),
            "drop_reason": pa.nulls(len(found), pa.string()),
        }
    )


def answered(generation: Generation, batch: Table, replies: dict[str, str]) -> Table:
    """The rows after every passage got its reply; a passage without one gets an empty reply."""
    values = batch.select([field.name for field in generation.needs()]).to_pylist()
    answers = [_answer(generation, ask, values[ask.row], replies) for ask in generation.ask(batch)]
    return generation.read(batch, answers).rows


def _answer(
    generation: Generation, ask: Ask, values: dict[str, Any], replies: dict[str, str]
) -> Answer:
    if ask.request is None:
        return Answer(ask, Parsed(failure=ask.failure))
    asked = ask.request.messages[-1].content
    said = next((reply for passage, reply in replies.items() if passage in asked), "")
    return Answer(ask, generation.verdict(values, Completion(said)))


def scores(batch: Table, name: str) -> list[list[float | None]]:
    return [[one["score"] for one in entries] for entries in batch[name].to_pylist()]


def test_every_positive_and_negative_is_asked_about_by_itself() -> None:
    asks = task().ask(retrieval(("which bird", ["a heron"], ["a cat", "a dog"])))
    said = [ask.request.messages[-1].content for ask in asks if ask.request]
    for passage, content in zip(("a heron", "a cat", "a dog"), said, strict=True):
        assert f"Passage: {passage}" in content


def test_a_score_is_the_share_of_the_choice_that_counts() -> None:
    replies = {
        "a heron": '{"yes":0.6,"no":0.2}',
        "a cat": '{"no":0.9}',
        "a dog": '{"yes":0.1,"no":0.3}',
    }
    out = answered(task(), retrieval(("q", ["a heron"], ["a cat", "a dog"])), replies)
    assert scores(out, "positives") == [[0.75]]
    assert scores(out, "negatives") == [[0.0, 0.25]]
    (edit,) = out["edits"][0].as_py()
    assert (edit["step"], edit["model"], edit["prompt"]) == ("judged", "judge", SHIPPED)


def test_a_grade_is_scaled_by_the_ends_that_its_schema_gives() -> None:
    replies = {"a heron": '{"grade": 5}', "a cat": '{"grade": 1}', "a dog": '{"grade": 2}'}
    out = answered(task(GRADED), retrieval(("q", ["a heron"], ["a cat", "a dog"])), replies)
    assert scores(out, "positives") == [[1.0]]
    assert scores(out, "negatives") == [[0.0, 0.25]]


def test_a_second_opinion_is_fused_with_the_first_by_rank() -> None:
    batch = retrieval(("q", ["a heron"], ["a cat", "a dog"]))  # null, 0.5, 0.5
    first = answered(
        task(),
        batch,
        {
            "a heron": '{"yes": 0.4, "no": 0.6}',
            "a cat": '{"yes": 0.9, "no": 0.1}',
            "a dog": '{"yes": 0.1, "no": 0.9}',
        },
    )
    fused = answered(
        task(fuse=True),
        first,
        {
            "a heron": '{"yes": 0.8, "no": 0.2}',
            "a cat": '{"yes": 0.6, "no": 0.4}',
            "a dog": '{"yes": 0.5, "no": 0.5}',
        },
    )
    (heron,), (cat, dog) = scores(fused, "positives")[0], scores(fused, "negatives")[0]
    assert heron == cat == pytest.approx((1 + 61 / 62) / 2)
    assert dog == pytest.approx(61 / 63)
    assert fused["scored_by"].to_pylist() == [None]
    assert first["scored_by"].to_pylist() == ["judge"]


def test_what_got_no_answer_has_no_score_and_a_row_without_any_drops() -> None:
    batch = retrieval(
        ("q", ["a heron"], ["a cat"]), ("r", ["a crow"], []), (None, ["a hen"], []), ("s", [], [])
    )
    out = answered(task(), batch, {"a heron": '{"yes":1.0}'})
    assert scores(out, "negatives")[0] == [None]
    assert out["drop_reason"].to_pylist() == [None, "no_choice", "no_query", None]
    kept = answered(task(on_failure="keep"), batch, {})
    assert kept["drop_reason"].to_pylist() == [None] * 4
    assert scores(kept, "negatives")[0] == [0.5]


def test_a_text_that_is_blank_is_asked_about_by_nobody() -> None:
    assert len(task().ask(retrieval(("q", ["a heron"], [" ", None])))) == 1


def test_equal_questions_share_one_reply_and_are_not_repeated() -> None:
    asks = task().ask(retrieval(("q", ["a heron"], []), ("q", ["a heron"], [])))
    assert len({ask.request.key("m") for ask in asks if ask.request}) == 1
    assert asks[0].attempt(1) is None


def test_a_request_without_choices_keeps_the_key_that_it_had() -> None:
    request = Request((Message("user", "hi"),), Sampling(max_tokens=1), 0)
    assert request.key("m") == "28921877e2d2d29bd73fd405cdb44606"
    assert Request(request.messages, request.sampling, 0, None, ("a", "b")).key("m") != (
        request.key("m")
    )


def test_scores_of_an_llm_go_through_the_margin() -> None:
    replies = {"a heron": '{"yes":0.8,"no":0.2}', "a gull": '{"yes":0.79,"no":0.21}'}
    replies["a cat"] = '{"no":1.0}'
    judged = answered(task(), retrieval(("q", ["a heron"], ["a gull", "a cat"])), replies)
    out = MarginFilter(relative_margin=0.05).apply(judged)
    assert [one["text"] for one in out["negatives"][0].as_py()] == ["a cat"]
    (rejected,) = out["rejected_negatives"][0].as_py()
    assert (rejected["text"], rejected["reason"]) == ("a gull", "above_margin")


@given(
    st.lists(st.tuples(st.sampled_from(["yes", " Yes", "NO", "y", "maybe", ""]), st.floats(-9, 0)))
)
def test_tokens_speak_for_the_choice_that_they_begin(tokens: list[tuple[str, float]]) -> None:
    found = orjson.loads(choice_reply(("yes", "no"), tokens))
    assert set(found) <= {"yes", "no"}
    assert all(share > 0 for share in found.values())
    said = {text.strip().casefold() for text, _ in tokens}
    assert ("yes" in found) == bool(said & {"yes", "y"})


def test_a_token_that_begins_two_choices_speaks_for_the_one_that_it_is_or_for_none() -> None:
    tokens = [("1", -0.1), ("10", -0.2), ("hal", -0.3)]
    found = orjson.loads(choice_reply(("1", "10", "half", "hall"), tokens))
    assert list(found) == ["1", "10"]


def test_the_fake_weighs_choices_too() -> None:
    (ask,) = task().ask(retrieval(("q", ["a heron"], [])))
    assert ask.request is not None
    reply = asyncio.run(FakeModel(FakeSpec(kind="fake")).complete(ask.request))
    assert sum(orjson.loads(reply.text).values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("minimum: 1, maximum: 5", "minimum: 1", "a minimum and a maximum"),
        ("minimum: 1, maximum: 5", "minimum: 5, maximum: 5", "a maximum above it"),
        ("type: integer", "type: string", "a number or an integer"),
        ("makes: scores", "makes: scores\nchoices: {'a': 1, 'b': 0}", "leave `reply` out"),
        ("makes: scores", "makes: scores\nchoices: {yes: 1, no: 0}", "put them in quotes"),
        ("makes: scores", "makes: scores\nchoices: {'a': 2, 'b': 0}", "less than or equal to 1"),
        ("makes: scores", "makes: rows\nchoices: {'a': 1, 'b': 0}", "no use for"),
        ("{{ query }}", "{{ query }} {{ passages }}", "allows query, topic, axes, passage"),
    ],
)
def test_a_prompt_that_cannot_score_says_why(old: str, new: str, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse_prompt("grade", GRADED.replace(old, new), "grade.md")
    assert said in str(refused.value)


def test_a_prompt_that_makes_scores_says_how() -> None:
    plain = "---\npurpose: Grade.\nneeds: [query]\nmakes: scores\n---\n{{ query }} {{ passage }}\n"
    with pytest.raises(RecipeError, match="needs `choices`"):
        parse_prompt("grade", plain, "grade.md")


@pytest.mark.parametrize(
    "reply", ["[]", "7", '{"maybe": 0.9}', '{"yes": "a lot"}', "{", '{"no": -1}']
)
def test_what_is_no_weighing_of_choices_gives_no_score(reply: str) -> None:
    out = answered(task(), retrieval(("q", ["a heron"], [])), {"a heron": reply})
    assert out["drop_reason"][0].as_py() in ("no_choice", "reply_not_json")
