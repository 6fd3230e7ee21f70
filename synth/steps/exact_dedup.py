"""Drop rows whose text another row has as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from synth.algorithms.exact import exact_duplicates, visiting_order
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields
from synth.steps import cells
from synth.steps.generate import ANY
from synth.steps.whole import in_one_task

if TYPE_CHECKING:
    from ray.data import Dataset

DUPLICATE_OF = pa.field("duplicate_of", pa.string())

# A rule of which row stays of those that repeat each other.
Keep = Annotated[str, Field(pattern=r"^(first|longest|max:.{1,128})$")]
_MAX = "max:"


class ExactDedup(CorpusStep):
    """Keep one of all rows with the same text; the others name it and drop as ``exact_duplicate``.

    Attributes:
        column: The text.
        normalize: Whether texts count as the same that differ in case, white space or Unicode form.
        keep: The row that stays: ``first`` is the one with the lowest id, for a row's position is
            no part of what it is; ``longest`` has the most characters, ``max:<column>`` the highest
            number in that column, of several the lowest id.
    """

    kind: Literal["exact_dedup"] = "exact_dedup"
    column: Column = "text"
    normalize: bool = True
    keep: Keep = "first"

    def needs(self) -> Fields:
        """The text, and the number that decides which row stays."""
        return (pa.field(self.column, pa.string()), *ranked_by(self.keep))

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

        Raises:
            RecipeError: If the column of ``max:`` does not hold numbers.
        """
        texts = present_texts(table, self.column)
        order = visits(table, texts, self.keep)
        kept = exact_duplicates(texts, order, normalize=self.normalize)
        of = np.where(kept == np.arange(len(kept)), -1, kept)
        table = rows.mark_dropped(table, is_null(texts), f"no_{self.column}")
        table = rows.with_column(table, DUPLICATE_OF, named(table, of))
        return rows.mark_dropped(table, of >= 0, "exact_duplicate")


def ranked_by(keep: Keep) -> Fields:
    """The column of numbers that decides which row stays, if one does."""
    return (pa.field(keep.removeprefix(_MAX), ANY),) if keep.startswith(_MAX) else ()


def present_texts(table: Table, column: str) -> pa.Array:
    """The text of each row, null where there is none or only white space.

    No Python string is made for a row of a column of texts.
    """
    found = table.column(column)
    if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
        return pa.array(cells.texts(table, column), pa.large_string())
    # Offsets of 32 bits end at 2 GiB.
    texts = found.cast(pa.large_string()).combine_chunks()
    blank = pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))
    return pc.if_else(blank, None, texts) if pc.any(blank).as_py() else texts


def is_null(texts: pa.Array) -> NDArray[np.bool_]:
    """Where there is no text, shape (texts,)."""
    mask: NDArray[np.bool_] = texts.is_null().to_numpy(zero_copy_only=False)
    return mask


def visits(table: Table, texts: pa.Array, keep: Keep) -> NDArray[np.int64]:
    """The order in which rows are looked at, those that stay first.

    Raises:
        RecipeError: If the column of ``max:`` does not hold numbers.
    """
    if not keep.startswith(_MAX):
        return visiting_order(texts, "longest" if keep == "longest" else "first")
    numbers = table.column(keep.removeprefix(_MAX))
    kind = numbers.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise RecipeError(f"keep: {keep} reads numbers; that column holds {kind}")
    ranks = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return visiting_order(texts, "max", ranks)


def named(table: Table, of: NDArray[np.int64]) -> pa.Array:
    """The ids of the rows at `of`, null for -1."""
    return table.column("id").combine_chunks().take(pa.array(of, mask=of < 0)).cast(pa.string())
