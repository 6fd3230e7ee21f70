"""How a step finds texts of a corpus: by vectors, by words, or by both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, assert_never

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat

from synth.algorithms.approximate import Search, search
from synth.algorithms.neighbors import Neighbors
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps import cells
from synth.steps.copies import present_texts
from synth.steps.entry_lists import listed


class _Retriever(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Dense(_Retriever):
    """By the inner product of vectors.

    Attributes:
        name: What it is called in the column `found`.
        query_vector: The query's embedding.
        corpus_vector: The text's embedding, by the same encoder.
        search: ``exact``; ``approximate``, which looks at as many clusters of the corpus as it
            takes to reach `recall`; ``auto`` is exact up to ten billion pairs of query and text.
        recall: Share of the true neighbours that an approximate search finds at least, measured on
            200 of the queries.
    """

    kind: Literal["dense"] = "dense"
    name: Name = "dense"
    query_vector: Column = "embedding_query"
    corpus_vector: Column = "embedding_text"
    search: Search = "auto"
    recall: Annotated[float, Field(gt=0, le=1)] = 0.95


class Bm25(_Retriever):
    """By the words that query and text share.

    Attributes:
        name: What it is called in the column `found`.
        k1: How much more a word counts that a text repeats.
        b: How much less a word counts in a long text.
    """

    kind: Literal["bm25"] = "bm25"
    name: Name = "bm25"
    k1: NonNegativeFloat = 1.2
    b: Annotated[float, Field(ge=0, le=1)] = 0.75


Retriever = Annotated[Dense | Bm25, Field(discriminator="kind")]
Retrievers = Annotated[tuple[Retriever, ...], Field(min_length=1)]
# Finds so many texts of the corpus for some of the queries.
Finder = Callable[[np.ndarray, int], Neighbors]


def query_fields(retrievers: Sequence[Retriever]) -> Fields:
    """The columns of the query that are searched by."""
    vectors = [one.query_vector for one in retrievers if isinstance(one, Dense)]
    return tuple(pa.field(name, rows.VECTOR) for name in dict.fromkeys(vectors))


def corpus_fields(retrievers: Sequence[Retriever]) -> Fields:
    """The columns of the corpus that are searched in, beside its id and text."""
    vectors = [one.corpus_vector for one in retrievers if isinstance(one, Dense)]
    return tuple(pa.field(name, rows.VECTOR) for name in dict.fromkeys(vectors))


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What some queries found, best first.

    Attributes:
        ids: Indices into the corpus, -1 where there are fewer, shape (queries, any).
        scores: Inner products by the first dense retriever, also where only another found the
            text; NaN where there is none, shape (queries, any).
        by: Each retriever's name, and its own ranking.
    """

    ids: np.ndarray
    scores: np.ndarray
    by: tuple[tuple[str, Neighbors], ...]

    def of(self, at: np.ndarray) -> Retrieved:
        """What some of the queries found."""
        by = tuple((name, Neighbors(one.ids[at], one.scores[at])) for name, one in self.by)
        return Retrieved(self.ids[at], self.scores[at], by)


class Corpus:
    """A searched corpus.

    Args:
        step: What the step is called in messages.
        retrievers: How it is searched.
        corpus: Its rows in the order of their ids, by which equal scores are ranked.
        texts: Theirs, null where there is none.
        queries: The rows that search, with a column `query`.
    """

    def __init__(
        self,
        step: str,
        retrievers: Sequence[Retriever],
        corpus: Table,
        texts: pa.Array,
        queries: Table,
    ) -> None:
        self.size = corpus.num_rows
        self._texts, self._queries = texts, queries
        self._vectors = {
            one.name: _pair_of_vectors(step, one, corpus, queries)
            for one in retrievers
            if isinstance(one, Dense)
        }
        self._finders = [(one.name, self._finder(one)) for one in retrievers]
        # Recall and manner of each dense retriever's search, of several the one that found least.
        self.how: dict[str, tuple[float, str]] = {}

    def find(self, at: np.ndarray, k: int) -> Retrieved:
        """The k best texts of each retriever, fused, for the queries at some indices."""
        from synth.algorithms.mining import fused

        found = tuple((name, find(at, k)) for name, find in self._finders)
        ranked = fused([one for _, one in found], self.size)
        return Retrieved(ranked.ids, self._scores(at, ranked, found), found)

    def _finder(self, one: Retriever) -> Finder:
        match one:
            case Dense():
                queries, vectors = self._vectors[one.name]

                def by_vectors(at: np.ndarray, k: int) -> Neighbors:
                    done = search(queries[at], vectors, k, one.search, one.recall)
                    told = done.recall, done.how
                    self.how[one.name] = min(self.how.get(one.name, told), told)
                    return done.found

                return by_vectors
            case Bm25():
                from synth.algorithms.lexical import bm25_index, bm25_top_k

                index = bm25_index(self._texts, one.k1, one.b)
                texts = present_texts(self._queries, ("query",))

                def by_words(at: np.ndarray, k: int) -> Neighbors:
                    return bm25_top_k(index, texts.take(pa.array(at)), k)

                return by_words
            case _:
                assert_never(one)

    def _scores(
        self, at: np.ndarray, ranked: Neighbors, found: Sequence[tuple[str, Neighbors]]
    ) -> np.ndarray:
        """Inner products of each query with what it found."""
        if not self._vectors:
            return np.full(ranked.ids.shape, np.nan, np.float32)
        name, (queries, vectors) = next(iter(self._vectors.items()))
        own = dict(found)[name]
        if own is ranked:
            return np.where(ranked.ids < 0, np.float32(np.nan), ranked.scores)
        from synth.algorithms.scoring import products

        return products(queries[at], vectors, ranked.ids)


def _pair_of_vectors(
    step: str, one: Dense, corpus: Table, queries: Table
) -> tuple[np.ndarray, np.ndarray]:
    of_queries = cells.usable_vectors(queries, one.query_vector)
    of_corpus = cells.usable_vectors(corpus, one.corpus_vector)
    if queries.num_rows and corpus.num_rows and of_queries.shape[1] != of_corpus.shape[1]:
        raise RecipeError(
            f"{step}: `{one.query_vector}` has {of_queries.shape[1]} dimensions and "
            f"`{one.corpus_vector}` of the corpus has {of_corpus.shape[1]}; "
            "embed both with one encoder"
        )
    return of_queries, of_corpus


def found_by(retrieved: Retrieved, ids: np.ndarray) -> pa.Array:
    """Who found each of some texts, at what rank and with what score.

    Args:
        retrieved: What the queries found.
        ids: Texts of each query, -1 for none, shape (queries, any).

    Returns:
        A list of the retrievers that found it for each text that is not -1, row by row.
    """
    from synth.algorithms.mining import places_of

    there = ids >= 0
    row = np.nonzero(there)[0]
    ranks, scores, present = [], [], []
    for _, one in retrieved.by:
        place = places_of(one, ids)[there]
        held = place >= 0
        present.append(held)
        ranks.append(place + 1)
        score = np.full(len(place), np.nan, np.float32)
        score[held] = one.scores[row[held], place[held]]
        scores.append(score)
    names = pa.array([name for name, _ in retrieved.by])
    mask = np.stack(present, axis=1)
    which = np.nonzero(mask)[1]
    entries = pa.StructArray.from_arrays(
        [
            names.take(pa.array(which)),
            pa.array(np.stack(ranks, axis=1)[mask], pa.int32()),
            pa.array(np.stack(scores, axis=1)[mask], pa.float32()),
        ],
        fields=list(rows.FOUND.value_type),
    )
    return listed(entries, mask.sum(axis=1), rows.FOUND)
