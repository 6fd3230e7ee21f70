"""Find passages that look like answers to a query and are not its positives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, NonNegativeInt, PositiveInt

from synth.algorithms.fuzzy import is_near_copy
from synth.algorithms.neighbors import Vectors, top_k
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps import cells
from synth.steps.cells import Entry
from synth.steps.made import NEGATIVES, POSITIVES
from synth.steps.whole import OneTaskStep

# Candidates searched beyond those wanted, for the positives and near copies among them; a row that
# needs more is searched again, this many times deeper each time.
_SPARE = 16
_DEEPER = 4


class MineNegatives(OneTaskStep):
    """Append to each row's `negatives` the corpus texts nearest to its query.

    The search is exact, by inner product. Never mined are a positive (by id or text), a near copy
    of a positive, the query itself, the row's source document, and a text the row already has. A
    row for which the corpus holds fewer keeps a shorter list.

    Attributes:
        corpus: The step or source that has the texts to search.
        depth: Negatives mined for each row.
        skip: How many of the nearest texts that could be mined are left out first.
        near_copy: A text with this rapidfuzz token_set_ratio or more to a positive is a near copy
            of it; None is off.
        vector: The query's embedding.
        corpus_vector: The text's embedding, by the same encoder.
    """

    packages: ClassVar[tuple[str, ...]] = ("faiss-cpu", "rapidfuzz")

    kind: Literal["mine_negatives"] = "mine_negatives"
    corpus: Name
    depth: PositiveInt = 50
    skip: NonNegativeInt = 0
    near_copy: Annotated[float, Field(gt=0, le=100)] | None = 95
    vector: Column = "embedding_query"
    corpus_vector: Column = "embedding_text"

    def needs(self) -> Fields:
        """The query with its embedding, and the positives."""
        return (pa.field("query", pa.string()), POSITIVES, pa.field(self.vector, rows.VECTOR))

    def adds(self) -> Fields:
        """The negatives, those that the row has before the mined ones."""
        return (NEGATIVES,)

    def second_tables(self) -> Mapping[str, Fields]:
        """The corpus: id, text and embedding."""
        return {self.corpus: (rows.ID, rows.TEXT, pa.field(self.corpus_vector, rows.VECTOR))}

    def whole(self, table: Table, corpus: Table) -> Table:
        """The same rows with more negatives.

        Args:
            table: The rows in any order.
            corpus: The corpus in the order of its ids, by which equal scores are ranked.

        Raises:
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If queries and corpus have vectors of different sizes.
        """
        queries = cells.usable_vectors(table, self.vector)
        vectors = cells.usable_vectors(corpus, self.corpus_vector)
        if table.num_rows and corpus.num_rows and queries.shape[1] != vectors.shape[1]:
            raise RecipeError(
                f"mine_negatives: `{self.vector}` has {queries.shape[1]} dimensions and "
                f"`{self.corpus_vector}` of {self.corpus} has {vectors.shape[1]}; "
                "embed both with one encoder"
            )
        ids, texts = corpus.column("id").to_pylist(), cells.texts(corpus, "text")
        miner = _Miner(self, vectors, ids, texts)
        bans = _bans(table)
        mined = miner.mine(queries, bans)
        negatives = [[*ban.negatives, *found] for ban, found in zip(bans, mined, strict=True)]
        return cells.with_entries(table, NEGATIVES, negatives)


@dataclass(frozen=True, slots=True)
class _Ban:
    """What may not be mined for one row.

    Attributes:
        ids: Of positives, negatives and the source document.
        texts: Of positives, negatives and the query.
        positives: The texts whose near copies are banned too.
        negatives: The entries that the row has.
    """

    ids: frozenset[str | None]
    texts: frozenset[str | None]
    positives: tuple[str, ...]
    negatives: list[Entry]


def _bans(table: Table) -> list[_Ban]:
    return [
        _Ban(
            frozenset([source, *(entry["id"] for entry in [*positives, *negatives])]),
            frozenset([query, *(entry["text"] for entry in [*positives, *negatives])]),
            tuple(entry["text"] for entry in positives if entry["text"]),
            negatives,
        )
        for query, source, positives, negatives in zip(
            table.column("query").to_pylist(),
            cells.source_ids(table),
            cells.entries(table, "positives"),
            cells.entries(table, "negatives"),
            strict=True,
        )
    ]


@dataclass(frozen=True, slots=True)
class _Miner:
    """The searched corpus."""

    step: MineNegatives
    vectors: Vectors
    ids: list[str]
    texts: list[str | None]

    def mine(self, queries: Vectors, bans: Sequence[_Ban]) -> list[list[Entry]]:
        """The mined entries of each row, searched deeper until there are enough or no more."""
        mined: list[list[Entry]] = [[] for _ in bans]
        wanted = self.step.skip + self.step.depth
        width, short = wanted + _SPARE, list(range(len(bans)))
        while short:
            found = top_k(queries[short], self.vectors, width)
            for at, ids, scores in zip(
                short, found.ids.tolist(), found.scores.tolist(), strict=True
            ):
                mined[at] = list(islice(self._allowed(bans[at], ids, scores), wanted))
            short = [at for at in short if len(mined[at]) < wanted and width < len(self.ids)]
            width *= _DEEPER
        return [entries[self.step.skip :] for entries in mined]

    def _allowed(self, ban: _Ban, ids: list[int], scores: list[float]) -> Iterator[Entry]:
        seen = set(ban.texts)
        for rank, (at, score) in enumerate(zip(ids, scores, strict=True), start=1):
            text = self.texts[at]
            if text is None or text in seen or self.ids[at] in ban.ids:
                continue
            seen.add(text)
            limit = self.step.near_copy
            if limit is None or not is_near_copy(text, ban.positives, limit):
                entry = {"id": self.ids[at], "text": text, "score": score}
                yield entry | {"rank": rank, "origin": "mined"}
