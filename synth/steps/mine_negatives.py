"""Find passages that look like answers to a query and are not its positives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps.entry_lists import begins, in_order, listed, one_behind_another
from synth.steps.generate import ANY
from synth.steps.made import NEGATIVES, POSITIVES, SCORED_BY
from synth.steps.matching import (
    as_short,
    bare_words,
    column_mentions,
    entry_mentions,
    slices,
    with_texts_of,
)
from synth.steps.retrievers import Dense, Retrievers, corpus_fields, query_fields
from synth.steps.retrieving import Retrieval, short_of
from synth.steps.searching import told
from synth.steps.whole import OneTaskStep, with_facts

# Candidates searched beyond those wanted, for the positives and near copies among them.
_SPARE = 16
Ids = NDArray[np.int64]


class MineNegatives(OneTaskStep):
    """Append to each row's `negatives` the corpus texts that its query finds first.

    Never mined are a positive (by id or text), a near copy of a positive, the query itself, with
    other signs too, the row's source document, and a text the row already has; texts that differ in
    case, spacing or Unicode form are the same. A row for which the corpus holds fewer keeps a
    shorter list.

    A positive that only names a text of the corpus, by an id without a text or by an id in place of
    the text, gets that text.

    Several retrievers are fused by the ranks that they give (reciprocal rank fusion). A negative's
    `score` is its inner product with the query by the first dense retriever, whoever found it, null
    without one; its `rank` is that of the fused ranking; `found` has each retriever's own.

    Attributes:
        corpus: The step or source that has the texts to search.
        depth: Negatives mined for each row.
        skip: How many of the first texts that could be mined are left out.
        retrievers: How the corpus is searched.
        near_copy: A text with this rapidfuzz token_set_ratio or more, of 100, to a positive is a
            near copy of it; None is off.
        same: Columns of both tables whose values must be equal, such as a language; a null equals a
            null.
        different: Columns of both tables whose values must not be equal, such as an article; a null
            equals nothing.

    Source:
        Cormack, Clarke and Büttcher, Reciprocal Rank Fusion (SIGIR 2009).
    """

    packages: ClassVar[tuple[str, ...]] = ("faiss-cpu", "rapidfuzz", "bm25s")

    kind: Literal["mine_negatives"] = "mine_negatives"
    corpus: Name
    depth: PositiveInt = 50
    skip: NonNegativeInt = 0
    retrievers: Retrievers = (Dense(),)
    near_copy: Annotated[float, Field(gt=0, le=100)] | None = 95
    same: tuple[Column, ...] = ()
    different: tuple[Column, ...] = ()

    @field_validator("near_copy")
    @classmethod
    def _is_of_a_hundred(cls, near_copy: float | None) -> float | None:
        if near_copy is not None and near_copy <= 1:
            raise ValueError(f"`near_copy` goes up to 100: {near_copy * 100:g}, not {near_copy:g}")
        return near_copy

    @model_validator(mode="after")
    def _mines_something(self) -> Self:
        if both := [name for name in self.same if name in self.different]:
            raise ValueError(f"`{both[0]}` is in `same` and in `different`: nothing would be mined")
        return self

    def needs(self) -> Fields:
        """The query with what it is searched by, the positives, and columns to compare."""
        query, *vectors = query_fields(self.retrievers, "query")
        return (query, POSITIVES, *vectors, *self._compared())

    def adds(self) -> Fields:
        """The negatives, those that the row has before the mined ones, and who gave all scores.

        A search gives some of them: no one model gave all, whatever `scored_by` said before.
        Positives may get their texts from the corpus.
        """
        return (POSITIVES, NEGATIVES, SCORED_BY)

    def second_tables(self) -> Mapping[str, Fields]:
        """The corpus: id, text, what is searched in, and columns to compare."""
        fields = (rows.ID, rows.TEXT, *corpus_fields(self.retrievers), *self._compared())
        return {self.corpus: fields}

    def _compared(self) -> Fields:
        names = dict.fromkeys([*self.same, *self.different])
        return tuple(pa.field(name, ANY) for name in names)

    def whole(self, table: Table, corpus: Table) -> Table:
        """The same rows with more negatives.

        Args:
            table: The rows in any order.
            corpus: The corpus in the order of its ids, by which equal scores are ranked.

        Raises:
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If queries and corpus have vectors of different sizes.
        """
        table, named = with_texts_of(table, corpus)
        pieces: list[tuple[Ids, Ids]] = []
        lists: list[pa.Array] = []
        how: dict[str, tuple[float, str]] = {}
        for own, texts in _parts(table, corpus, self.same):
            miner = _Miner.of(self, _of(table, own), _of(corpus, texts))
            lists.append(miner.mined())
            pieces.append((own, texts))
            for name, one in miner.retrieval.corpus.how.items():
                how[name] = min(how.get(name, one), one)
        order = np.concatenate([own for own, _ in pieces] or [np.zeros(0, np.int64)])
        mined = in_order(lists, order, NEGATIVES.type)
        out = rows.with_column(table, NEGATIVES, _appended(table, mined))
        out = rows.with_column(out, SCORED_BY, pa.nulls(table.num_rows, pa.string()))
        facts = {"positives with texts of the corpus": f"{named:,}"} if named else {}
        return with_facts(out, told(how) | short_of(mined, self.depth) | facts)


def _of(table: Table, at: Ids) -> Table:
    """Some rows of a table, or the table itself: a copy of a corpus takes a lot of room."""
    return table if len(at) == table.num_rows else table.take(pa.array(at))


def _parts(table: Table, corpus: Table, same: tuple[str, ...]) -> Iterator[tuple[Ids, Ids]]:
    """Rows that may be compared with each other: indices of each table."""
    if not same:
        yield np.arange(table.num_rows), np.arange(corpus.num_rows)
        return
    own, other = np.zeros(table.num_rows, np.int64), np.zeros(corpus.num_rows, np.int64)
    for name in same:
        codes = _codes(table, corpus, name, null_is_a_value=True)
        pairs = np.stack([np.concatenate([own, other]), np.concatenate(codes)], axis=1)
        joint = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)
        own, other = joint[: len(own)], joint[len(own) :]
    for value in np.unique(own).tolist():
        yield np.flatnonzero(own == value), np.flatnonzero(other == value)


def _codes(table: Table, corpus: Table, name: str, *, null_is_a_value: bool) -> tuple[Ids, Ids]:
    """The same number for the same value in either table, -1 for a null that is none."""
    own, other = _numbered(
        *(one.column(name).combine_chunks().cast(pa.string()) for one in (table, corpus))
    )
    return (own + 1, other + 1) if null_is_a_value else (own, other)


def _numbered(own: pa.Array, other: pa.Array) -> tuple[Ids, Ids]:
    """The same number for the same value in either array, -1 for a null."""
    codes = pa.concat_arrays([own, other]).dictionary_encode().indices.cast(pa.int64())
    numbers: Ids = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
    return numbers[: len(own)], numbers[len(own) :]


def _worded(table: Table, texts: pa.Array) -> tuple[Ids, Ids]:
    """The same number for a query and a text with the same words, -1 where that need not be told.

    Texts that are much longer than every query are none of them.
    """
    queries = table.column("query").combine_chunks().cast(pa.large_string())
    short = pc.if_else(as_short(texts, queries), texts, None)
    return _numbered(bare_words(queries), bare_words(short))


@dataclass(frozen=True, slots=True)
class _Miner:
    """Rows, and the corpus that is searched for them.

    Attributes:
        step: What is asked for.
        table: The rows.
        texts: The corpus.
        retrieval: The search.
        queries: A number for the words of each query, -1 for none, shape (rows,).
        worded: The same numbers for the texts of the corpus.
    """

    step: MineNegatives
    table: Table
    texts: Table
    retrieval: Retrieval
    queries: Ids
    worded: Ids

    @classmethod
    def of(cls, step: MineNegatives, table: Table, texts: Table) -> _Miner:
        """Makes everything ready."""
        banned = [
            *column_mentions(table, ("query",), ("source_id",)),
            *entry_mentions(table, "positives", "negatives"),
        ]
        retrieval = Retrieval.of(step.kind, step.retrievers, table, "query", texts, banned)
        return cls(step, table, texts, retrieval, *_worded(table, retrieval.present))

    def mined(self) -> pa.Array:
        """The mined entries of each row."""
        found = self.retrieval.lists(self.step.skip, self.step.depth, _SPARE, self._choice)
        entries = pc.list_flatten(found)
        mined = pa.repeat(pa.scalar("mined"), len(entries))
        fields = list(NEGATIVES.type.value_type)
        made = pa.StructArray.from_arrays(
            [
                mined if one.name == "origin" else pc.struct_field(entries, one.name)
                for one in fields
            ],
            fields=fields,
        )
        return listed(made, np.diff(begins(found)), NEGATIVES.type)

    def _choice(self, at: Ids, ids: Ids) -> NDArray[np.bool_]:
        """Which of the texts found for some rows are their negatives."""
        fine = self.retrieval.choice(at, ids, self._alike(at, ids))
        return fine & ~self._near_copies(at, ids, fine)

    def _alike(self, at: Ids, ids: Ids) -> NDArray[np.bool_]:
        """Which texts are the row's query, or have its value in a column that must differ."""
        worded = self.worded[ids]
        found: NDArray[np.bool_] = (self.queries[at, None] == worded) & (worded >= 0)
        for name in self.step.different:
            own, other = _codes(self.table, self.texts, name, null_is_a_value=False)
            found |= (own[at, None] == other[ids]) & (other[ids] >= 0)
        return found

    def _near_copies(self, at: Ids, ids: Ids, fine: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the texts nearly copy a positive of their row."""
        found = np.zeros(ids.shape, np.bool_)
        if self.step.near_copy is None or not fine.any():
            return found
        from synth.algorithms.copy_screen import near_copies

        positives = self.table.column("positives").combine_chunks()
        bounds = begins(positives)
        texts = pc.struct_field(pc.list_flatten(positives), "text")
        row, column = np.nonzero(fine)
        first, behind = bounds[at[row]], bounds[at[row] + 1]
        pair = np.repeat(np.arange(len(row)), behind - first)
        positive = slices(np.arange(len(texts)), first, behind)
        copies = near_copies(
            self.retrieval.present,
            ids[row[pair], column[pair]],
            texts,
            positive,
            self.step.near_copy,
        )
        found[row[pair[copies]], column[pair[copies]]] = True
        return found


def _appended(table: Table, mined: pa.Array) -> pa.Array:
    """Each row's own negatives with the mined ones behind them."""
    if "negatives" not in table.column_names:
        return mined
    own = table.column("negatives").combine_chunks().cast(NEGATIVES.type)
    return one_behind_another([own, mined], NEGATIVES.type) if begins(own)[-1] else mined
