import asyncio
import time
from collections.abc import Callable
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core.chat import DEFAULT_SAMPLING, Completion, Message, Request, Sampling
from synth.core.ids import canonical_json
from synth.engines.fake import FakeModel
from synth.engines.load import load_encoder, load_llm, load_scorer
from synth.engines.specs import FakeSpec

TEXT = "The cat sat on the mat and watched the rain fall on the quiet street."


def fake(**more: Any) -> FakeModel:
    return FakeModel(FakeSpec(kind="fake", **more))


def asking(content: str = TEXT, seed: int = 1, schema: dict[str, Any] | None = None) -> Request:
    written = None if schema is None else canonical_json(schema).decode()
    return Request((Message("user", content),), DEFAULT_SAMPLING, seed, written)


def reply(model: FakeModel, request: Request) -> Completion:
    return asyncio.run(model.complete(request))


@given(st.text(), st.integers(0, 2**31 - 1))
def test_a_reply_depends_on_the_request_alone(content: str, seed: int) -> None:
    request = asking(content, seed)
    assert reply(fake(), request) == reply(fake(latency_s=0.0001, max_in_flight=1), request)
    assert reply(fake(), request).text


def test_another_seed_name_or_question_gives_another_reply() -> None:
    said = reply(fake(), asking()).text
    assert reply(fake(), asking(seed=2)).text != said
    assert reply(fake(model="other"), asking()).text != said
    assert reply(fake(), asking(TEXT.upper() + " Again.")).text != said


def test_a_reply_is_about_what_was_asked_without_being_a_copy() -> None:
    said = reply(fake(), asking(TEXT * 3))
    words = said.text.lower().strip(".").split()
    shared = sum(word in TEXT.lower() for word in words) / len(words)
    assert 0.2 < shared < 0.8
    assert said.prompt_tokens > said.output_tokens == len(words)


def test_a_reply_stays_within_the_tokens_asked_for() -> None:
    request = Request((Message("user", TEXT * 50),), Sampling(max_tokens=20), 1)
    assert reply(fake(), request).output_tokens <= 20


def whole(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@st.composite
def numbers(draw: Callable[[Any], Any]) -> dict[str, Any]:
    kind = draw(st.sampled_from(["integer", "number"]))
    low = draw(whole(-50, 50))
    # Between two exclusive ends there must be a whole number.
    ends = {
        draw(st.sampled_from(["minimum", "exclusiveMinimum"])): low,
        draw(st.sampled_from(["maximum", "exclusiveMaximum"])): low + draw(whole(2, 50)),
    }
    return {"type": kind, **{end: ends[end] for end in draw(st.sets(st.sampled_from(list(ends))))}}


@st.composite
def strings(draw: Callable[[Any], Any]) -> dict[str, Any]:
    shortest = draw(whole(0, 30))
    ends = {"minLength": shortest, "maxLength": shortest + draw(whole(0, 600))}
    kept = draw(st.sets(st.sampled_from(list(ends))))
    return {"type": "string", **{end: ends[end] for end in kept}}


SIMPLE = (
    numbers()
    | strings()
    | st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": {"a": 1}}, {}])
    | st.builds(lambda values: {"enum": values}, st.lists(st.text(), min_size=1))
    | st.just({"type": ["string", "null"], "maxLength": 5})
)


def nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    listed = st.builds(
        lambda items, low, more, both: {
            "type": "array",
            "items": items,
            "maxItems": low + more,
            **({"minItems": low} if both else {}),
        },
        inner,
        whole(0, 3),
        whole(0, 3),
        st.booleans(),
    )
    objects = st.builds(
        lambda fields, typed: {
            **({"type": "object"} if typed else {}),
            "properties": fields,
            "required": [*fields, "more"],
        },
        st.dictionaries(st.text(max_size=3), inner, min_size=1, max_size=3),
        st.booleans(),
    )
    chosen = st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3))
    return listed | objects | chosen


SCHEMAS = st.recursive(SIMPLE, nested, max_leaves=6)


@given(SCHEMAS, st.integers(0, 2**31 - 1))
def test_a_reply_satisfies_the_schema(schema: dict[str, Any], seed: int) -> None:
    said = orjson.loads(reply(fake(), asking(seed=seed, schema=schema)).text)
    jsonschema.Draft202012Validator(schema).validate(said)


def test_so_many_replies_are_broken_as_the_spec_says() -> None:
    model = fake(fail_rate=0.3)
    said = [reply(model, asking(seed=seed)).text for seed in range(1000)]
    assert said.count("") == pytest.approx(300, abs=60)


def test_replies_that_wait_are_under_way_together() -> None:
    async def ask_all() -> None:
        model = fake(latency_s=0.05)
        await asyncio.gather(*(model.complete(asking(seed=seed)) for seed in range(40)))

    start = time.monotonic()
    asyncio.run(ask_all())
    assert 0.05 <= time.monotonic() - start < 1


def test_vectors_have_length_one_and_texts_that_share_words_are_near() -> None:
    model = fake(dim=256)
    vectors = model.encode(["a cat sat", "a cat stood", "trains run late", "", "!!"])
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > 0.4 > vectors[0] @ vectors[2]
    assert model.encode([]).shape == (0, 256)


@given(st.lists(st.text(max_size=5), max_size=4), st.text(max_size=5))
def test_a_vector_does_not_depend_on_the_texts_around_it(texts: list[str], text: str) -> None:
    assert np.array_equal(fake().encode([*texts, text])[-1], fake().encode([text])[0])


def test_a_score_is_the_cosine_of_the_two_vectors_and_the_same_both_ways() -> None:
    model = fake()
    one, other = model.encode(["a cat", "a dog"])
    assert model.score([("a cat", "a dog")]) == pytest.approx([one @ other])
    assert np.array_equal(model.score([("a", "b")]), model.score([("b", "a")]))
    assert model.score([]).shape == (0,)


def test_a_fake_is_loaded_wherever_a_model_is_wanted() -> None:
    spec = FakeSpec(kind="fake", dim=8)
    assert asyncio.run(load_llm(spec, {}).complete(asking())).text
    assert load_encoder(spec).encode(["a"]).shape == (1, 8)
    assert load_scorer(spec).score([("a", "a")]) == pytest.approx([1])
