"""Rows whose vectors lie in a plane, so that angles tell who is near to whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from synth.core import rows
from synth.core.rows import Table


def vectors(*degrees: float) -> pa.Array:
    angles = np.radians(degrees)
    return rows.vector_column(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))


def corpus(texts: Mapping[str, tuple[str, float]]) -> Table:
    """A corpus of texts with their angles, by id."""
    return pa.table(
        {
            "id": list(texts),
            "text": [text for text, _ in texts.values()],
            "embedding_text": vectors(*(angle for _, angle in texts.values())),
            "drop_reason": pa.nulls(len(texts), pa.string()),
        }
    )


def positive(name: str | None, text: str | None, score: float | None = None) -> dict[str, Any]:
    return {"id": name, "text": text, "score": score}


def queries(*asked: tuple[str | None, float, list[dict[str, Any]]], **columns: Any) -> Table:
    """Queries, their angles and their positives."""
    return pa.table(
        {
            "id": [f"q{number}" for number in range(len(asked))],
            "query": pa.array([query for query, _, _ in asked], pa.string()),
            "positives": pa.array([own for _, _, own in asked], rows.POSITIVES),
            "embedding_query": vectors(*(angle for _, angle, _ in asked)),
            "drop_reason": pa.nulls(len(asked), pa.string()),
            **columns,
        }
    )


def drawn(seed: int, docs: int = 14, asks: int = 5) -> tuple[Table, Table]:
    """Queries and a corpus of few words and vectors of few values, with many ties and copies."""
    draw = np.random.default_rng(seed)

    def texts(count: int) -> list[str]:
        words = ["cat", "dog", "mat", "sat", "hen"]
        return [" ".join(draw.choice(words, draw.integers(1, 4))) for _ in range(count)]

    def few_values(count: int) -> pa.Array:
        made = draw.integers(-2, 3, size=(count, 3)).astype(np.float32)
        made[~made.any(axis=1)] = 1
        return rows.vector_column(made)

    written = texts(docs)
    docs_table = pa.table(
        {
            "id": [f"d{at:02}" for at in range(docs)],
            "text": written,
            "embedding_text": few_values(docs),
            "drop_reason": pa.nulls(docs, pa.string()),
        }
    )
    known = [
        [positive(f"d{at:02}", written[at]) for at in draw.integers(0, docs, draw.integers(0, 3))]
        for _ in range(asks)
    ]
    lacking = [
        [positive("x", f"hen {text}", 0.25)] if draw.random() < 0.3 else [] for text in texts(asks)
    ]
    table = pa.table(
        {
            "id": [f"q{at}" for at in range(asks)],
            "query": texts(asks),
            "positives": pa.array(
                [one + other for one, other in zip(known, lacking, strict=True)], rows.POSITIVES
            ),
            "embedding_query": few_values(asks),
            "drop_reason": pa.nulls(asks, pa.string()),
        }
    )
    return table, docs_table
