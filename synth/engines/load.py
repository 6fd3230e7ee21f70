"""From a spec to a live model: the one place that picks a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from synth.core.chat import LLM, CrossEncoder, Encoder
from synth.engines.specs import (
    CrossEncoderSpec,
    EncoderSpec,
    FakeSpec,
    LlmSpec,
    OpenAISpec,
    ScorerSpec,
    SentenceTransformersSpec,
    VllmSpec,
)

EngineArgs = Mapping[str, str | int | float | bool]


def load_llm(spec: LlmSpec, engine_args: EngineArgs) -> LLM:
    """A live LLM.

    Args:
        spec: The model.
        engine_args: Placement, handed to vLLM as it is (``tensor_parallel_size`` and the like).

    Raises:
        EngineError: If it cannot be started or reached.
    """
    match spec:
        case VllmSpec():
            from synth.engines.vllm import VllmModel

            return VllmModel(spec, engine_args)
        case OpenAISpec():
            from synth.engines.openai import ServerModel

            return ServerModel(spec)
        case FakeSpec():
            from synth.engines.fake import FakeModel

            return FakeModel(spec)
        case _:
            assert_never(spec)


def load_encoder(spec: EncoderSpec) -> Encoder:
    """A live bi-encoder.

    Raises:
        EngineError: If it cannot be loaded.
    """
    match spec:
        case SentenceTransformersSpec():
            from synth.engines.encoder import BiEncoder

            return BiEncoder(spec)
        case FakeSpec():
            from synth.engines.fake import FakeModel

            return FakeModel(spec)
        case _:
            assert_never(spec)


def load_scorer(spec: ScorerSpec) -> CrossEncoder:
    """A live scorer of pairs: a cross-encoder, or a bi-encoder through its cosine.

    Raises:
        EngineError: If it cannot be loaded.
    """
    match spec:
        case CrossEncoderSpec():
            from synth.engines.encoder import PairScorer

            return PairScorer(spec)
        case SentenceTransformersSpec():
            from synth.engines.encoder import BiEncoder

            return BiEncoder(spec)
        case FakeSpec():
            from synth.engines.fake import FakeModel

            return FakeModel(spec)
        case _:
            assert_never(spec)
