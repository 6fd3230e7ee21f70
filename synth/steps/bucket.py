"""Say between which edges a number lies."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, FiniteFloat, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps import cells
from synth.steps.generate import ANY


class Bucket(MapStep):
    """Fill a column with the stratum of a number: ``under 128``, ``128 to 511``, ``512 and more``.

    A number that is an edge belongs to what begins there. Rows without a number drop as
    ``no_<column>``.

    Attributes:
        column: A column of numbers, such as a length.
        edges: Where strata begin, rising.
        into: The column that the stratum becomes.

    Source:
        Lengths change how embeddings behave (arXiv:2410.24200): sample and report by length.
    """

    kind: Literal["bucket"] = "bucket"
    column: Column
    edges: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    into: Column = "bucket"

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError(f"`edges` rise from one to the next; here they are {self.edges}")
        if self.into in (self.column, "id", "drop_reason"):
            raise ValueError(f"`into` may not fill {self.into!r}; name another column")
        return self

    @property
    def names(self) -> list[str]:
        """The strata, from the lowest on."""
        between = [f"{low:g} to under {high:g}" for low, high in pairwise(self.edges)]
        return [f"under {self.edges[0]:g}", *between, f"{self.edges[-1]:g} and more"]

    def needs(self) -> Fields:
        """The number, of any numeric type."""
        return (pa.field(self.column, ANY),)

    def adds(self) -> Fields:
        """The stratum."""
        return (pa.field(self.into, pa.string()),)

    def apply(self, batch: Table) -> Table:
        """The same rows with their strata.

        Raises:
            RecipeError: If the column does not hold numbers.
        """
        numbers = cells.numbers(batch, self.column, self.kind)
        at = np.searchsorted(np.array(self.edges), numbers, side="right")
        missing = np.isnan(numbers)
        names = pa.array(self.names).take(pa.array(at, mask=missing))
        out = rows.with_column(batch, pa.field(self.into, pa.string()), names)
        return rows.mark_dropped(out, missing, f"no_{self.column}")
