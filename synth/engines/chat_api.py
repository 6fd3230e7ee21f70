"""The words of an OpenAI-compatible chat API: requests to bytes, answers to values."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from synth.core.chat import Completion, Request, Sampling
from synth.engines.choices import ALTERNATIVES, choice_reply


def chat_body(model: str, request: Request) -> bytes:
    """The body of ``POST /chat/completions``."""
    body: dict[str, Any] = {
        "model": model,
        "messages": request.messages,
        "seed": request.seed,
        **_sampling_fields(request.sampling),
    }
    if request.schema is not None:
        schema = {"name": "reply", "schema": orjson.Fragment(request.schema), "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.choices:
        body |= {"logprobs": True, "top_logprobs": ALTERNATIVES}
    return orjson.dumps(body)


@functools.lru_cache(maxsize=256)
def _sampling_fields(sampling: Sampling) -> Mapping[str, Any]:
    """Fields of the body. Those that OpenAI does not have carry vLLM's names already."""
    return sampling.model_dump(exclude_none=True)


def read_completion(body: bytes, choices: Sequence[str] = ()) -> Completion | None:
    """The reply without a reasoning model's thoughts; None if the body is no chat completion.

    Args:
        body: What the server answered.
        choices: Those of the request; with some, an answer without `logprobs` is none either.
    """
    try:
        answer = orjson.loads(body)
        choice = answer["choices"][0]
        text = choice["message"]["content"] or ""
        if choices:
            first = choice["logprobs"]["content"][0]["top_logprobs"]
            text = choice_reply(choices, [(one["token"], one["logprob"]) for one in first])
            choice["finish_reason"] = "stop"
        usage = answer.get("usage") or {}
        finish_reason = choice.get("finish_reason") or "stop"
        prompt_tokens = usage.get("prompt_tokens") or 0
        output_tokens = usage.get("completion_tokens") or 0
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        return None
    # vLLM aborts what is under way when it is stopped: that is half a reply.
    if not isinstance(text, str) or finish_reason == "abort":
        return None
    return Completion(text, finish_reason, prompt_tokens, output_tokens)


def read_model_names(body: bytes) -> list[str] | None:
    """Models in an answer to ``GET /models``; None if it is no such answer."""
    try:
        return [str(model["id"]) for model in orjson.loads(body)["data"] or ()]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def read_error(body: bytes) -> str | None:
    """The message of an answer that reports an error; None if it has no such message."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
    return message if isinstance(message, str) else None


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds, at least 0, that a server asks to wait; 0 where it asks nothing readable."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
