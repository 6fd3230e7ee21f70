"""How a step finds texts of a corpus: by vectors, by words, or by both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from synth.algorithms.approximate import Search
from synth.core import rows
from synth.core.step import Column, Fields, Name


class _Retriever(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str

    @model_serializer(mode="wrap")
    def _with_kind(self, stated: SerializerFunctionWrapHandler) -> dict[str, object]:
        """What differs from the defaults is not enough: `kind` tells retrievers apart."""
        return {"kind": self.kind, **stated(self)}


class Dense(_Retriever):
    """By the inner product of vectors.

    Attributes:
        name: What it is called in the column `found`.
        query_vector: The embedding of the text that asks; ``embedding_<column>`` when left out.
        corpus_vector: The text's embedding, by the same encoder.
        search: ``exact``; ``approximate``, which looks at as many clusters of the corpus as it
            takes to reach `recall`; ``auto`` is exact up to ten billion pairs of query and text.
        recall: Share of the true neighbours that an approximate search finds at least, measured on
            200 of the queries.
    """

    kind: Literal["dense"] = "dense"
    name: Name = "dense"
    query_vector: Column | None = None
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


def _told_apart(retrievers: tuple[Retriever, ...]) -> tuple[Retriever, ...]:
    names = [one.name for one in retrievers]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two retrievers are called {twice[0]!r}; give each a `name`")
    return retrievers


Retrievers = Annotated[tuple[Retriever, ...], Field(min_length=1), AfterValidator(_told_apart)]


def query_fields(retrievers: Sequence[Retriever], column: str) -> Fields:
    """The text that asks, and the vectors of it that are searched by."""
    vectors = [query_vector(one, column) for one in retrievers if isinstance(one, Dense)]
    named = (pa.field(name, rows.VECTOR) for name in dict.fromkeys(vectors))
    return (pa.field(column, pa.string()), *named)


def query_vector(one: Dense, column: str) -> str:
    """The column of the vectors that ask."""
    return one.query_vector or f"embedding_{column}"


def corpus_fields(retrievers: Sequence[Retriever]) -> Fields:
    """The columns of the corpus that are searched in, beside its id and text."""
    vectors = [one.corpus_vector for one in retrievers if isinstance(one, Dense)]
    return tuple(pa.field(name, rows.VECTOR) for name in dict.fromkeys(vectors))
