"""Drop rows in which one text copies another."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from synth.algorithms.fuzzy import is_near_copy
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps import cells
from synth.steps.generate import ANY


class CopyFilter(MapStep):
    """Keep rows whose text is not a copy of another text of the row.

    Others drop as ``copy_of_<of>``, those without one of the texts as ``no_<column>``.

    Attributes:
        column: The text that may be a copy; of `positives` and `negatives` that of the first entry.
        of: The text that it may copy, likewise.
        max_ratio: A pair with this rapidfuzz token_set_ratio (0 to 100) or more is a copy. It is
            100 also where all words of one text are in the other.
    """

    packages: ClassVar[tuple[str, ...]] = ("rapidfuzz",)

    kind: Literal["copy_filter", "near_copy_filter"] = "copy_filter"
    column: Column
    of: Column
    max_ratio: Annotated[float, Field(gt=0, le=100)] = 95

    @model_validator(mode="after")
    def _compares_two(self) -> Self:
        if self.column == self.of:
            raise ValueError(f"`column` and `of` are both {self.of!r}: every text is its own copy")
        if self.max_ratio <= 1:
            raise ValueError(
                f"max_ratio={self.max_ratio} is a share, and it counts from 0 to 100: give "
                f"{100 * self.max_ratio:g}"
            )
        return self

    def needs(self) -> Fields:
        """Both texts."""
        return (pa.field(self.column, ANY), pa.field(self.of, ANY))

    def apply(self, batch: Table) -> Table:
        """The same rows, copies dropped."""
        out, pair = batch, []
        for column in (self.column, self.of):
            pair.append(cells.texts(batch, column))
            out = cells.without(out, column, pair[-1])
        copied = [
            one is not None and other is not None and is_near_copy(one, [other], self.max_ratio)
            for one, other in zip(*pair, strict=True)
        ]
        return rows.mark_dropped(out, copied, f"copy_of_{self.of}")
