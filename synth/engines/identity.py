"""Which weights answer: the part of a model that belongs into keys and fingerprints."""

from __future__ import annotations

import hashlib
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, assert_never

from synth.core.bundled import BUNDLED, bundled_package
from synth.core.errors import EngineError
from synth.core.ids import canonical_json
from synth.core.paths import is_folder, user_path
from synth.engines.specs import (
    CrossEncoderSpec,
    FakeSpec,
    ModelSpec,
    OpenAISpec,
    SentenceTransformersSpec,
    VllmSpec,
)

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
# Weights of many gigabytes are told apart by size and by blocks all through the file: an adapter
# that is merged may leave the first and the last tensor as they were. In a shard of 5 GB a block
# stands every 5 MB, and the smallest matrix of a 7B model that is ever trained alone has 8 MB.
_HASHED_WHOLE_BYTES = 8 << 20
_BLOCKS, _BLOCK_BYTES = 1024, 4096
# One of these is in the folder of any model or tokenizer.
_OF_A_MODEL = ("config.json", "modules.json", "*.gguf", "tokenizer*", "vocab*", "*.safetensors")


def identity(spec: ModelSpec) -> str:
    """Everything about a model that can change its answers, as canonical JSON.

    The server's address is part of it unless a `revision` names the weights; how many engines run,
    timeouts and numbers in flight never are.

    Raises:
        EngineError: If the model does not exist, or cannot be pinned to a commit.
    """
    named: dict[str, Any] = {"kind": spec.kind, "model": spec.model}
    match spec:
        case VllmSpec():
            named |= {"weights": weights_of(spec.model, spec.revision), "dtype": spec.dtype}
            named |= {"quantization": spec.quantization, "template": spec.chat_template_kwargs}
            named |= {"max_model_len": spec.max_model_len}  # a reply ends where the context does
        case OpenAISpec():
            at = {"revision": spec.revision} if spec.revision else {"base_url": spec.base_url}
            named |= at
        case SentenceTransformersSpec():
            named |= {"weights": weights_of(spec.model, spec.revision)}
            named |= {"max_seq_length": spec.max_seq_length}
        case CrossEncoderSpec():
            named |= {"weights": weights_of(spec.model, spec.revision)}
            named |= {"max_length": spec.max_length}
        case FakeSpec():
            named |= {"dim": spec.dim, "fail_rate": spec.fail_rate}
        case _:
            assert_never(spec)
    if getattr(spec, "trust_remote_code", False):
        named["trust_remote_code"] = True  # the repository's code runs in the place of the engine's
    if named.get("weights") is not None and _folder(spec.model) is not None:
        named["model"] = "local"  # a copy of the same files elsewhere is the same model
    return canonical_json(named).decode()


def label(spec: ModelSpec) -> str:
    """Short readable name for provenance and origins: never a folder of this machine."""
    folder = _folder(spec.model)
    return spec.model if folder is None else folder.name


def weights_of(model: str, revision: str | None) -> str:
    """What pins the weights: a package version, a hash of local files, or a Hub commit.

    Raises:
        EngineError: If there is no such model, or its commit cannot be found out.
    """
    if model in BUNDLED:
        package = bundled_package(model)
        return f"{package}=={version(package)}"
    folder = _folder(model)
    if folder is not None:
        # Else all that lies in a wrong folder would be read.
        if not any(next(folder.glob(name), None) for name in _OF_A_MODEL):
            raise EngineError(
                f"the folder {model!r} holds no model: it has no config.json, tokenizer or "
                "GGUF file; give the folder in which these are"
            )
        return f"files:{_hash_folder(folder)}"
    if model.startswith(("bundled/", ".", "/", "~")) or not _HUB_ID.fullmatch(model):
        known = ", ".join(sorted(BUNDLED))
        raise EngineError(
            f"there is no model {model!r}: no such folder; give a folder, a Hub id (org/name), "
            f"or one of {known}"
        )
    return f"hub:{_commit(model, revision)}"


def package_versions(packages: tuple[str, ...]) -> dict[str, str]:
    """The installed version of each package that is there."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _folder(model: str) -> Path | None:
    path = user_path(model)
    return path if is_folder(path) else None


def _hash_folder(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    files = sorted(p for p in path.rglob("*") if p.is_file() and ".cache" not in p.parts)
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path).as_posix()}:{size};".encode())
        with file.open("rb") as opened:
            if size <= _HASHED_WHOLE_BYTES:
                digest.update(opened.read())
                continue
            for at in range(_BLOCKS):
                opened.seek(at * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
                digest.update(opened.read(_BLOCK_BYTES))
    return digest.hexdigest()


def _commit(model: str, revision: str | None) -> str:
    if revision and _COMMIT.fullmatch(revision):
        return revision
    import httpx2
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    cached = (
        Path(constants.HF_HUB_CACHE)
        / f"models--{model.replace('/', '--')}"
        / "refs"
        / (revision or "main")
    )
    if cached.is_file() and constants.HF_HUB_OFFLINE:
        return cached.read_text().strip()
    try:
        info = HfApi().model_info(model, revision=revision, timeout=10)
    except HfHubHTTPError as error:
        raise EngineError(
            f"there is no model {model!r} at revision {revision or 'main'!r} on the Hub, or no "
            "right to read it; check the name, or log in with `hf auth login`"
        ) from error
    except (OSError, httpx2.HTTPError, ValueError) as error:
        if cached.is_file():
            return cached.read_text().strip()
        raise EngineError(
            f"model {model!r} is no folder and the Hub cannot be reached to look for it; give a "
            f"folder, or one of {', '.join(sorted(BUNDLED))}"
        ) from error
    return str(info.sha)
