"""What is asked of a model and what it answers."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from synth.core.ids import ID_BYTES, canonical_json

Role = Literal["system", "user", "assistant"]
# <think> is what Qwen, DeepSeek and most open reasoning models write; <thinking> and <reasoning>
# are the other two in use. A thought cut off by the token limit has no end tag: all is thought.
_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_END = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat."""

    role: Role
    content: str


class Sampling(BaseModel):
    """How a model draws its reply. A field left out is taken from the next wider layer.

    The layers, narrowest first: the step, the prompt, the model, `DEFAULT_SAMPLING`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: PositiveInt | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    max_tokens: PositiveInt | None = None
    stop: tuple[str, ...] | None = None

    @staticmethod
    @functools.lru_cache(maxsize=256)  # asked for each row of a step
    def merged(*layers: Sampling) -> Sampling:
        """The first value that any layer gives for each field, narrowest layer first."""
        values = {
            name: next((v for v in (getattr(la, name) for la in layers) if v is not None), None)
            for name in Sampling.model_fields
        }
        return Sampling.model_validate(values)


# Diversity is the point of synthetic data: E5-mistral and CodeR sample at 1.0 (methods in README).
DEFAULT_SAMPLING = Sampling(temperature=1.0, top_p=0.95, max_tokens=512)


@functools.lru_cache(maxsize=256)
def _canonical_sampling(sampling: Sampling) -> str:
    return canonical_json(sampling.model_dump(exclude_none=True)).decode()


@dataclass(frozen=True, slots=True)
class Request:
    """One question to one LLM: everything that can change the answer, but the model itself.

    Attributes:
        messages: The rendered chat.
        sampling: Fully merged sampling parameters.
        seed: In [0, 2**31); sent to the engine.
        schema: JSON text of the reply's JSON schema, its fields in the order in which they are to
            be written, or None for plain text.
        choices: Words of which the reply is to begin with one. What comes back is a JSON object
            with the probability that the model gives to each, as far as it gives any.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    schema: str | None = None
    choices: tuple[str, ...] = ()

    def key(self, model_identity: str) -> str:
        """32 hex digits that name the answer: the model and all of the request."""
        turns = [(message.role, message.content) for message in self.messages]
        sampling = _canonical_sampling(self.sampling)
        # Only where there are some, so that replies stored before there were choices are found.
        choices = [self.choices] if self.choices else []
        body = (model_identity, turns, sampling, self.seed, self.schema, *choices)
        return hashlib.blake2b(canonical_json(body), digest_size=ID_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered.

    Attributes:
        text: The reply as the model wrote it.
        finish_reason: ``stop``, ``length`` (cut off by `max_tokens`) or the engine's own word.
        prompt_tokens: Tokens of the rendered chat.
        output_tokens: Tokens of the reply, thinking included.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    output_tokens: int = 0


def without_thoughts(text: str) -> str:
    """The reply without a reasoning model's thinking, whose end tag may stand alone."""
    return _THOUGHT_END.sub("", _THOUGHT.sub("", text)).strip()


class LLM(Protocol):
    """A live model that answers chats."""

    async def complete(self, request: Request) -> Completion:
        """The reply to one request; a bounded number of calls may be under way at once.

        Raises:
            RequestRefused: If this request can never be answered (too long, refused by a server).
            EngineError: If the model died or cannot be reached.
        """
        ...


class Encoder(Protocol):
    """A live bi-encoder."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """L2-normalised vectors, shape (len(texts), dim)."""
        ...


class CrossEncoder(Protocol):
    """A live cross-encoder."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Relevance of each (query, passage) pair, shape (len(pairs),)."""
        ...
