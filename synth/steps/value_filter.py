"""Keep rows with certain values in a column."""

from __future__ import annotations

from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BeforeValidator, Field

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps.generate import ANY


def _texts(value: object) -> object:
    """YAML reads an unquoted ``4`` as a number, and one value needs no list."""
    listed = value if isinstance(value, list | tuple) else [value]
    return tuple(str(one) for one in listed)


class ValueFilter(MapStep):
    """Keep rows whose value is one of those named; others drop as ``other_<column>``.

    Rows without a value drop as ``no_<column>``.

    Attributes:
        column: A task, a language, a class, a length: anything that reads as a word or a number.
        keep: The values that stay.
    """

    kind: Literal["value_filter"] = "value_filter"
    column: Column
    keep: Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1)]

    def needs(self) -> Fields:
        """The value."""
        return (pa.field(self.column, ANY),)

    def apply(self, batch: Table) -> Table:
        """The same rows, those with other values dropped."""
        values = batch.column(self.column).to_pylist()
        out = rows.mark_dropped(batch, [one is None for one in values], f"no_{self.column}")
        other = [str(one) not in self.keep for one in values]
        return rows.mark_dropped(out, other, f"other_{self.column}")
