"""Match rows with the texts of a corpus where each is the other's nearest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import pyarrow as pa
from pydantic import FiniteFloat, NonNegativeFloat

from synth.algorithms.mutual import mutual_nearest
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps import cells
from synth.steps.made import POSITIVES
from synth.steps.whole import OneTaskStep

MATCH_SCORE = pa.field("match_score", pa.float32())
MATCH_MARGIN = pa.field("match_margin", pa.float32())


class MutualMatch(OneTaskStep):
    """Keep rows whose nearest text of a corpus has the row as its own nearest; it is the positive.

    Others drop as ``not_mutual``, those below `min_score` or `min_margin` as ``match_too_weak``.

    Attributes:
        corpus: The step or source that has the texts.
        vector: The row's embedding.
        corpus_vector: The text's, by the same encoder.
        min_score: Cosine of a match at least; None is off.
        min_margin: By how much it must be above the row's next one.

    Source:
        Rows of tables and texts: TDmatch (arXiv:2112.08776), without its graph. Translations are
        mined so, too.
    """

    kind: Literal["mutual_match"] = "mutual_match"
    corpus: Name
    vector: Column = "embedding_query"
    corpus_vector: Column = "embedding_text"
    min_score: FiniteFloat | None = None
    min_margin: NonNegativeFloat = 0.0

    def needs(self) -> Fields:
        """The row's embedding."""
        return (pa.field(self.vector, rows.VECTOR),)

    def adds(self) -> Fields:
        """The match as the only positive, its cosine, and what this is above the next one's."""
        return (POSITIVES, MATCH_SCORE, MATCH_MARGIN)

    def second_tables(self) -> Mapping[str, Fields]:
        """The corpus: id, text and embedding."""
        return {self.corpus: (rows.ID, rows.TEXT, pa.field(self.corpus_vector, rows.VECTOR))}

    def whole(self, table: Table, corpus: Table) -> Table:
        """The same rows with their matches.

        Args:
            table: The rows in the order of their ids.
            corpus: The texts in the order of their ids.

        Raises:
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If rows and corpus have vectors of different sizes.
        """
        if not (table.num_rows and corpus.num_rows):
            none = [None] * table.num_rows
            out = rows.with_columns(table, self.adds(), ([[]] * table.num_rows, none, none))
            return rows.mark_dropped(out, [True] * table.num_rows, "not_mutual")
        own = cells.usable_vectors(table, self.vector)
        theirs = cells.usable_vectors(corpus, self.corpus_vector)
        if own.shape[1] != theirs.shape[1]:
            raise RecipeError(
                f"mutual_match: rows have vectors of {own.shape[1]} numbers, the corpus of "
                f"{theirs.shape[1]}; embed both with one encoder"
            )
        found = mutual_nearest(own, theirs)
        ids, texts = corpus.column("id").to_pylist(), corpus.column("text").to_pylist()
        positives = [
            [{"id": ids[at], "text": texts[at], "score": float(score)}]
            for at, score in zip(found.nearest, found.scores, strict=True)
        ]
        out = rows.with_columns(table, self.adds(), (positives, found.scores, found.margins))
        out = rows.mark_dropped(out, ~found.is_mutual, "not_mutual")
        weak = found.margins < self.min_margin
        if self.min_score is not None:
            weak |= found.scores < self.min_score
        return rows.mark_dropped(out, weak, "match_too_weak")
