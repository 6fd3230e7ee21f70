"""Drop rows that say what another row says, by the cosine of their embeddings."""

from __future__ import annotations

from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth.algorithms.semantic import semantic_duplicates
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps import cells
from synth.steps.copies import DUPLICATE_OF, Keep, named, present_texts, ranked_by, visits
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

    Source:
        SemDeDup (arXiv:2303.09540), whose clusters only save comparisons.
    """

    kind: Literal["semantic_dedup"] = "semantic_dedup"
    vector: Column = "embedding_text"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.95
    keep: Keep = "first"
    column: Column = "text"

    def needs(self) -> Fields:
        """The embedding, and what decides which row stays."""
        text = (pa.field(self.column, pa.string()),) if self.keep == "longest" else ()
        return (pa.field(self.vector, rows.VECTOR), *text, *ranked_by(self.keep))

    def adds(self) -> Fields:
        """The id of the row that a dropped row repeats and their cosine, null in rows that stay."""
        return (DUPLICATE_OF, DUPLICATE_COSINE)

    def whole(self, table: Table) -> Table:
        """The same rows, those that repeat another dropped.

        Args:
            table: The rows in the order of their ids.

        Raises:
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If the column of ``max:`` does not hold numbers.
        """
        vectors = cells.usable_vectors(table, self.vector)
        texts = (
            present_texts(table, (self.column,))
            if self.keep == "longest"
            else pa.nulls(table.num_rows, pa.large_string())
        )
        found = semantic_duplicates(vectors, visits(table, texts, self.keep), self.threshold)
        stays = found.of < 0
        cosine = pa.array(found.cosine, pa.float32(), mask=stays)
        table = rows.with_column(
            table, DUPLICATE_OF, named(table.column("id").combine_chunks(), found.of)
        )
        table = rows.with_column(table, DUPLICATE_COSINE, cosine)
        return rows.mark_dropped(table, ~stays, "semantic_copy")
