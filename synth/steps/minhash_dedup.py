"""Drop rows whose text is a near copy of another row's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, PositiveInt, model_validator

from synth.algorithms.exact import Keep, visiting_order
from synth.algorithms.minhash import bands, near_duplicates
from synth.algorithms.text import Unit, normalized
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields
from synth.steps import cells
from synth.steps.exact_dedup import DUPLICATE_OF, named
from synth.steps.whole import in_one_task

if TYPE_CHECKING:
    from ray.data import Dataset

DUPLICATE_JACCARD = pa.field("duplicate_jaccard", pa.float32())


class MinhashDedup(CorpusStep):
    """Keep one of all rows whose texts are near copies of it.

    A row drops as ``near_duplicate`` only if the exact Jaccard similarity of its own shingles to
    those of a row that stays reaches the threshold, and as ``exact_duplicate`` if the two are equal
    but for case, white space and Unicode form.

    Attributes:
        column: The text.
        threshold: Jaccard similarity of shingle sets.
        num_perm: Hash values in a signature; the standard error of the similarity that they
            estimate is at most ``0.5 / sqrt(num_perm)``, 0.044 for 128.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of; ``char`` for scripts without spaces between words.
        keep: The row that stays: ``first`` is the one with the lowest id, for a row's position is
            no part of what it is; ``longest`` has the most characters, then the lowest id.
    """

    packages: ClassVar[tuple[str, ...]] = ("datasketch",)

    kind: Literal["minhash_dedup"] = "minhash_dedup"
    column: Column = "text"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    num_perm: Annotated[int, Field(ge=2)] = 128
    ngram: PositiveInt = 5
    unit: Unit = "word"
    keep: Keep = "first"

    @model_validator(mode="after")
    def _finds_what_it_looks_for(self) -> Self:
        bands(self.threshold, self.num_perm)
        return self

    def needs(self) -> Fields:
        """The text."""
        return (pa.field(self.column, pa.string()),)

    def adds(self) -> Fields:
        """The id of the row that a dropped row repeats and how alike they are, else null."""
        return (DUPLICATE_OF, DUPLICATE_JACCARD)

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows, planned lazily on Ray Data."""
        return in_one_task(self, dataset, tables)

    def whole(self, table: Table) -> Table:
        """The same rows; those that repeat another dropped, those without text as ``no_<column>``.

        Args:
            table: The rows in the order of their ids.
        """
        texts = cells.texts(table, self.column)
        at = np.array([at for at, text in enumerate(texts) if text is not None], np.int64)
        present = [text for text in texts if text is not None]
        order = visiting_order(present, self.keep)
        settings = (self.threshold, self.num_perm, self.ngram, self.unit)
        found = near_duplicates(present, order, *settings)
        of, jaccard = np.full(table.num_rows, -1, np.int64), np.zeros(table.num_rows, np.float32)
        of[at] = np.where(found.of < 0, -1, at[found.of])
        jaccard[at] = found.jaccard
        equal = [
            to >= 0 and normalized(text or "") == normalized(texts[to] or "")
            for text, to in zip(texts, of.tolist(), strict=True)
        ]
        table = cells.without(table, self.column, texts)
        table = rows.with_column(table, DUPLICATE_OF, named(table, of))
        table = rows.with_column(table, DUPLICATE_JACCARD, pa.array(jaccard, mask=of < 0))
        table = rows.mark_dropped(table, equal, "exact_duplicate")
        return rows.mark_dropped(table, of >= 0, "near_duplicate")
