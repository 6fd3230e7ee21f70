"""Where a model's files are; the bundled LLM is converted once into the user's cache."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock

from synth.core.bundled import BUNDLED, bundled_folder
from synth.core.errors import EngineError
from synth.core.paths import is_folder, user_path

# Raise it when the conversion changes: an old conversion is then made again.
_CONVERSION = "bf16-1"


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/synth`, or `~/.cache/synth`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "synth"


def local_model(model: str) -> str:
    """A folder for a bundled model, and any other model as it is.

    Raises:
        EngineError: If the package that carries a bundled model is not installed.
    """
    if model not in BUNDLED:
        return str(user_path(model)) if is_folder(user_path(model)) else model
    source = bundled_folder(model)
    gguf = next(source.glob("*.gguf"), None)
    return str(source if gguf is None else _converted(model, gguf))


def _converted(model: str, gguf: Path) -> Path:
    """The GGUF as bfloat16 safetensors: vLLM itself does not read GGUF on a CPU (about 20 s)."""
    target = cache_folder() / "models" / f"{Path(model).name}-{_CONVERSION}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.is_dir():
            made = Path(tempfile.mkdtemp(dir=target.parent))
            try:
                _convert(gguf, made)
                made.rename(target)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    return target


def _convert(gguf: Path, target: Path) -> None:
    try:
        import accelerate  # noqa: F401  (transformers reads GGUF through these two)
        import gguf as _  # noqa: F401
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    except ImportError as error:
        raise EngineError(
            f"the bundled LLM needs {error.name}: pip install 'synth-recipes[bundled]'"
        ) from error
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        # Without it the weights stay packed and cannot be saved.
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)
