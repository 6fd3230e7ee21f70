"""Times and memory of ordering by the number of documents, and what shards lose.

Run by `ordering`; each measurement has a process of its own, so that memory is its own too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from ordering_rivals import algorithm_1, edges_of

from synth.algorithms import graph as graphs
from synth.algorithms.approximate import Search, search
from synth.algorithms.neighbors import Neighbors, without_self
from synth.algorithms.ordering import MOST_KICKS
from synth.algorithms.paths import edge_path, paper_path
from synth.algorithms.windows import similar_windows
from synth.core import rows
from synth.steps import OrderDocuments
from synth.steps.whole import facts_of, in_order

DIM, NEIGHBORS, WINDOW_TOKENS = 384, 20, 8192
# Documents gather around as many centres as there are two hundreds of them, as far from these as
# passages of an encyclopedia are from each other: half of the cosine of neighbours is theirs.
_OF_CENTRE, _SPREAD = 200, 1.0
_MEAN_TOKENS, _SIGMA = 600, 0.8
_COMPILES = 2_000
# Up to so many documents plain Python is waited for.
_PYTHON = 200_000
_EXACT = 200_000
# Up to so many documents have texts, whose words are drawn by Zipf's law, or from a few that those
# of one centre share.
_TEXTS = 50_000
_VOCABULARY, _OF_CENTRE_WORDS, _WORDS_A_TOKEN, _SHARED = 200_000, 50, 0.75, 0.2
_WHATS = ("stages", "whole", "shards", "words")


def growth(count: int) -> dict[str, Any]:
    """Seconds of each stage for documents drawn at random, of the whole step, and in shards.

    Args:
        count: Documents.
    """
    print(f"{count:,} documents drawn", flush=True)
    told: dict[str, Any] = {"documents": count}
    for what in _WHATS:
        if what == "words" and count > _TEXTS:
            continue
        asked = [sys.executable, __file__, what, str(count)]
        done = subprocess.run(asked, check=True, capture_output=True, text=True)
        told[what] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=_WHATS)
    parser.add_argument("documents", type=int)
    args = parser.parse_args()
    for count in (_COMPILES, args.documents):
        vectors, tokens = drawn(count)
        if args.what == "stages":
            told = _stages(vectors, tokens)
        elif args.what == "words":
            told = by_step(vectors, tokens, count, texts=texts_of(tokens))
        else:
            shard = count if args.what == "whole" else count // 4
            told = by_step(vectors, tokens, shard)
    print(json.dumps(told))


def drawn(count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Unit vectors around centres, and tokens of documents of very different lengths."""
    draw = np.random.default_rng(11)
    centres = draw.normal(size=(max(1, count // _OF_CENTRE), DIM)).astype(np.float32)
    vectors = centres[_centre_of_each(count)]
    vectors += _SPREAD * draw.normal(size=(count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tokens = draw.lognormal(np.log(_MEAN_TOKENS) - _SIGMA**2 / 2, _SIGMA, count)
    return vectors, np.maximum(16, tokens).astype(np.int64)


def texts_of(tokens: NDArray[np.int64]) -> pa.Array:
    """Texts of so many tokens, documents of one centre with words of their own."""
    draw = np.random.default_rng(12)
    words = np.maximum(1, tokens * _WORDS_A_TOKEN).astype(np.int32)
    common = (_VOCABULARY ** draw.random(words.sum())).astype(np.int64) - 1
    own = np.repeat(_centre_of_each(len(tokens)), words) * _OF_CENTRE_WORDS + _VOCABULARY
    own += draw.integers(0, _OF_CENTRE_WORDS, len(own))
    shared = draw.random(len(own)) < _SHARED
    numbers = pa.array(np.where(shared, own, common)).cast(pa.string())
    ends = np.concatenate([[0], np.cumsum(words)]).astype(np.int32)
    return pc.binary_join(pa.ListArray.from_arrays(ends, numbers), " ")


def _centre_of_each(count: int) -> NDArray[np.int64]:
    centres = max(1, count // _OF_CENTRE)
    return np.random.default_rng(13).integers(0, centres, count)


def _stages(vectors: NDArray[np.float32], tokens: NDArray[np.int64]) -> dict[str, float]:
    count, clock = len(vectors), _Clock()

    def near(some: NDArray[np.float32]) -> Neighbors:
        how: Search = "exact" if len(some) <= _EXACT else "approximate"
        found = search(some, some, NEIGHBORS + 1, how).found
        return without_self(found, np.arange(len(some)))

    found = clock("neighbours", lambda: near(vectors))
    edges = graphs.edges_of(found)
    graph = clock("graph", lambda: graphs.symmetric(edges, count))
    clock("paper", lambda: paper_path(graph))
    clock("path", lambda: edge_path(graph, vectors, near, MOST_KICKS))
    clock("window", lambda: similar_windows(graph, vectors, tokens, WINDOW_TOKENS, 8, near))
    if count <= _PYTHON:
        plain = edges_of(found.ids.tolist(), found.scores.tolist())
        clock("paper in Python", lambda: algorithm_1(plain))
    return clock.cpu_s


class _Clock:
    """CPU seconds of several stages."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}

    def __call__(self, name: str, stage: Any) -> Any:  # noqa: ANN401
        started = time.process_time()
        found = stage()
        self.cpu_s[name] = round(time.process_time() - started, 4)
        return found


def by_step(
    vectors: NDArray[np.float32],
    tokens: NDArray[np.int64],
    shard_documents: int,
    objective: Literal["path", "window"] = "window",
    window_tokens: int = WINDOW_TOKENS,
    texts: pa.Array | None = None,
) -> dict[str, Any]:
    """The step `order_documents`: seconds, memory beyond its rows, and its figures.

    With texts, words count as they do by default.
    """
    count = len(vectors)
    table = pa.table(
        {
            "id": pa.array([f"d{number:09}" for number in range(count)]),
            "text": pa.nulls(count, pa.string()) if texts is None else texts,
            "tokens": tokens,
            "embedding_text": rows.vector_column(vectors),
            "drop_reason": pa.nulls(count, pa.string()),
        }
    )
    step = OrderDocuments(
        objective=objective,
        window_tokens=window_tokens,
        tokens="tokens",
        neighbors=NEIGHBORS,
        dedup_cosine=None,
        word_weight=0 if texts is None else None,
        shard_documents=max(2, shard_documents),
    )
    Path("/proc/self/clear_refs").write_text("5")  # the most memory from here on
    base_mb, started, cpu_s = _memory_mb("VmRSS"), time.perf_counter(), time.process_time()
    told = facts_of(in_order(step, table))
    return {
        "cpu_s": round(time.process_time() - cpu_s, 2),
        "wall_s": round(time.perf_counter() - started, 2),
        "memory_mb": round(_memory_mb("VmHWM") - base_mb),
        "shards": int(told.get("shards", "1").replace(",", "")),
        "adjacent": float(told["cosine to the document before"].split(",")[0]),
        "within": float(told["cosine within windows"].split(",")[0]),
        "search": told["search"],
    }


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    main()
