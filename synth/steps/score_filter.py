"""Drop rows whose number in a column is too low or too high."""

from __future__ import annotations

from typing import Literal, Self

import pyarrow as pa
from pydantic import FiniteFloat, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps import cells
from synth.steps.generate import ANY


class ScoreFilter(MapStep):
    """Keep rows whose number lies in [min, max].

    Others drop as ``below_min_<column>`` or ``above_max_<column>``, those without a number as
    ``no_<column>``.

    Attributes:
        column: A column of numbers, such as a judge's score; of `positives` or `negatives` the
            lowest score counts.
        min: The lowest number that stays; None is off.
        max: The highest number that stays; None is off.
    """

    kind: Literal["score_filter"] = "score_filter"
    column: Column = "score"
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min={self.min} is above max={self.max}: no row would stay")
        return self

    def needs(self) -> Fields:
        """The number, of any numeric type."""
        return (pa.field(self.column, ANY),)

    def apply(self, batch: Table) -> Table:
        """The same rows, those out of bounds dropped.

        Raises:
            RecipeError: If the column does not hold numbers.
        """
        numbers = cells.numbers(batch, self.column, self.kind)
        for reason, failed in cells.out_of_bounds(self.column, numbers, self.min, self.max):
            batch = rows.mark_dropped(batch, failed, reason)
        return batch
