"""A model without weights: deterministic replies for tests, dry runs and trying faults."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from synth.core.chat import Completion, Request
from synth.core.ids import derive_seed, unit_interval
from synth.engines.specs import FakeSpec

_WORD = re.compile(r"\w+", re.UNICODE)
_SYLLABLES = ("ba", "do", "fi", "ku", "la", "me", "no", "pra", "ri", "sol", "ta", "ve", "zu")
_BROKEN_REPLY = ""
# A reply is shorter than the message that asked for it, and long enough to look like a passage.
_SHORTEST_SHARE, _LONGEST_SHARE = 0.15, 0.6
_STRING_WORDS = 12
# A string that may be longer than this is a passage and not a phrase.
_LONG_STRING = 400


class FakeModel:
    """An LLM, an encoder and a cross-encoder that need nothing but the standard library and numpy.

    A reply depends on the request alone. It borrows half of its words from the last message, so
    that it is about the same thing without being a copy, and makes up the other half.
    """

    def __init__(self, spec: FakeSpec) -> None:
        self._spec = spec

    async def complete(self, request: Request) -> Completion:
        """A reply after the spec's latency."""
        spec = self._spec
        slow = unit_interval("tail", request.seed) < spec.tail_share
        latency_s = spec.tail_latency_s if slow else spec.latency_s
        if latency_s:
            await asyncio.sleep(latency_s)
        prompt_tokens = sum(len(message.content.split()) for message in request.messages)
        if unit_interval("fail", request.seed) < spec.fail_rate:
            return Completion(_BROKEN_REPLY, "stop", prompt_tokens, 0)
        text = _reply(request, spec.model)
        return Completion(text, "stop", prompt_tokens, len(text.split()))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Hashed bags of words, L2-normalised, shape (len(texts), dim)."""
        return np.stack([self._vector(text) for text in texts]) if texts else self._nothing()

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Cosine of the two texts' vectors, shape (len(pairs),)."""
        scores = [float(self._vector(one) @ self._vector(other)) for one, other in pairs]
        return np.asarray(scores, np.float32)

    def _nothing(self) -> NDArray[np.float32]:
        return np.empty((0, self._spec.dim), np.float32)

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self._spec.dim, np.float64)
        for word in _WORD.findall(text.lower()) or [text]:
            seed = derive_seed(0, self._spec.model, word)
            vector += np.random.default_rng(seed).standard_normal(self._spec.dim)
        norm = float(np.linalg.norm(vector))
        return (vector / norm).astype(np.float32)


def _reply(request: Request, model: str) -> str:
    asked = _WORD.findall(request.messages[-1].content)
    if request.choices:
        shares = [unit_interval(model, choice, *asked) for choice in request.choices]
        total = sum(shares) or 1.0
        parts = {c: s / total for c, s in zip(request.choices, shares, strict=True)}
        return orjson.dumps(parts).decode()
    draw = Random(derive_seed(request.seed, model))
    if request.schema is not None:
        return orjson.dumps(_value(orjson.loads(request.schema), asked, draw)).decode()
    limit = max(1, (request.sampling.max_tokens or len(asked)) // 2)
    count = int(len(asked) * draw.uniform(_SHORTEST_SHARE, _LONGEST_SHARE))
    return _sentence(asked, max(3, min(limit, count)), draw)


def _sentence(asked: Sequence[str], words: int, draw: Random) -> str:
    borrowed = [draw.choice(asked) if asked else "word" for _ in range(words)]
    invented = ["".join(draw.choices(_SYLLABLES, k=3)) for _ in range(words)]
    mixed = [b if draw.random() < 0.5 else i for b, i in zip(borrowed, invented, strict=True)]
    return " ".join(mixed).capitalize() + "."


def _value(schema: dict[str, Any], asked: Sequence[str], draw: Random) -> Any:  # noqa: ANN401
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(schema["enum"])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return _value({**schema, "anyOf": None, "oneOf": None, **draw.choice(options)}, asked, draw)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    make = _MAKERS[draw.choice(kind) if isinstance(kind, list) else kind]
    return make(schema, asked, draw)


def _object(schema: dict[str, Any], asked: Sequence[str], draw: Random) -> dict[str, Any]:
    fields = {name: {} for name in schema.get("required", ())} | schema.get("properties", {})
    return {name: _value(field, asked, draw) for name, field in fields.items()}


def _array(schema: dict[str, Any], asked: Sequence[str], draw: Random) -> list[Any]:
    high = schema.get("maxItems", schema.get("minItems", 1) + 2)
    count = draw.randint(schema.get("minItems", min(1, high)), high)
    return [_value(schema.get("items", {}), asked, draw) for _ in range(count)]


def _integer(schema: dict[str, Any], _: Sequence[str], draw: Random) -> int:
    low, high = _range(schema, default_width=10)
    low_whole, high_whole = math.ceil(low), math.floor(high)
    if low_whole == schema.get("exclusiveMinimum"):
        low_whole += 1
    if high_whole == schema.get("exclusiveMaximum"):
        high_whole -= 1
    return draw.randint(low_whole, high_whole)


def _number(schema: dict[str, Any], _: Sequence[str], draw: Random) -> float:
    low, high = _range(schema, default_width=1)
    # Never quite an end, for an end may be exclusive; where both ends meet there is no other.
    return low + (high - low) * draw.uniform(0.01, 0.99)


def _range(schema: dict[str, Any], default_width: int) -> tuple[float, float]:
    """The ends that a schema allows; one that is left out lies `default_width` from the other."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        low = 0 if high is None or high > 0 else high - default_width
    return low, low + default_width if high is None else high


def _text(schema: dict[str, Any], asked: Sequence[str], draw: Random) -> str:
    longest = schema.get("maxLength", 10_000)
    words = min(_STRING_WORDS if longest < _LONG_STRING else len(asked) // 2, max(1, longest // 8))
    text = _sentence(asked, max(3, words), draw)[:longest]
    return text.ljust(schema.get("minLength", 0), "x")


_MAKERS: dict[str, Callable[[dict[str, Any], Sequence[str], Random], Any]] = {
    "object": _object,
    "array": _array,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _schema, _asked, draw: draw.random() < 0.5,
    "null": lambda _schema, _asked, _draw: None,
    "string": _text,
}
