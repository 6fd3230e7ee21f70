"""Documents put in order: near copies set aside, then a path, windows, or what they beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.approximate import Search, search
from synth.algorithms.clusters import cluster_order
from synth.algorithms.graph import Graph, edges_of, symmetric
from synth.algorithms.kernel import Index
from synth.algorithms.neighbors import Neighbors, Vectors, without_self
from synth.algorithms.order_figures import Figures, figures
from synth.algorithms.paths import edge_path, paper_path
from synth.algorithms.similar_copies import Distinct, distinct
from synth.algorithms.spans import (
    Overflow,
    Spans,
    fitting,
    neighbor_spans,
    own_spans,
    packed,
)
from synth.algorithms.windows import similar_windows
from synth.algorithms.word_vectors import joint_vectors

Objective = Literal["path", "window", "cluster", "random", "knn"]
Method = Literal["greedy_edge", "paper"]

# Up to so many vectors every pair is looked at.
_MOST_EXACT = 200_000
# Of so many documents each is worth a kick; among more, kicks gain less than they cost.
MOST_KICKS = 2_000
# Documents of a cluster where none is asked for.
_OF_CLUSTER = 64


@dataclass(frozen=True, slots=True)
class Rule:
    """What order is wanted; `synth.steps.OrderDocuments` describes each."""

    objective: Objective = "path"
    method: Method = "greedy_edge"
    neighbors: int = 20
    search: Search = "auto"
    recall: float = 0.95
    dedup_cosine: float | None = 0.95
    window_tokens: int | None = None
    overflow: Overflow = "split"
    passes: int = 8
    word_weight: float = 0.0
    clusters: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Documents:
    """What is put in order.

    Attributes:
        vectors: Of length 1, shape (documents, dim).
        visits: Every index once; of near copies the one visited first stays.
        tokens: Of each document, all above 0, shape (documents,); None where windows do not matter.
        sources: A number for the source of each document, shape (documents,).
        texts: Of each document; None where words do not matter.
    """

    vectors: Vectors
    visits: Index
    tokens: Index | None = None
    sources: Index | None = None
    texts: pa.Array | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order.

    Attributes:
        order: The documents that stay, as they follow each other.
        of: The document that each one repeats, -1 where it stays, shape (documents,).
        cosine: Their cosine, 0 where it stays, shape (documents,).
        spans: The windows that the order was made for, None where it was made for none.
        after: Figures of the order.
        before: Figures of the same documents by their index.
        searched: How neighbours were searched, in words.
        recall: Share of the true neighbours that were found.
    """

    order: Index
    of: Index
    cosine: NDArray[np.float32]
    spans: Spans | None
    after: Figures
    before: Figures
    searched: str
    recall: float


def ordered(documents: Documents, rule: Rule) -> Ordered:
    """Documents in the order that a rule asks for.

    Args:
        documents: Any number.
        rule: ``window`` and ``knn`` take `window_tokens`, and documents with tokens; a
            `word_weight` takes documents with texts.

    Raises:
        ValueError: If a vector is zero or not finite, or tokens or texts are missing.
    """
    searcher = _Searcher(rule)
    done, compared, near = _compared(documents, rule, searcher)
    kept = done.kept
    vectors = documents.vectors[kept] if rule.word_weight else compared
    by_rule = compared if rule.word_weight else None
    graph = symmetric(edges_of(near), len(kept))
    tokens = None if documents.tokens is None else documents.tokens[kept]
    sources = None if documents.sources is None else documents.sources[kept]
    order, spans = _arranged(compared, graph, near, tokens, rule, searcher)
    by_index = np.arange(len(kept))
    shown, shown_before = spans, None
    if tokens is not None and rule.window_tokens is not None:
        shown_before = packed(by_index, tokens, rule.window_tokens, rule.overflow)
        if spans is None:
            shown = packed(order, tokens, rule.window_tokens, rule.overflow)
    return Ordered(
        kept[order],
        done.of,
        done.cosine,
        None if spans is None else spans._replace(documents=kept[spans.documents]),
        figures(order, vectors, graph, shown, sources, by_rule),
        figures(by_index, vectors, graph, shown_before, sources, by_rule),
        searcher.how,
        searcher.recall,
    )


def _compared(
    documents: Documents, rule: Rule, searcher: _Searcher
) -> tuple[Distinct, Vectors, Neighbors]:
    """Which documents stay, the vectors that put these in order, and their neighbours by them."""

    def without_copies(vectors: Vectors) -> Distinct:
        return distinct(
            vectors, rule.neighbors, documents.visits, rule.dedup_cosine, searcher.search
        )

    if not rule.word_weight:
        done = without_copies(documents.vectors)
        return done, documents.vectors[done.kept], done.neighbors
    if documents.texts is None:
        raise ValueError("`word_weight` takes texts of documents")
    if rule.dedup_cosine is None:
        joint = joint_vectors(documents.vectors, documents.texts, rule.word_weight)
        done = without_copies(joint)
        return done, joint, done.neighbors
    # Copies are told by embeddings alone.
    done = without_copies(documents.vectors)
    texts = documents.texts.take(pa.array(done.kept))
    joint = joint_vectors(documents.vectors[done.kept], texts, rule.word_weight)
    return done, joint, searcher.near(joint)


def _arranged(
    vectors: Vectors,
    graph: Graph,
    found: Neighbors,
    tokens: Index | None,
    rule: Rule,
    searcher: _Searcher,
) -> tuple[Index, Spans | None]:
    """The order, and the windows where it is made for windows."""
    match rule.objective:
        case "path" if rule.method == "paper":
            return paper_path(graph), None
        case "path":
            return edge_path(graph, vectors, searcher.near, MOST_KICKS), None
        case "random":
            return np.random.default_rng(rule.seed).permutation(len(vectors)), None
        case "cluster":
            clusters = rule.clusters or -(-len(vectors) // _OF_CLUSTER)
            return cluster_order(vectors, clusters, rule.seed), None
        case "window" | "knn":
            if tokens is None or rule.window_tokens is None:
                raise ValueError(f"{rule.objective!r} takes tokens of documents and of windows")
            tokens = fitting(tokens, rule.window_tokens, rule.overflow)
            if rule.objective == "knn":
                spans = neighbor_spans(found.ids, tokens, rule.window_tokens, rule.seed)
            else:
                spans = _windows(vectors, graph, tokens, rule.window_tokens, rule, searcher)
            return _by_window(spans, len(vectors)), spans
        case _:
            assert_never(rule.objective)


def _windows(
    vectors: Vectors, graph: Graph, tokens: Index, size: int, rule: Rule, searcher: _Searcher
) -> Spans:
    alone = (tokens > size) & (rule.overflow == "own_window")
    shared = np.where(alone, 0, tokens)
    spans = similar_windows(graph, vectors, shared, size, rule.passes, searcher.near)
    return own_spans(np.flatnonzero(alone), tokens, size).behind(spans)


def _by_window(spans: Spans, count: int) -> Index:
    """Documents in the order in which they first stand in windows, those in none last."""
    first = np.full(count, len(spans.documents))
    np.minimum.at(first, spans.documents, np.arange(len(spans.documents)))
    return np.argsort(first, kind="stable")


class _Searcher:
    """Searches as a rule says, and tells how the first search was done."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self.how, self.recall = "", 1.0

    def search(self, queries: Vectors, corpus: Vectors, k: int) -> Neighbors:
        """The k nearest of a corpus for each query."""
        how = self._rule.search
        if how == "auto":
            how = "exact" if len(corpus) <= _MOST_EXACT else "approximate"
        found = search(queries, corpus, k, how, self._rule.recall)
        if not self.how:
            self.how, self.recall = found.how, found.recall
        return found.found

    def near(self, vectors: Vectors) -> Neighbors:
        """The nearest of all other vectors for each vector."""
        found = self.search(vectors, vectors, self._rule.neighbors + 1)
        return without_self(found, np.arange(len(vectors)))
