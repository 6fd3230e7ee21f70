"""Drop rows whose text another row has as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa

from synth.algorithms.exact import Keep, exact_duplicates, visiting_order
from synth.algorithms.text import normalized
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields
from synth.steps import cells
from synth.steps.whole import in_one_task

if TYPE_CHECKING:
    from ray.data import Dataset

DUPLICATE_OF = pa.field("duplicate_of", pa.string())


class ExactDedup(CorpusStep):
    """Keep one of all rows with the same text; the others name it and drop as ``exact_duplicate``.

    Attributes:
        column: The text.
        normalize: Whether texts count as the same that differ in case, white space or Unicode form.
        keep: The row that stays: ``first`` is the one with the lowest id, for a row's position is
            no part of what it is; ``longest`` has the most characters, then the lowest id.
    """

    kind: Literal["exact_dedup"] = "exact_dedup"
    column: Column = "text"
    normalize: bool = True
    keep: Keep = "first"

    def needs(self) -> Fields:
        """The text."""
        return (pa.field(self.column, pa.string()),)

    def adds(self) -> Fields:
        """The id of the row that a dropped row repeats, null in rows that stay."""
        return (DUPLICATE_OF,)

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
        compared = [normalized(text) for text in present] if self.normalize else present
        kept = at[exact_duplicates(compared, order)]
        of = np.full(table.num_rows, -1, np.int64)
        of[at] = np.where(kept == at, -1, kept)
        table = cells.without(table, self.column, texts)
        table = rows.with_column(table, DUPLICATE_OF, named(table, of))
        return rows.mark_dropped(table, of >= 0, "exact_duplicate")


def named(table: Table, of: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Array:
    """The ids of the rows at `of`, null for -1."""
    return table.column("id").combine_chunks().take(pa.array(of, mask=of < 0)).cast(pa.string())
