"""Texts encoded by the bundled encoder, once: vectors are kept in the user's cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from bench_cache import cache_folder
from numpy.typing import NDArray

from synth.engines.bundled import local_model

ENCODER = "bundled/all-minilm-l6-v2"
Vectors = NDArray[np.float32]


def encoded(texts: Sequence[str], max_tokens: int) -> Vectors:
    """Vectors of length 1, shape (texts, dim).

    Args:
        texts: Any number.
        max_tokens: What is longer is cut.
    """
    key = sha256(json.dumps([ENCODER, max_tokens, list(texts)]).encode()).hexdigest()[:32]
    path = cache_folder("vectors") / f"{key}.npy"
    if not path.exists():
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(local_model(ENCODER)))
        model.max_seq_length = max_tokens
        found = model.encode(list(texts), batch_size=64, normalize_embeddings=True)
        np.save(path, np.asarray(found, np.float32))
    return np.asarray(np.load(path), np.float32)
