"""Hide each text in a document of a given length, at a given depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from synth.algorithms.haystack import Hay, Hidden, hidden
from synth.core import rows
from synth.core.errors import SourceError
from synth.core.ids import derive_seed, unit_interval
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps import cells
from synth.steps.tokens import token_counts
from synth.steps.whole import OneTaskStep, with_facts

NEEDLE = pa.field("needle", pa.string())
PLACES = (
    pa.field("length", pa.int64()),
    pa.field("tokens", pa.int64()),
    pa.field("depth", pa.float64()),
)
Share = Annotated[float, Field(ge=0, le=1)]


class Haystack(OneTaskStep):
    """Hide the text of each row in a document of so many tokens, between two sentences of it.

    Each row becomes one document. Lengths and depths are dealt out evenly: every combination gets
    as many rows as any other, but for one. A document has at most `length` tokens, and at least
    98 % of them. `depth` is the share of the hay before the hidden text, as near to what was asked
    as the end of a sentence allows; the text itself stays in `needle`.

    Rows without text drop as ``no_<column>``, those whose text fits into no such document as
    ``needle_too_long``.

    Attributes:
        column: The text to hide, and then the document.
        hay: The step or source whose texts it is hidden in, read over again where they are short.
        tokenizer: ``bundled/...``, a Hub id or a path: what counts the tokens.
        lengths: Tokens of documents.
        depths: Where the text stands: 0 is at the beginning, 1 at the end. None draws any place.
        seed: Draws who gets which length and depth, and where in the hay a document begins.

    Source:
        Passkey and needle of LongEmbed (arXiv:2404.12096): 256 to 32,768 tokens, 100 documents and
        50 queries for each length.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers")

    kind: Literal["haystack"] = "haystack"
    column: Column = "text"
    hay: Name
    tokenizer: str
    lengths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    depths: Annotated[tuple[Share, ...], Field(min_length=1)] | None = None
    seed: NonNegativeInt = 0

    @field_validator("lengths", "depths")
    @classmethod
    def _names_each_once(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if twice := [one for one in values or () if (values or ()).count(one) > 1]:
            raise ValueError(f"{twice[0]:g} is there twice; give each once")
        return values

    def needs(self) -> Fields:
        """The text to hide."""
        return (pa.field(self.column, pa.string()),)

    def adds(self) -> Fields:
        """The document, what is hidden in it, its length asked and found, and the depth."""
        return (pa.field(self.column, pa.string()), NEEDLE, *PLACES)

    def second_tables(self) -> Mapping[str, Fields]:
        """The hay: id and text."""
        return {self.hay: (rows.ID, rows.TEXT)}

    def whole(self, table: Table, hay: Table) -> Table:
        """The same rows as documents.

        Args:
            table: The rows in any order.
            hay: What their texts are hidden in, in the order of its ids.

        Raises:
            SourceError: If the hay has no text.
            EngineError: If the tokenizer cannot be loaded.
        """
        straw = Hay([text for text in cells.texts(hay, "text") if text])
        if table.num_rows and not straw.sentences:
            raise SourceError(f"haystack: no row of {self.hay!r} has a text to hide others in")
        needles = cells.texts(table, self.column)
        ids = table.column("id").to_pylist()
        deal = list(product(self.lengths, self.depths or (None,)))
        order = sorted(
            (row_id for row_id, text in zip(ids, needles, strict=True) if text),
            key=lambda row_id: (unit_interval("haystack", self.seed, row_id), row_id),
        )
        dealt = {row_id: deal[at % len(deal)] for at, row_id in enumerate(order)}
        documents: list[Hidden | None] = []
        for row_id, needle in zip(ids, needles, strict=True):
            if needle is None:
                documents.append(None)
                continue
            length, depth = dealt[row_id]
            draw = Random(derive_seed(self.seed, "hay", row_id))
            start = draw.randrange(len(straw.sentences))
            share = draw.random() if depth is None else depth
            documents.append(hidden(needle, straw, start, length, share, self._count))
        lengths = [dealt[row_id][0] if row_id in dealt else None for row_id in ids]
        made = {
            pa.field(self.column, pa.string()): [one and one.text for one in documents],
            NEEDLE: needles,
            PLACES[0]: lengths,
            PLACES[1]: [one and one.tokens for one in documents],
            PLACES[2]: [one and one.depth for one in documents],
        }
        out = cells.without(table, self.column, needles)
        out = rows.mark_dropped(out, [one is None for one in documents], "needle_too_long")
        for field, values in made.items():
            out = rows.with_column(out, field, pa.array(values, field.type))
        of = Counter(
            length for length, one in zip(lengths, documents, strict=True) if one is not None
        )
        told = ", ".join(f"{number:,} of {length:,}" for length, number in sorted(of.items()))
        return with_facts(out, {"documents by tokens": told} if told else {})

    def _count(self, text: str) -> int:
        return int(token_counts(self.tokenizer, pa.array([text], pa.string()))[0])
