"""Give labels the numbers that they stand for."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import BeforeValidator, Field, FiniteFloat, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps.generate import ANY


def _names(value: object) -> object:
    """YAML reads an unquoted key such as ``0`` or ``yes`` as a number or a truth value."""
    return {str(key): number for key, number in value.items()} if isinstance(value, dict) else value


class Recode(MapStep):
    """Fill a column with the number that each row's label stands for.

    A row with another label drops as ``unknown_<column>``, one without any as ``no_<column>``.

    Attributes:
        column: The label: a word, a number or a truth value.
        numbers: The number of each label, such as
            ``{entailment: 2, neutral: 1, contradiction: 0}``.
        into: The column that the number becomes.

    Source:
        QZhou-Embedding (arXiv:2508.21632), whose loss reads only the order of the numbers.
    """

    kind: Literal["recode"] = "recode"
    column: Column = "label"
    numbers: Annotated[dict[str, FiniteFloat], Field(min_length=1), BeforeValidator(_names)]
    into: Column = "score"

    @model_validator(mode="after")
    def _fills_another_column(self) -> Self:
        if self.into in (self.column, "id", "text", "query", "drop_reason"):
            raise ValueError(f"`into` may not fill {self.into!r} with numbers; name another column")
        return self

    def needs(self) -> Fields:
        """The label."""
        return (pa.field(self.column, ANY),)

    def adds(self) -> Fields:
        """The number."""
        return (pa.field(self.into, pa.float64()),)

    def apply(self, batch: Table) -> Table:
        """The same rows with their numbers."""
        labels = batch.column(self.column).to_pylist()
        found = [None if label is None else self.numbers.get(str(label)) for label in labels]
        out = rows.with_column(batch, self.adds()[0], pa.array(found, pa.float64()))
        out = rows.mark_dropped(out, [label is None for label in labels], f"no_{self.column}")
        return rows.mark_dropped(out, [one is None for one in found], f"unknown_{self.column}")
