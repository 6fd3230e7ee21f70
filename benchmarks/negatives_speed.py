"""One way of mining, in a process of its own: prints its CPU seconds, memory and negatives.

Run by `negatives`. Vectors are drawn at random around centres, with as much in each direction as
MiniLM's vectors of SciFact have (their 84 effective dimensions; without that, all neighbours beyond
a centre would be equally far). They are there before the clock starts, for every way alike: what is
measured is the search, the rules, and the rows that come out.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

DIM, KEEP, DEPTH, MARGIN = 384, 5, 100, 0.05
_CENTRES, _SPREAD = 2_000, 0.8
# As many as an export reads at once.
_BATCH_ROWS = 8192
# How variance falls from one principal direction to the next, and where it ends.
_FALLS, _ENDS = -0.5, 140
Vectors = NDArray[np.float32]
Negatives = list[tuple[int, int]]
# Negatives, and how they were searched where that is told.
Found = tuple[Negatives, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--queries", type=int, required=True)
    parser.add_argument("--passages", type=int, required=True)
    args = parser.parse_args()
    queries, passages = vectors(args.queries, args.passages)
    WAYS[args.way](queries[:500], passages[:20_000])  # imports and compiles
    Path("/proc/self/clear_refs").write_text("5")  # the most memory from here on
    base_mb, cpu_s, started = _memory_mb("VmRSS"), _cpu_s(), time.perf_counter()
    found, search = WAYS[args.way](queries, passages)
    told = {
        "way": args.way,
        "search": search,
        "cpu_s": round(_cpu_s() - cpu_s, 2),
        "wall_s": round(time.perf_counter() - started, 2),
        "memory_mb": round(_memory_mb("VmHWM") - base_mb),
        "rows": len(found),
        "digest": sha256(json.dumps(sorted(found)).encode()).hexdigest(),
    }
    print(json.dumps(told))


def vectors(queries: int, passages: int) -> tuple[Vectors, Vectors]:
    """Unit vectors of queries near their own passage, and of passages around some centres."""
    draw, nth = np.random.default_rng(7), np.arange(DIM)
    scale = np.sqrt((1.0 + nth) ** _FALLS * np.exp(-nth / _ENDS))
    centres = draw.normal(size=(_CENTRES, DIM)) * scale
    of_passages = centres[draw.integers(0, _CENTRES, passages)]
    of_passages = of_passages + _SPREAD * draw.normal(size=(passages, DIM)) * scale
    own = positive_of(np.arange(queries), queries, passages)
    of_queries = of_passages[own] + 0.7 * draw.normal(size=(queries, DIM)) * scale
    return _unit(of_queries), _unit(of_passages)


def positive_of(at: NDArray[np.int64], queries: int, passages: int) -> NDArray[np.int64]:
    """The passage that answers each query."""
    return np.asarray(at * (passages // queries))


def _unit(found: NDArray[np.float64]) -> Vectors:
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def _query_texts(count: int) -> list[str]:
    return [f"query {number}" for number in range(count)]


def _passage_texts(count: int) -> list[str]:
    return [f"passage {number}" for number in range(count)]


def _synth(search: str, near_copy: float | None) -> Callable[[Vectors, Vectors], Found]:
    def mine(queries: Vectors, passages: Vectors) -> Found:
        from synth.core import rows
        from synth.export.tuples import triplet_rows
        from synth.formats import TripletExport
        from synth.steps import MarginFilter, MineNegatives
        from synth.steps.whole import facts_of

        count, size = len(queries), len(passages)
        own = positive_of(np.arange(count), count, size)
        texts = pa.array(_passage_texts(size))
        ids = pa.array([f"p{number:09}" for number in range(size)])
        scores = np.einsum("nd,nd->n", queries, passages[own])
        taken = pa.array(own)
        positive = pa.StructArray.from_arrays(
            [ids.take(taken), texts.take(taken), pa.array(scores)],
            fields=list(rows.POSITIVES.value_type),
        )
        offsets = pa.array(np.arange(count + 1), pa.int32())
        table = pa.table(
            {
                "id": [f"q{number:09}" for number in range(count)],
                "query": _query_texts(count),
                "positives": pa.ListArray.from_arrays(offsets, positive).cast(rows.POSITIVES),
                "embedding_query": rows.vector_column(queries),
                "drop_reason": pa.nulls(count, pa.string()),
            }
        )
        corpus = pa.table(
            {"id": ids, "text": texts, "embedding_text": rows.vector_column(passages)}
        )
        step = MineNegatives.model_validate(
            {
                "corpus": "corpus",
                "depth": DEPTH,
                "near_copy": near_copy,
                "retrievers": [{"kind": "dense", "search": search}],
            }
        )
        mined = step.whole(table, corpus)
        margin = MarginFilter(relative_margin=MARGIN, keep=KEEP)
        found: Negatives = []
        # Steps that look at one row after the other, and exports, get rows in batches.
        for at in range(0, count, _BATCH_ROWS):
            kept = margin.apply(mined.slice(at, _BATCH_ROWS))
            triplets = triplet_rows(TripletExport(), kept).rows
            found += _pairs(triplets.column("query"), triplets.column("negative"))
        return found, facts_of(mined).get("search dense", "")

    return mine


def _sentence_transformers(faiss: bool, block: int) -> Callable[[Vectors, Vectors], Found]:  # noqa: FBT001
    def mine(queries: Vectors, passages: Vectors) -> Found:
        from datasets import Dataset
        from sentence_transformers.util import mine_hard_negatives

        count, size = len(queries), len(passages)
        own = positive_of(np.arange(count), count, size).tolist()
        texts = _passage_texts(size)
        pairs = {"query": _query_texts(count), "positive": [texts[at] for at in own]}
        found = mine_hard_negatives(
            Dataset.from_dict(pairs),
            _Known(queries, passages),
            corpus=texts,
            range_max=DEPTH,
            relative_margin=MARGIN,
            num_negatives=KEEP,
            output_format="triplet",
            output_scores=True,
            use_faiss=faiss,
            faiss_batch_size=block,
            verbose=False,
        )
        table = found.data.table
        return _pairs(table.column("query"), table.column("negative")), ""

    return mine


class _Known:
    """Stands in for an encoder: every text's vector is known."""

    device = "cpu"

    def __init__(self, queries: Vectors, passages: Vectors) -> None:
        self._vectors = {"query": queries, "passage": passages}
        self.model_card_data = type("Card", (), {"base_model": "known"})

    def encode_query(self, texts: list[str], **_: object) -> Any:  # noqa: ANN401
        return self._encode(texts)

    def encode_document(self, texts: list[str], **_: object) -> Any:  # noqa: ANN401
        return self._encode(texts)

    def _encode(self, texts: list[str]) -> Any:  # noqa: ANN401
        import torch

        parts = [text.split() for text in texts]
        numbers = np.array([int(number) for _, number in parts])
        return torch.from_numpy(self._vectors[parts[0][0]][numbers])

    def get_embedding_dimension(self) -> int:
        return DIM

    def similarity(self, one: Any, other: Any) -> Any:  # noqa: ANN401
        import torch

        return torch.as_tensor(one) @ torch.as_tensor(other).T

    def similarity_pairwise(self, one: Any, other: Any) -> Any:  # noqa: ANN401
        import torch

        return (torch.as_tensor(one) * torch.as_tensor(other)).sum(dim=1)


def _pairs(queries: pa.ChunkedArray, negatives: pa.ChunkedArray) -> Negatives:
    return [
        (int(query.split()[1]), int(negative.split()[1]))
        for query, negative in zip(queries.to_pylist(), negatives.to_pylist(), strict=True)
    ]


WAYS: dict[str, Callable[[Vectors, Vectors], Found]] = {
    "synth exact": _synth("exact", None),
    "synth exact, near copies left out": _synth("exact", 95),
    "synth approximate": _synth("approximate", None),
    "sentence-transformers, faiss": _sentence_transformers(faiss=True, block=16384),
    "sentence-transformers": _sentence_transformers(faiss=False, block=16384),
    "sentence-transformers, blocks of 1024": _sentence_transformers(faiss=False, block=1024),
}


if __name__ == "__main__":
    main()
