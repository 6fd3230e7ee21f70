"""Drop rows that say what another row says, by the cosine of their embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from synth.algorithms.semantic import semantic_duplicates
from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps import cells
from synth.steps.copies import DUPLICATE_OF, Keep, joined, named, present_texts, ranked_by, visits
from synth.steps.whole import OneTaskStep

DUPLICATE_COSINE = pa.field("duplicate_cosine", pa.float32())


class SemanticDedup(OneTaskStep):
    """Keep one of all rows whose embeddings are almost the same; others drop as ``semantic_copy``.

    A row drops only if its own cosine to that of a row that stays reaches the threshold. The search
    is exact: 100,000 vectors of 384 numbers take minutes, ten times as many a hundred times longer.

    Attributes:
        vector: The embedding, made by `embed`.
        threshold: Least cosine; what is near enough depends on the encoder.
        keep: The row that stays, as in `minhash_dedup`.
        column: The text whose length decides for ``longest``.
        against: A step or source whose rows stay before all others: what is near one of them
            drops, whatever `keep` says.
        against_vector: The embedding there, by the same encoder; `vector` when left out.

    Source:
        SemDeDup (arXiv:2303.09540), whose clusters only save comparisons.
    """

    kind: Literal["semantic_dedup"] = "semantic_dedup"
    vector: Column = "embedding_text"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.95
    keep: Keep = "first"
    column: Column = "text"
    against: Name | None = None
    against_vector: Column | None = None

    @model_validator(mode="after")
    def _compares_with_something(self) -> Self:
        if self.against_vector is not None and self.against is None:
            raise ValueError("`against_vector` is a column of `against`, which is missing")
        return self

    @property
    def theirs(self) -> str:
        """The embedding in the other table."""
        return self.against_vector or self.vector

    def second_tables(self) -> Mapping[str, Fields]:
        """The embeddings of the table that rows are compared with."""
        if self.against is None:
            return {}
        return {self.against: (rows.ID, pa.field(self.theirs, rows.VECTOR))}

    def needs(self) -> Fields:
        """The embedding, and what decides which row stays."""
        text = (pa.field(self.column, pa.string()),) if self.keep == "longest" else ()
        return (pa.field(self.vector, rows.VECTOR), *text, *ranked_by(self.keep))

    def adds(self) -> Fields:
        """The id of the row that a dropped row repeats and their cosine, null in rows that stay."""
        return (DUPLICATE_OF, DUPLICATE_COSINE)

    def whole(self, table: Table, other: Table | None = None) -> Table:
        """The same rows, those that repeat another dropped.

        Args:
            table: The rows in the order of their ids.
            other: The table that they are compared with, likewise.

        Raises:
            EngineError: If a vector is null, zero or not finite, or of another length.
            RecipeError: If the column of ``max:`` does not hold numbers.
        """
        vectors, ids = cells.usable_vectors(table, self.vector), table.column("id").combine_chunks()
        texts = (
            present_texts(table, (self.column,))
            if self.keep == "longest"
            else pa.nulls(table.num_rows, pa.large_string())
        )
        order, given = visits(table, texts, self.keep), 0
        if other is not None and other.num_rows:
            theirs = cells.usable_vectors(other, self.theirs)
            if theirs.shape[1] != vectors.shape[1]:
                raise EngineError(
                    f"{self.vector} has {vectors.shape[1]} numbers a row, and {self.theirs} of "
                    f"{self.against} has {theirs.shape[1]}; make both with one encoder"
                )
            given = other.num_rows
            vectors = np.concatenate([theirs, vectors])
            order = np.concatenate([np.arange(given), given + order])
            ids = joined(other.column("id").combine_chunks(), ids)
        found = semantic_duplicates(vectors, order, self.threshold, given)
        of, stays = found.of[given:], found.of[given:] < 0
        cosine = pa.array(found.cosine[given:], pa.float32(), mask=stays)
        table = rows.with_column(table, DUPLICATE_OF, named(ids, of))
        table = rows.with_column(table, DUPLICATE_COSINE, cosine)
        return rows.mark_dropped(table, ~stays, "semantic_copy")
