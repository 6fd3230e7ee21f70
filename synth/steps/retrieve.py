"""Find the texts of another table that are nearest to the text of each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import NonNegativeInt, PositiveInt, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps.copies import is_null, present_texts
from synth.steps.matching import column_mentions
from synth.steps.retrievers import Dense, Retrievers, corpus_fields, query_fields
from synth.steps.retrieving import Retrieval, short_of
from synth.steps.searching import told
from synth.steps.whole import OneTaskStep, with_facts

# Texts searched beyond those wanted: the row itself, its source document and copies among them.
_SPARE = 4
# Columns that mean something to every step.
_TAKEN = ("id", "text", "query", "positives", "negatives", "drop_reason")


class Retrieve(OneTaskStep):
    """List the k texts of a corpus that each row's text finds first.

    Of texts that differ only in case, spacing or Unicode form the first is listed. A row for which
    the corpus holds fewer keeps a shorter list; one without a text drops as ``no_<column>``.

    An entry's `score` is its inner product with the row's text by the first dense retriever, null
    without one; its `rank` is that in the whole search, `found` has each retriever's own.

    Attributes:
        corpus: The step or source that has the texts to search; it may be what the step reads.
        column: The text that asks: ``query`` of retrieval rows, ``text`` of documents.
        k: Texts listed for each row.
        skip: How many of the first texts are left out.
        retrievers: How the corpus is searched, as in `mine_negatives`.
        exclude_self: Whether a row never finds itself (the text with its id), its source document,
            or a text equal to its own. Two tables that give one id to different things, as
            question 7 and passage 7, want ids of their own.
        into: The column that the list becomes.
    """

    packages: ClassVar[tuple[str, ...]] = ("faiss-cpu", "bm25s")

    kind: Literal["retrieve"] = "retrieve"
    corpus: Name
    column: Column = "query"
    k: PositiveInt = 10
    skip: NonNegativeInt = 0
    retrievers: Retrievers = (Dense(),)
    exclude_self: bool = True
    into: Column = "retrieved"

    @model_validator(mode="after")
    def _fills_a_column_of_its_own(self) -> Self:
        read = [field.name for field in (*rows.LINEAGE, *self.needs())]
        if self.into in (*_TAKEN, *read):
            raise ValueError(f"`into` may not fill {self.into!r}, which steps read; name another")
        return self

    def needs(self) -> Fields:
        """The text that asks, and what it is searched by."""
        return query_fields(self.retrievers, self.column)

    def adds(self) -> Fields:
        """The texts found, best first."""
        return (pa.field(self.into, rows.RETRIEVED),)

    def second_tables(self) -> Mapping[str, Fields]:
        """The corpus: id, text, and what is searched in."""
        return {self.corpus: (rows.ID, rows.TEXT, *corpus_fields(self.retrievers))}

    def whole(self, table: Table, corpus: Table) -> Table:
        """The same rows with what they find.

        Args:
            table: The rows in any order.
            corpus: The corpus in the order of its ids, by which equal scores are ranked.

        Raises:
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If rows and corpus have vectors of different sizes.
        """
        themselves = table if self.exclude_self else table.slice(0, 0)
        banned = column_mentions(themselves, (self.column,), ("id", "source_id"))
        search = Retrieval.of(self.kind, self.retrievers, table, self.column, corpus, banned)
        found = search.lists(self.skip, self.k, _SPARE, search.choice)
        out = rows.with_column(table, pa.field(self.into, rows.RETRIEVED), found)
        asks_nothing = is_null(present_texts(table, (self.column,)))
        out = rows.mark_dropped(out, asks_nothing, f"no_{self.column}")
        facts = told(search.corpus.how) | short_of(found, self.k) | self._met(table, corpus)
        return with_facts(out, facts)

    def _met(self, table: Table, corpus: Table) -> dict[str, str]:
        """A fact, if there is one: how many rows are in the corpus themselves."""
        if not self.exclude_self:
            return {}
        ids = [one.column("id").combine_chunks().cast(pa.string()) for one in (table, corpus)]
        met = int(np.count_nonzero(pc.is_in(*ids)))
        return {"rows that never find themselves": f"{met:,} of {table.num_rows:,}"} if met else {}
