"""Drop rows whose text is too short or too long."""

from __future__ import annotations

from typing import Literal, Self

import pyarrow as pa
from pydantic import NonNegativeInt, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps import cells


class LengthFilter(MapStep):
    """Keep rows whose text has a length within all bounds that are set.

    Others drop as ``too_short`` or ``too_long``, those without text as ``no_<column>``.

    Attributes:
        column: The text.
        min_words: Words are what stands between white space.
        max_words: As above.
        min_chars: Characters are Unicode code points.
        max_chars: As above.
    """

    kind: Literal["length_filter"] = "length_filter"
    column: Column = "text"
    min_words: NonNegativeInt | None = None
    max_words: NonNegativeInt | None = None
    min_chars: NonNegativeInt | None = None
    max_chars: NonNegativeInt | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        words, chars = (self.min_words, self.max_words), (self.min_chars, self.max_chars)
        if words == chars == (None, None):
            raise ValueError("give at least one of min_words, max_words, min_chars, max_chars")
        for low, high in (words, chars):
            if low is not None and high is not None and low > high:
                raise ValueError(f"the least, {low}, is above the most, {high}: no row would stay")
        return self

    def needs(self) -> Fields:
        """The text."""
        return (pa.field(self.column, pa.string()),)

    def apply(self, batch: Table) -> Table:
        """The same rows, those out of bounds dropped."""
        texts = cells.texts(batch, self.column)
        chars = [len(text or "") for text in texts]
        words = [len((text or "").split()) for text in texts]
        out = cells.without(batch, self.column, texts)
        for lengths, low, high in (
            (words, self.min_words, self.max_words),
            (chars, self.min_chars, self.max_chars),
        ):
            short = [low is not None and length < low for length in lengths]
            long = [high is not None and length > high for length in lengths]
            out = rows.mark_dropped(out, short, "too_short")
            out = rows.mark_dropped(out, long, "too_long")
        return out
