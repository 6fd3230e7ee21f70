"""Measure a text and keep the number as a column."""

from __future__ import annotations

import re
from typing import ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps import cells
from synth.steps.generate import ANY
from synth.steps.tokens import token_counts

What = Literal["words", "characters", "tokens", "distinct_words", "letters", "coverage"]
_COUNTS = ("words", "characters", "tokens")
_WORD = re.compile(r"\w+")


class Measure(MapStep):
    """Fill a column with a measure of a text, null where there is none; no row drops.

    Attributes:
        column: The text; of `positives` and `negatives` that of the first entry.
        what: A number of ``words``, ``characters`` or ``tokens``, or a share in [0, 1]:
            ``distinct_words`` of all words (low where a text repeats itself), ``letters`` of all
            characters but white space (low in tables and markup), ``coverage``: how many of the
            words and numbers in `of` are in the text.
        of: For ``coverage``: columns of values, of any type.
        tokenizer: For ``tokens``: ``bundled/...``, a Hub id or a path.
        into: The column that the number becomes; called as `what` when left out.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers")

    kind: Literal["measure"] = "measure"
    column: Column = "text"
    what: What
    of: tuple[Column, ...] = ()
    tokenizer: str | None = None
    into: Column | None = None

    @model_validator(mode="after")
    def _has_what_it_takes(self) -> Self:
        if (self.what == "coverage") != bool(self.of):
            raise ValueError("`what: coverage` needs `of`, and nothing else has a use for it")
        if (self.what == "tokens") != (self.tokenizer is not None):
            raise ValueError("`what: tokens` needs `tokenizer`, and nothing else has a use for it")
        if self.into in (self.column, "id", "drop_reason", *self.of):
            raise ValueError(f"`into` may not fill {self.into!r}; name another column")
        return self

    def needs(self) -> Fields:
        """The text, and what it may cover."""
        return tuple(pa.field(name, ANY) for name in dict.fromkeys((self.column, *self.of)))

    def adds(self) -> Fields:
        """The number."""
        kind = pa.int64() if self.what in _COUNTS else pa.float32()
        return (pa.field(self.into or self.what, kind),)

    def apply(self, batch: Table) -> Table:
        """The same rows with the number.

        Raises:
            EngineError: If the tokenizer cannot be loaded.
        """
        texts = cells.texts(batch, self.column)
        (field,) = self.adds()
        if self.tokenizer is not None:
            counts = token_counts(self.tokenizer, pa.array(texts, pa.string()))
            present = [text is not None for text in texts]
            return rows.with_column(batch, field, pa.array(counts, mask=~np.array(present, bool)))
        covered = batch.select(list(self.of)).to_pylist() if self.of else [{}] * len(texts)
        values = [
            None if text is None else _measured(self.what, text, list(row.values()))
            for text, row in zip(texts, covered, strict=True)
        ]
        return rows.with_column(batch, field, pa.array(values, field.type))


def _measured(what: What, text: str, values: list[object]) -> float | None:
    words = _WORD.findall(text.lower())
    match what:
        case "words":
            return len(text.split())
        case "characters":
            return len(text)
        case "distinct_words":
            return len(set(words)) / len(words) if words else None
        case "letters":
            shown = "".join(text.split())
            return sum(char.isalpha() for char in shown) / len(shown)
        case _:
            asked = {
                word
                for value in values
                if value is not None
                for word in _WORD.findall(str(value).lower())
            }
            return len(asked & set(words)) / len(asked) if asked else None
