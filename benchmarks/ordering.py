"""Orders of documents compared: ``python benchmarks/ordering.py DATA``.

Every order is given the same documents (near copies left out), vectors and 20 nearest neighbours,
and is packed into the same number of tokens. DATA holds the sets of `ordering_corpora`. Writes
``benchmarks/results/ordering.json`` and a page beside it; ``--growth`` adds times and memory for
numbers of documents drawn at random, and what shards lose.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from machine import load, machine, versions
from numpy.typing import NDArray
from ordering_best import MOST_DOCUMENTS, best_path
from ordering_corpora import TOPICS, Corpus, read_corpus
from ordering_growth import by_step, growth
from ordering_report import page
from ordering_rivals import algorithm_1, edges_of, public_code

from synth.algorithms import graph as graphs
from synth.algorithms.clusters import cluster_order
from synth.algorithms.graph import Graph
from synth.algorithms.neighbors import Neighbors, nearest_others
from synth.algorithms.order_figures import figures
from synth.algorithms.ordering import MOST_KICKS
from synth.algorithms.paths import edge_path, paper_path
from synth.algorithms.spans import Spans, cut_spans, neighbor_spans
from synth.algorithms.windows import similar_windows

RESULTS = Path(__file__).with_name("results")
PACKAGES = ("synth-recipes", "numba", "faiss-cpu", "numpy", "sentence-transformers")
NEIGHBORS, PASSES = 20, 8
# Windows hold so many documents on average; the paper's hold 8,192 tokens.
_DOCUMENTS, _TOKENS = (8, 21), (2048, 8192)
# What takes less is done again and again, for so long.
_TIMED_S = 0.05

Index = NDArray[np.int64]


class Near(NamedTuple):
    """A corpus with what every order starts from."""

    corpus: Corpus
    found: Neighbors
    graph: Graph

    @classmethod
    def of(cls, corpus: Corpus) -> Near:
        """Finds the neighbours."""
        found = nearest_others(corpus.vectors, NEIGHBORS)
        count = len(corpus.tokens)
        return cls(corpus, found, graphs.symmetric(graphs.edges_of(found), count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--sets", nargs="+", choices=TOPICS, default=list(TOPICS))
    parser.add_argument("--passage-words", type=int, help="cut documents into passages")
    parser.add_argument("--growth", nargs="+", type=int, default=[], help="numbers of documents")
    args = parser.parse_args()
    path = RESULTS / "ordering.json"
    result = json.loads(path.read_text()) if path.exists() else {"corpora": {}, "growth": []}
    for name in args.sets:
        whole = read_corpus(args.data, name, args.passage_words)
        shown = name if args.passage_words is None else f"{name}, {args.passage_words} words"
        print(f"{shown}: {len(whole.tokens):,} documents", flush=True)
        result["corpora"][shown] = compared(Near.of(whole))
    _save(path, result)
    for at, count in enumerate(args.growth):
        result["growth"][at:] = [growth(count)]
        _save(path, result)


def _save(path: Path, result: dict[str, Any]) -> None:
    """Writes what is measured, and the page."""
    result |= {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python benchmarks/ordering.py DATA --growth NUMBERS",
        "machine": machine(),
        "load": load(),
        "packages": versions(*PACKAGES),
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text(page(result))


def compared(near: Near) -> dict[str, Any]:
    """Figures of every order."""
    corpus = near.corpus
    mean = float(corpus.tokens.mean())
    sizes = {f"{count} documents": round(count * mean) for count in _DOCUMENTS}
    sizes |= {f"{count:,} tokens": count for count in _TOKENS}
    rows = []
    for name, (order, cpu_s) in orders(near):
        row: dict[str, Any] = {"order": name, "cpu_s": cpu_s, "windows": {}}
        for shown, size in sizes.items():
            row["windows"][shown] = _figures(near, order, cut_spans(order, corpus.tokens, size))
        row["adjacent"] = row["windows"][f"{_DOCUMENTS[0]} documents"].pop("adjacent")
        rows.append(row)
    for name, planned in planners(near):
        row = {"order": name, "cpu_s": None, "windows": {}}
        for shown, size in sizes.items():
            spans, cpu_s = _timed(planned, size)
            order = np.unique(spans.documents)
            row["windows"][shown] = _figures(near, order, spans) | {"cpu_s": cpu_s}
        rows.append(row)
    return {
        "documents": len(corpus.tokens),
        "mean_tokens": round(mean),
        "sizes": sizes,
        "rows": rows,
        "shards": _shards(corpus, round(_DOCUMENTS[0] * mean)),
    }


def _shards(corpus: Corpus, size: int) -> list[dict[str, Any]]:
    """What paths and windows lose in shards of a quarter of the documents."""
    count = len(corpus.tokens)
    objectives: tuple[Literal["path", "window"], ...] = ("path", "window")
    return [
        {"objective": objective} | by_step(corpus.vectors, corpus.tokens, most, objective, size)
        for objective in objectives
        for most in (count, count // 4)
    ]


def orders(near: Near) -> Iterator[tuple[str, tuple[Index, float]]]:
    """Every order that is cut into windows afterwards, and its CPU seconds beyond neighbours."""
    corpus, graph = near.corpus, near.graph
    count, vectors = len(corpus.tokens), corpus.vectors
    ids, scores = near.found.ids.tolist(), near.found.scores.tolist()
    edges = edges_of(ids, scores)

    ways: dict[str, Callable[[], Any]] = {
        "random": lambda: np.random.default_rng(0).permutation(count),
        "k-means clusters": lambda: cluster_order(vectors, -(-count // 64), 0),
        "public code, in Python": lambda: public_code(ids),
        "paper, in Python": lambda: algorithm_1(edges),
        "paper, edges counted once, in Python": lambda: algorithm_1(edges, "once"),
        "synth path, method paper": lambda: paper_path(graph),
        "synth path": lambda: edge_path(graph, vectors, ends, MOST_KICKS),
    }
    for name, way in ways.items():
        if name.startswith("synth"):
            way()  # compiles
        order, cpu_s = _timed(way)
        yield name, (np.array(order), cpu_s)
    if count <= MOST_DOCUMENTS:
        yield "best path, by LKH", best_path(vectors)


def ends(some: NDArray[np.float32]) -> Neighbors:
    """The nearest others of each."""
    return nearest_others(some, NEIGHBORS)


def planners(near: Near) -> Iterator[tuple[str, Callable[[int], Spans]]]:
    """Every order that is made for windows of so many tokens."""
    corpus, graph = near.corpus, near.graph
    similar_windows(graph, corpus.vectors, corpus.tokens, 512, 1, ends)  # compiles
    yield (
        "synth window",
        lambda size: similar_windows(graph, corpus.vectors, corpus.tokens, size, PASSES, ends),
    )
    yield (
        "kNN, repeats documents",
        lambda size: neighbor_spans(near.found.ids, corpus.tokens, size, 0),
    )


def _timed(way: Callable[..., Any], *args: Any) -> tuple[Any, float]:  # noqa: ANN401
    """What a way returns, and the CPU seconds that it takes, on average over several times."""
    times, started, used_s = 0, time.process_time(), 0.0
    while used_s < _TIMED_S:
        found = way(*args)
        times, used_s = times + 1, time.process_time() - started
    return found, round(used_s / times, 6)


def _figures(near: Near, order: Index, spans: Spans) -> dict[str, Any]:
    corpus = near.corpus
    found = figures(order, corpus.vectors, near.graph, spans)
    return {
        "adjacent": round(found.adjacent.mean, 4),
        "within": round(found.within.mean, 4),
        "tenth": round(found.within.quantile(0.1), 3),
        "windows": found.windows,
        "filled": round(float(spans.tokens.sum()) / found.windows, 1),
        "cut": int((np.bincount(spans.documents) > 1).sum()),
        "purity": purity(spans, corpus.topics),
    }


def purity(spans: Spans, topics: Index) -> float | None:
    """The share of tokens of a window that are of its commonest topic, over windows of several.

    Args:
        spans: The windows.
        topics: Of each document; below 0 there is none.

    Returns:
        None where no document has a topic.
    """
    topic, tokens = topics[spans.documents], spans.tokens
    several = np.bincount(spans.windows)[spans.windows] > 1
    there = several & (topic >= 0)
    if not there.any():
        return None
    key = spans.windows[there] * (int(topics.max()) + 1) + topic[there]
    held = np.bincount(np.unique(key, return_inverse=True)[1].reshape(-1), tokens[there])
    windows = np.unique(key) // (int(topics.max()) + 1)
    begins = np.flatnonzero(np.diff(windows, prepend=-1))
    most = np.maximum.reduceat(held, begins)
    return round(float(most.sum() / held.sum()), 4)


if __name__ == "__main__":
    main()
