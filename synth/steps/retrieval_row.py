"""Fill query, positives and negatives from other columns."""

from __future__ import annotations

import re
from itertools import islice
from typing import Annotated, Any, Literal, Self

import pyarrow as pa
from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from synth.core import rows
from synth.core.ids import content_id
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps import cells
from synth.steps.generate import ANY
from synth.steps.made import NEGATIVES, POSITIVES

_WORD = re.compile(r"\S+")
QUERY = pa.field("query", pa.string())


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[Column, ...], BeforeValidator(_listed)]


class RetrievalRow(MapStep):
    """Fill `query`, `positives` and `negatives` with what other columns hold.

    A column may hold a text, a list of texts, or a list of entries such as `retrieved`. What is
    left out stays as it is; an empty list fills with nothing. Each text counts once, and none is a
    negative that is a positive. A row drops as ``no_query`` or ``no_positive`` where it is to have
    one and has none.

    Attributes:
        query: The text that becomes the query.
        positives: Columns whose texts become the positives.
        most: A column with a number: so many texts become positives at most, the first ones.
        max_words: Texts of positives and negatives are cut after so many words; None is off.
        negatives: Columns whose texts become the negatives.
        positive_id: A column with the id of the text in the first column of `positives`; made from
            the text when left out. Name the document's own, lest a corpus has it twice.
        score: A column with the score of the positives, such as a grade of similarity.
        origin: The `origin` of negatives from texts; entries that have one keep it.
    """

    kind: Literal["retrieval_row"] = "retrieval_row"
    query: Column | None = None
    positives: Annotated[Columns, Field(min_length=1)] | None = None
    most: Column | None = None
    max_words: PositiveInt | None = None
    negatives: Columns | None = None
    positive_id: Column | None = None
    score: Column | None = None
    origin: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = "given"

    @model_validator(mode="after")
    def _fills_something(self) -> Self:
        if self.query is None and self.positives is None and self.negatives is None:
            raise ValueError("give at least one of query, positives, negatives")
        told = {"score": self.score, "positive_id": self.positive_id, "most": self.most}
        if self.positives is None and (named := [key for key, one in told.items() if one]):
            raise ValueError(f"`{named[0]}` is that of `positives`; name these too")
        return self

    def needs(self) -> Fields:
        """The columns named."""
        lists = (*(self.positives or ()), *(self.negatives or ()))
        named = (self.query, *lists, self.most, self.positive_id, self.score)
        return tuple(pa.field(name, ANY) for name in dict.fromkeys(filter(None, named)))

    def adds(self) -> Fields:
        """Those of query, positives and negatives that are filled."""
        return (
            *(() if self.query is None else (QUERY,)),
            *(() if self.positives is None else (POSITIVES,)),
            *(() if self.negatives is None else (NEGATIVES,)),
        )

    def apply(self, batch: Table) -> Table:
        """The same rows with the columns filled."""
        records = batch.select([field.name for field in self.needs()]).to_pylist()
        out = batch
        if self.query is not None:
            queries = cells.texts(batch, self.query)
            out = rows.with_column(out, QUERY, pa.array(queries, QUERY.type))
            out = cells.without(out, "query", queries)
        positives = [self._positives(record) for record in records]
        if self.positives is not None:
            out = cells.with_entries(out, POSITIVES, positives)
            out = rows.mark_dropped(out, [not own for own in positives], "no_positive")
        if self.negatives is not None:
            negatives = [
                self._negatives(record, {entry["text"] for entry in own})
                for record, own in zip(records, positives, strict=True)
            ]
            out = cells.with_entries(out, NEGATIVES, negatives)
        return out

    def _positives(self, record: dict[str, Any]) -> list[cells.Entry]:
        given = None if self.score is None else record[self.score]
        score = {} if given is None else {"score": float(given)}
        own = None if self.positive_id is None else record[self.positive_id]
        found = self._entries(record, self.positives or (), own)
        if self.most is not None:
            found = found[: _whole(record[self.most])]
        return [{"score": None, **entry, **score} for entry in found]

    def _negatives(self, record: dict[str, Any], positives: set[str]) -> list[cells.Entry]:
        found = self._entries(record, self.negatives or ())
        return [
            entry | {"origin": entry.get("origin") or self.origin}
            for entry in found
            if entry["text"] not in positives
        ]

    def _entries(
        self, record: dict[str, Any], columns: Columns, own_id: str | None = None
    ) -> list[cells.Entry]:
        """The texts of some columns as entries, each text once; an id for that of the first."""
        found: dict[str, cells.Entry] = {}
        for at, name in enumerate(columns):
            value = record[name]
            for one in value if isinstance(value, list) else [value]:
                alone = own_id if at == 0 and not isinstance(value, list) else None
                entry = one if isinstance(one, dict) else {"id": alone, "text": one}
                text = self._cut(str(entry.get("text") or "").strip())
                if text:
                    entry = entry | {"id": entry.get("id") or content_id("text", text)}
                    found.setdefault(text, entry | {"text": text})
        return list(found.values())

    def _cut(self, text: str) -> str:
        """The text, or its first words as they stand."""
        if self.max_words is None:
            return text
        words = list(islice(_WORD.finditer(text), self.max_words))
        return text[: words[-1].end()] if words else ""


def _whole(value: Any) -> int:  # noqa: ANN401  (any value of a row)
    """A number of texts, whether it is written as a number or as a word; none for anything else."""
    return int(str(value)) if str(value).isdecimal() else 0
