"""How well every positive and negative answers its query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.core.step import EncodeStep, Fields
from synth.steps import cells
from synth.steps.cells import Entry
from synth.steps.made import NEGATIVES, POSITIVES, SCORED_BY

LISTS = (POSITIVES, NEGATIVES)


class Score(EncodeStep):
    """Score each (query, text) pair with an encoder or a cross-encoder.

    A row without a query drops as ``no_query``; an entry without text keeps the score it has.
    `scored_by` names the model where it gave all scores of a row, and is null where scores of
    another or of a search are among them.

    Attributes:
        fill: ``missing`` scores the entries that have no score yet, ``all`` scores every one anew,
            which makes the scores of one row comparable when several models gave them.
    """

    asks: ClassVar[Literal["vectors", "scores"]] = "scores"

    kind: Literal["score"] = "score"
    fill: Literal["missing", "all"] = "missing"

    def needs(self) -> Fields:
        """Query, positives and negatives."""
        return (pa.field("query", pa.string()), *LISTS)

    def adds(self) -> Fields:
        """Positives and negatives, their scores filled in, and who gave them."""
        return (*LISTS, SCORED_BY)

    def ask(self, batch: Table) -> list[tuple[str, str]]:
        """The pairs to score: row by row, a row's positives before its negatives."""
        lists = [cells.entries(batch, field.name) for field in LISTS]
        return [(query, entry["text"]) for _, query, entry in self._wanted(batch, lists)]

    def read(self, batch: Table, answers: NDArray[np.float32], label: str) -> Table:
        """The same rows with the scores in their entries.

        Args:
            batch: The rows that `ask` saw.
            answers: Shape (asked,).
            label: What `scored_by` calls the model.

        Raises:
            EngineError: If a score is not finite; the row's id is named.
        """
        lists = [cells.entries(batch, field.name) for field in LISTS]
        ids = batch.column("id")
        wanted = self._wanted(batch, lists)
        out = rows.with_column(batch, SCORED_BY, self._scored_by(batch, lists, label))
        for (at, _, entry), score in zip(wanted, answers.tolist(), strict=True):
            if not np.isfinite(score):
                raise EngineError(f"model {label} gave row {ids[at].as_py()!r} a score {score}")
            entry["score"] = score
        for field, filled in zip(LISTS, lists, strict=True):
            out = cells.with_entries(out, field, filled)
        return cells.without(out, "query", cells.texts(batch, "query"))

    def _wanted(
        self, batch: Table, lists: list[list[list[Entry]]]
    ) -> Iterator[tuple[int, str, Entry]]:
        """Row, query and entry of every pair to score."""
        for at, (query, *both) in enumerate(zip(cells.texts(batch, "query"), *lists, strict=True)):
            for entry in [entry for one in both for entry in one]:
                if query is not None and self._is_scored(entry):
                    yield at, query, entry

    def _is_scored(self, entry: Entry) -> bool:
        """Whether an entry of a row with a query is scored."""
        return bool(entry["text"]) and (entry["score"] is None or self.fill == "all")

    def _scored_by(
        self, batch: Table, lists: list[list[list[Entry]]], label: str
    ) -> list[str | None]:
        """Who gave each row's scores, before they are filled in."""
        told = SCORED_BY.name in batch.column_names
        before = cells.texts(batch, SCORED_BY.name) if told else [None] * batch.num_rows
        found = []
        for query, own, *both in zip(cells.texts(batch, "query"), before, *lists, strict=True):
            entries = [entry for one in both for entry in one]
            asked = [query is not None and self._is_scored(entry) for entry in entries]
            kept = [
                e["score"] is not None and not new for e, new in zip(entries, asked, strict=True)
            ]
            by = [label] * any(asked) + [own] * any(kept)
            found.append(by[0] if len(set(by)) == 1 else None)
        return found
