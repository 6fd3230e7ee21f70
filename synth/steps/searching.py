"""A corpus searched by some rows, as retrievers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import pyarrow as pa

from synth.algorithms.approximate import looks_at_all, search
from synth.algorithms.neighbors import Neighbors, Vectors
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import cells
from synth.steps.copies import present_texts
from synth.steps.retrievers import Bm25, Dense, Retriever, query_vector

# Inner products of float32 vectors may be a little more than those of their lengths.
_BOUND = 1.001


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What some queries found, best first.

    Attributes:
        ids: Indices into the corpus, -1 where there are fewer, shape (queries, any).
        scores: Inner products by the first dense retriever, also where only another found the
            text; NaN where there is none, shape (queries, any).
        sums: What they rank by: the one retriever's scores, of several the sums of reciprocal
            ranks, shape (queries, any).
        by: Each retriever's name, and its own ranking.
    """

    ids: np.ndarray
    scores: np.ndarray
    sums: np.ndarray
    by: tuple[tuple[str, Neighbors], ...]

    def of(self, at: np.ndarray | slice) -> Retrieved:
        """What some of the queries found."""
        by = tuple((name, Neighbors(one.ids[at], one.scores[at])) for name, one in self.by)
        return Retrieved(self.ids[at], self.scores[at], self.sums[at], by)


class _ByVectors:
    """A search of some queries by vectors, and how it was made."""

    def __init__(self, one: Dense, queries: Vectors, corpus: Vectors) -> None:
        self.queries, self.corpus = queries, corpus
        self._one = one
        # Recall and manner, of several searches of the one that found least.
        self.how: tuple[float, str] | None = None

    @property
    def looks_at_all(self) -> bool:
        return looks_at_all(len(self.queries), len(self.corpus), self._one.search)

    def find(self, at: np.ndarray, k: int) -> Neighbors:
        done = search(self.queries[at], self.corpus, k, self._one.search, self._one.recall)
        told = done.recall, done.how
        self.how = min(self.how or told, told)
        return done.found

    def most(self, at: np.ndarray) -> np.ndarray:
        """What no inner product of some queries with a text of the corpus is above."""
        longest = float(np.linalg.norm(self.corpus, axis=1).max(initial=0))
        return np.asarray(_BOUND * longest * np.linalg.norm(self.queries, axis=1)[at])


class _ByWords:
    """A search of some queries by words."""

    def __init__(self, one: Bm25, queries: pa.Array, corpus: pa.Array) -> None:
        from synth.algorithms.lexical import bm25_index

        self.queries, self.index = queries, bm25_index(corpus, one.k1, one.b)

    def find(self, at: np.ndarray, k: int) -> Neighbors:
        from synth.algorithms.lexical import bm25_top_k

        return bm25_top_k(self.index, self.queries.take(pa.array(at)), k)

    def scores(self, at: np.ndarray, texts: pa.Array) -> np.ndarray:
        from synth.algorithms.lexical import bm25_scores

        return bm25_scores(self.index, self.queries.take(pa.array(at)), texts)


class Corpus:
    """A searched corpus.

    Args:
        step: What the step is called in messages.
        retrievers: How it is searched.
        corpus: Its rows in the order of their ids, by which equal scores are ranked.
        texts: Theirs, null where there is none.
        queries: The rows that search.
        column: The text that they search by.
    """

    def __init__(
        self,
        step: str,
        retrievers: Sequence[Retriever],
        corpus: Table,
        texts: pa.Array,
        queries: Table,
        column: str,
    ) -> None:
        self.size, self._step, self._ids = corpus.num_rows, step, queries.column("id")
        self._by: dict[str, _ByVectors | _ByWords] = {}
        for one in retrievers:
            match one:
                case Dense():
                    pair = _pair_of_vectors(step, one, column, corpus, queries)
                    self._by[one.name] = _ByVectors(one, *pair)
                case Bm25():
                    self._by[one.name] = _ByWords(one, present_texts(queries, (column,)), texts)
                case _:
                    assert_never(one)

    @property
    def how(self) -> dict[str, tuple[float, str]]:
        """Recall and manner of each dense retriever's search, of several the worst."""
        return {name: by.how for name, by in self._dense.items() if by.how is not None}

    @property
    def _dense(self) -> dict[str, _ByVectors]:
        return {name: by for name, by in self._by.items() if isinstance(by, _ByVectors)}

    def every_product(self) -> tuple[Vectors, Vectors] | None:
        """Vectors of queries and corpus, if their products are all that the search looks at.

        Who takes them looks at every product, which counts as an exact search.
        """
        (first, *others) = self._by.values()
        if others or not isinstance(first, _ByVectors) or not first.looks_at_all:
            return None
        first.how = 1.0, "exact"
        return first.queries, first.corpus

    def find(self, at: np.ndarray, k: int) -> Retrieved:
        """The k best texts of each retriever, fused, for the queries at some indices."""
        from synth.algorithms.mining import fused

        found = tuple((name, by.find(at, k)) for name, by in self._by.items())
        ranked = fused([one for _, one in found], self.size)
        return Retrieved(ranked.ids, self._scores(at, ranked, found), ranked.scores, found)

    def scores_of(
        self, at: np.ndarray, texts: pa.Array, products: np.ndarray
    ) -> dict[str, np.ndarray]:
        """What each retriever gives to texts that the corpus does not have.

        Args:
            at: Indices of queries, shape (texts,).
            texts: One for each of them.
            products: The inner products of both, NaN where unknown: they are taken for those of the
                first dense retriever, shape (texts,).

        Returns:
            Shape (texts,) each; NaN where a retriever does not find a text.

        Raises:
            RecipeError: If a number is too large for such a product.
        """
        unknown = np.full(len(at), np.nan, np.float32)
        found: dict[str, np.ndarray] = dict.fromkeys(self._dense, unknown)
        for name, by in [*self._dense.items()][:1]:
            self._check_products(by, at, products)
            found[name] = products
        words = {name: by for name, by in self._by.items() if isinstance(by, _ByWords)}
        return found | {name: by.scores(at, texts) for name, by in words.items()}

    def _check_products(self, by: _ByVectors, at: np.ndarray, products: np.ndarray) -> None:
        most = by.most(at)
        wrong = np.flatnonzero(np.abs(products) > most) if self.size else at[:0]
        if len(wrong):
            first = wrong[0]
            raise RecipeError(
                f"{self._step}: row {self._ids[int(at[first])].as_py()!r} has a positive with the "
                f"score {products[first]:g}, but no inner product of its query is above "
                f"{most[first]:.3g}: another model gave it; let `score` with `fill: all` give it "
                "anew, with the encoder that embedded"
            )

    def _scores(
        self, at: np.ndarray, ranked: Neighbors, found: Sequence[tuple[str, Neighbors]]
    ) -> np.ndarray:
        """Inner products of each query with what it found."""
        if not self._dense:
            return np.full(ranked.ids.shape, np.nan, np.float32)
        name, by = next(iter(self._dense.items()))
        own = dict(found)[name]
        if own is ranked:
            return np.where(ranked.ids < 0, np.float32(np.nan), ranked.scores)
        from synth.algorithms.scoring import products

        return products(by.queries[at], by.corpus, ranked.ids)


def _pair_of_vectors(
    step: str, one: Dense, column: str, corpus: Table, queries: Table
) -> tuple[Vectors, Vectors]:
    name = query_vector(one, column)
    of_queries = cells.usable_vectors(queries, name)
    of_corpus = cells.usable_vectors(corpus, one.corpus_vector)
    if queries.num_rows and corpus.num_rows and of_queries.shape[1] != of_corpus.shape[1]:
        raise RecipeError(
            f"{step}: `{name}` has {of_queries.shape[1]} dimensions and "
            f"`{one.corpus_vector}` of the corpus has {of_corpus.shape[1]}; "
            "embed both with one encoder"
        )
    return of_queries, of_corpus


def told(how: Mapping[str, tuple[float, str]]) -> dict[str, str]:
    """Facts of searches, by retriever: how each was made, and the recall that it had."""
    return {f"search {name}": f"{way}, recall {recall:.3f}" for name, (recall, way) in how.items()}
