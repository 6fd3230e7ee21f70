"""Retrieval sets in BEIR layout, and vectors of their texts, which are kept in the user's cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from bench_cache import cache_folder
from numpy.typing import NDArray

from synth.engines.bundled import local_model

ENCODER = "bundled/all-minilm-l6-v2"
Vectors = NDArray[np.float32]


class RetrievalSet(NamedTuple):
    """Texts, queries, and the passages that answer each query, by their places."""

    passages: list[str]
    queries: list[str]
    answers: list[list[int]]


def read_set(folder: Path, split: str = "*") -> RetrievalSet:
    """A set, with the queries that have an answer in a split."""
    lines = [
        json.loads(line)
        for path in sorted(folder.glob("corpus*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    place = {one["_id"]: at for at, one in enumerate(lines)}
    answers: dict[str, list[int]] = {}
    for path in sorted(folder.glob(f"qrels/{split}.tsv")):
        for line in path.read_text().splitlines()[1:]:
            query, passage, score = line.split("\t")
            if float(score) > 0:
                answers.setdefault(query, []).append(place[passage])
    asked = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    asked = [one for one in asked if one["_id"] in answers]
    return RetrievalSet(
        [f"{one.get('title') or ''} {one['text']}".strip() for one in lines],
        [one["text"] for one in asked],
        [answers[one["_id"]] for one in asked],
    )


def encoded(texts: Sequence[str], max_tokens: int) -> Vectors:
    """Vectors of the bundled encoder, of length 1."""
    key = sha256(json.dumps([ENCODER, max_tokens, list(texts)]).encode()).hexdigest()[:32]
    path = cache_folder("vectors") / f"{key}.npy"
    if not path.exists():
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(local_model(ENCODER)))
        model.max_seq_length = max_tokens
        found = model.encode(list(texts), batch_size=64, normalize_embeddings=True)
        np.save(path, np.asarray(found, np.float32))
    return np.asarray(np.load(path), np.float32)
