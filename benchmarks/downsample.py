"""Whether retrievers rank on a downsampled corpus as on the whole: ``downsample.py --data DATA``.

On SciFact's test claims, several retrievers are ranked by nDCG@10: on the whole corpus, on what
`downsample_corpus` leaves of it for pools of 2 to 250, and on as many passages drawn at random
beside the answers. Writes ``benchmarks/results/downsample.json`` and a page beside it. Encoding
takes some minutes on one core and is kept in the user's cache.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from encoded import ENCODER, Vectors, encoded
from machine import machine, made_by, versions
from markdown_table import table
from numpy.typing import NDArray
from retrieval_sets import RetrievalSet, read_set

from synth.algorithms.lexical import bm25_index, bm25_top_k
from synth.algorithms.mining import fused
from synth.algorithms.neighbors import Neighbors, top_k
from synth.core import rows
from synth.engines.bundled import local_model
from synth.steps import DownsampleCorpus
from synth.steps.retrievers import Bm25, Dense

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "sentence-transformers", "torch", "faiss-cpu", "bm25s", "numpy")
_POOLS = (2, 5, 10, 25, 50, 100, 250)
_DRAWS = 5
_AT = 10
# Found for a fusion of two.
_DEPTH = 100
Kept = NDArray[np.int64]
# Finds the best of some passages for every query.
Retriever = Callable[[Kept], Neighbors]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of sets in BEIR layout")
    found = read_set(parser.parse_args().data / "scifact", "test")
    systems = _systems(found)
    everything = np.arange(len(found.passages))
    whole = _scores(systems, found, everything)
    print({name: round(score, 4) for name, score in whole.items()}, flush=True)
    pools = list(_pools(systems, found, whole))
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/downsample.py --data DATA",
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "queries": len(found.queries),
        "passages": len(found.passages),
        "whole": whole,
        "pools": pools,
    }
    path = _RESULTS / "downsample.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(page(result)) + "\n")


def _systems(found: RetrievalSet) -> dict[str, Retriever]:
    """Retrievers that differ in how good they are."""
    texts, asked = pa.array(found.passages), pa.array(found.queries)

    def words(k1: float, b: float) -> Retriever:
        return lambda kept: bm25_top_k(bm25_index(texts.take(pa.array(kept)), k1, b), asked, _DEPTH)

    def dense(queries: Vectors, passages: Vectors) -> Retriever:
        return lambda kept: top_k(queries, passages[kept], _DEPTH)

    def both(*parts: Retriever) -> Retriever:
        return lambda kept: fused([part(kept) for part in parts], len(kept))

    long, short = (
        (encoded(found.queries, tokens), encoded(found.passages, tokens)) for tokens in (128, 32)
    )
    minilm = dense(*long)
    return {
        "BM25, k1 1.2, b 0.75": words(1.2, 0.75),
        "BM25, k1 0.9, b 0.4": words(0.9, 0.4),
        "BM25, k1 3, b 0": words(3.0, 0.0),
        "MiniLM, 128 tokens": minilm,
        "MiniLM, 32 tokens": dense(*short),
        "MiniLM, 48 of 384 numbers": dense(*(_shortened(one, 48) for one in long)),
        "MiniLM's word vectors": dense(_static(found.queries), _static(found.passages)),
        "BM25 and MiniLM, fused": both(words(1.2, 0.75), minilm),
    }


def _shortened(vectors: Vectors, size: int) -> Vectors:
    cut = vectors[:, :size]
    return np.asarray(cut / np.linalg.norm(cut, axis=1, keepdims=True), np.float32)


def _static(texts: Sequence[str]) -> Vectors:
    """The mean of the vectors that the encoder begins with: what a static encoder gives."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(local_model(ENCODER)))
    every = model[0].auto_model.embeddings.word_embeddings.weight.detach().numpy()
    ids = model.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    means = np.stack([every[one].mean(axis=0) for one in ids])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), np.float32)


def _scores(systems: dict[str, Retriever], found: RetrievalSet, kept: Kept) -> dict[str, float]:
    """The nDCG@10 of each retriever on some of the passages."""
    return {name: ndcg(find(kept), kept, found.answers) for name, find in systems.items()}


def ndcg(found: Neighbors, kept: Kept, answers: Sequence[Sequence[int]]) -> float:
    """The mean nDCG@10 of some queries.

    Args:
        found: Places among the passages kept.
        kept: Which passages these are.
        answers: The passages that answer each query.
    """
    gains = 1 / np.log2(np.arange(2, _AT + 2))
    scores = []
    for ids, right in zip(found.ids[:, :_AT], answers, strict=True):
        hits = np.isin(np.where(ids < 0, -1, kept[ids]), right)
        scores.append(gains[: len(hits)][hits].sum() / gains[: min(_AT, len(right))].sum())
    return float(np.mean(scores))


def _pools(
    systems: dict[str, Retriever], found: RetrievalSet, whole: dict[str, float]
) -> Iterator[dict[str, Any]]:
    corpus, queries = _tables(found)
    answers = np.unique(np.concatenate([np.array(own) for own in found.answers]))
    others = np.setdiff1d(np.arange(len(found.passages)), answers)
    for size in _POOLS:
        step = DownsampleCorpus(
            queries="queries", docs_per_query=size, retrievers=(Dense(), Bm25())
        )
        reasons = step.whole(corpus, queries).column("drop_reason")
        kept = np.flatnonzero(reasons.is_null().to_numpy())
        pooled = _scores(systems, found, kept)
        random = []
        for seed in range(_DRAWS):
            drawn = np.random.default_rng(seed).choice(
                others, max(0, len(kept) - len(answers)), replace=False
            )
            scores = _scores(systems, found, np.union1d(answers, drawn))
            random.append({"spearman": spearman(whole, scores), "scores": scores})
        told = {
            "docs_per_query": size,
            "kept": len(kept),
            "spearman": spearman(whole, pooled),
            "scores": pooled,
            "random": random,
        }
        print({name: told[name] for name in ("docs_per_query", "kept", "spearman")}, flush=True)
        yield told


def _tables(found: RetrievalSet) -> tuple[pa.Table, pa.Table]:
    """The corpus and the queries as the step reads them."""
    ids = [f"{at:05}" for at in range(len(found.passages))]
    corpus = pa.table(
        {
            "id": ids,
            "text": found.passages,
            "embedding_text": rows.vector_column(encoded(found.passages, 128)),
            "drop_reason": pa.nulls(len(ids), pa.string()),
        }
    )
    own = [[{"id": ids[at]} for at in answers] for answers in found.answers]
    queries = pa.table(
        {
            "id": [f"{at:05}" for at in range(len(own))],
            "query": found.queries,
            "positives": pa.array(own, rows.POSITIVES),
            "embedding_query": rows.vector_column(encoded(found.queries, 128)),
        }
    )
    return corpus, queries


def spearman(one: dict[str, float], other: dict[str, float]) -> float:
    """How alike two scores of each retriever rank them, equals in the middle of their ranks."""
    return float(pd.Series(one).rank().corr(pd.Series(other).rank()))


def page(result: dict[str, Any]) -> Iterator[str]:
    """The page of a result, line by line."""
    names, whole = list(result["whole"]), result["whole"]
    yield "# Retrievers ranked on a downsampled corpus"
    yield ""
    yield (
        f"SciFact, {result['queries']} test claims, {result['passages']:,} abstracts, nDCG@{_AT}. "
        "Pools are the answers, then `MiniLM, 128 tokens` and `BM25, k1 1.2, b 0.75` in turn. "
        f"Spearman's correlation is that of the ranking of {len(names)} retrievers with their "
        f"ranking on the whole corpus; beside it that of the answers and as many abstracts drawn "
        f"at random, the lowest of {_DRAWS} draws, and by how much nDCG differs from that on the "
        "whole corpus, at most."
    )
    yield ""
    yield from table(
        (
            "docs_per_query", "abstracts kept", "Spearman", "largest difference",
            "Spearman, random", "largest difference, random",
        ),
        [_line(one, whole, result["passages"]) for one in result["pools"]],
    )  # fmt: skip
    yield ""
    yield "## nDCG@10 of each retriever"
    yield ""
    sizes = [str(one["docs_per_query"]) for one in result["pools"]]
    yield from table(
        ("retriever", *sizes, "whole corpus"),
        [
            (
                name,
                *(f"{one['scores'][name]:.3f}" for one in result["pools"]),
                f"{whole[name]:.3f}",
            )
            for name in sorted(names, key=lambda name: -float(whole[name]))
        ],
    )
    yield ""
    yield made_by(result)


def _line(one: dict[str, Any], whole: dict[str, float], passages: int) -> tuple[str, ...]:
    def largest(scores: dict[str, float]) -> float:
        return max(abs(scores[name] - whole[name]) for name in whole)

    return (
        str(one["docs_per_query"]),
        f"{one['kept']:,} ({one['kept'] / passages:.0%})",
        f"{one['spearman']:.3f}",
        f"{largest(one['scores']):.3f}",
        f"{min(draw['spearman'] for draw in one['random']):.3f}",
        f"{max(largest(draw['scores']) for draw in one['random']):.3f}",
    )


if __name__ == "__main__":
    main()
