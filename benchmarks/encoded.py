"""Texts encoded by the bundled encoder, once: vectors are kept in the user's cache."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synth.engines.bundled import local_model

ENCODER = "bundled/all-minilm-l6-v2"


def bench_cache() -> Path:
    """Where benchmarks keep what takes long to make."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "synth-bench"


def encoded(texts: Sequence[str], max_tokens: int) -> NDArray[np.float32]:
    """Vectors of length 1, shape (texts, dim).

    Args:
        texts: Any number.
        max_tokens: What is longer is cut.
    """
    key = sha256(json.dumps([ENCODER, max_tokens, list(texts)]).encode()).hexdigest()[:32]
    path = bench_cache() / "vectors" / f"{key}.npy"
    if not path.exists():
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(local_model(ENCODER)))
        model.max_seq_length = max_tokens
        found = model.encode(list(texts), batch_size=64, normalize_embeddings=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.asarray(found, np.float32))
    return np.asarray(np.load(path), np.float32)
