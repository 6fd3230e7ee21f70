from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.core.chat import (
    DEFAULT_SAMPLING,
    Completion,
    Message,
    Request,
    Sampling,
    without_thoughts,
)

REQUEST = Request((Message("system", "Be short."), Message("user", "Hi.")), DEFAULT_SAMPLING, 7)


def another(name: str) -> Any:
    """A value that the field of this name allows and that `DEFAULT_SAMPLING` does not have."""
    for value in (0.5, 3, ("END",)):
        try:
            Sampling.model_validate({name: value})
        except ValidationError:
            continue
        return value
    raise AssertionError(f"no value for {name}")


SAMPLINGS = st.builds(
    Sampling,
    **{
        name: st.sampled_from([None, another(name), getattr(DEFAULT_SAMPLING, name)])
        for name in Sampling.model_fields
    },
)


@pytest.mark.parametrize("name", Sampling.model_fields)
def test_every_sampling_parameter_changes_the_key(name: str) -> None:
    sampling = Sampling.merged(Sampling.model_validate({name: another(name)}), DEFAULT_SAMPLING)
    assert replace(REQUEST, sampling=sampling).key("model") != REQUEST.key("model")


OTHER_REQUEST: dict[str, Any] = {
    "messages": (Message("user", "Hi."),),
    "sampling": Sampling(temperature=0),
    "seed": 8,
    "schema": '{"type":"object"}',
    "choices": ("yes", "no"),
}


@pytest.mark.parametrize("field", [field.name for field in fields(Request)])
def test_everything_in_a_request_changes_the_key(field: str) -> None:
    assert replace(REQUEST, **{field: OTHER_REQUEST[field]}).key("model") != REQUEST.key("model")


def test_another_model_changes_the_key() -> None:
    assert REQUEST.key("one") != REQUEST.key("other")


@pytest.mark.parametrize(
    "messages",
    [
        (Message("user", "Be short."), Message("user", "Hi.")),
        (Message("user", "Hi."), Message("system", "Be short.")),
        (Message("system", "Be short.Hi."), Message("user", "")),
        (Message("system", "Be short."), Message("user", "Hi")),
    ],
    ids=["role", "order", "boundary", "content"],
)
def test_every_detail_of_the_messages_changes_the_key(messages: tuple[Message, ...]) -> None:
    assert replace(REQUEST, messages=messages).key("model") != REQUEST.key("model")


def test_a_key_does_not_depend_on_how_the_same_request_was_written() -> None:
    written = Sampling.model_validate({"max_tokens": 512, "top_p": 0.95, "temperature": 1})
    assert replace(REQUEST, sampling=written).key("model") == REQUEST.key("model")
    assert len(REQUEST.key("model")) == 32


@given(SAMPLINGS, SAMPLINGS, SAMPLINGS)
def test_layers_of_sampling_may_be_merged_in_any_grouping(
    step: Sampling, prompt: Sampling, model: Sampling
) -> None:
    merged = Sampling.merged(step, prompt, model)
    assert merged == Sampling.merged(step, Sampling.merged(prompt, model))
    assert merged == Sampling.merged(Sampling.merged(step, prompt), model)
    assert Sampling.merged(step, step) == step


def test_the_narrowest_layer_that_gives_a_value_wins() -> None:
    step, prompt = Sampling(temperature=0), Sampling(temperature=0.5, top_p=0.5)
    merged = Sampling.merged(step, prompt, DEFAULT_SAMPLING)
    assert (merged.temperature, merged.top_p, merged.max_tokens) == (0, 0.5, 512)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("<think>hm</think>\n Yes.", "Yes."),
        ("<THINKING>hm\nhm</Thinking>Yes.", "Yes."),
        ("hm</think>Yes.", "Yes."),
        ("<reasoning>it goes on", ""),
        ("<think>a</think>Yes<think>b</think> and no.", "Yes and no."),
        ("I think so.", "I think so."),
        ("", ""),
    ],
    ids=["one", "upper case", "no start", "cut off", "two", "none", "empty"],
)
def test_thoughts_are_no_part_of_a_reply(text: str, reply: str) -> None:
    assert without_thoughts(text) == reply


@given(st.text().filter(lambda text: "<" not in text))
def test_a_reply_without_thoughts_only_loses_the_space_around_it(text: str) -> None:
    assert without_thoughts(text) == text.strip()


def test_a_completion_is_whole_unless_the_engine_says_otherwise() -> None:
    assert Completion("Yes.").finish_reason == "stop"
