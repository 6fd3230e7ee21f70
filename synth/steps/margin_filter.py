"""Drop negatives that score too close to their query's positive to be negative for sure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveInt

from synth.algorithms.margin import Reference, ceilings, keep_below, reference_scores
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields, MapStep
from synth.steps import cells
from synth.steps.cells import Entry
from synth.steps.made import NEGATIVES, POSITIVES

REJECTED_NEGATIVES = pa.field(
    "rejected_negatives",
    pa.list_(
        pa.struct(
            [
                *rows.NEGATIVES.value_type,
                pa.field("reason", pa.string()),
                pa.field("ceiling", pa.float32()),
            ]
        )
    ),
)
# For each negative of a row why it is rejected, None where it is not.
Reasons = list[str | None]


class MarginFilter(MapStep):
    """Keep the hardest negatives that are clearly below the positive, at most `keep` of them.

    A negative is rejected, in this order of reasons, as ``no_text``, ``is_positive``, ``is_query``,
    ``is_source`` (the row's source document), ``repeated`` (a text already in the list with a
    higher score), ``no_score``, ``no_positive_score``, ``above_margin``, ``above_max_score``,
    ``below_min_score``, ``above_generated_share``, ``beyond_keep``. A row is never padded: it may
    be left with fewer than `keep`, or with none. A row without a scored positive drops as
    ``no_positive_score``, unless both margins are off and `min_positive` too; one whose positives
    hardly answer the query drops as ``below_min_positive``.

    Attributes:
        relative_margin: Negatives score at most ``s - abs(s) * relative_margin`` for the reference
            score s; null is off, here and below.
        absolute_margin: Negatives score at most ``s - absolute_margin``.
        max_score: Negatives score at most this.
        min_score: Negatives score at least this.
        min_positive: The reference score is at least this: below it the query was not about its
            passage. Depends on the encoder; 0.7 for large ones (arXiv:2506.05176).
        keep: Most negatives of a row that stay, the highest scores first.
        reference: The positive score s: of the ``hardest`` (lowest), the ``first`` or the ``mean``.
        max_generated_share: Largest share of the negatives kept that an LLM may have written.

    Source:
        NV-Retriever (arXiv:2407.15831), its 4 negatives included. QZhou-Embedding
        (arXiv:2508.21632) keeps the generated share at 0.3.
    """

    kind: Literal["margin_filter"] = "margin_filter"
    relative_margin: Annotated[float, Field(ge=0, lt=1)] | None = 0.05
    absolute_margin: NonNegativeFloat | None = None
    max_score: FiniteFloat | None = None
    min_score: FiniteFloat | None = None
    min_positive: FiniteFloat | None = None
    keep: PositiveInt | None = 4
    reference: Reference = "hardest"
    max_generated_share: Annotated[float, Field(ge=0, le=1)] | None = None

    def needs(self) -> Fields:
        """The query, and positives and negatives with their scores."""
        return (pa.field("query", pa.string()), POSITIVES, NEGATIVES)

    def adds(self) -> Fields:
        """The negatives kept, by falling score and then by id, and those rejected."""
        return (NEGATIVES, REJECTED_NEGATIVES)

    def apply(self, batch: Table) -> Table:
        """The same rows with their negatives divided into kept and rejected."""
        positives = cells.entries(batch, "positives")
        negatives = [sorted(found, key=_best_first) for found in cells.entries(batch, "negatives")]
        reference = reference_scores(*_flat(positives), batch.num_rows, self.reference)
        ceiling = ceilings(reference, self.relative_margin, self.absolute_margin, self.max_score)
        by_identity = _identity_reasons(batch, positives, negatives)
        by_score = self._score_reasons(negatives, reference)
        kept: list[list[Entry]] = []
        rejected: list[list[Entry]] = []
        for at, found in enumerate(negatives):
            own = [one or other for one, other in zip(by_identity[at], by_score[at], strict=True)]
            reasons = self._counted_reasons(found, own)
            limit = {"ceiling": ceiling[at] if np.isfinite(ceiling[at]) else None}
            judged = list(zip(found, reasons, strict=True))
            kept.append([entry for entry, why in judged if why is None])
            rejected.append([entry | {"reason": why} | limit for entry, why in judged if why])
        out = cells.with_entries(batch, NEGATIVES, kept)
        out = cells.with_entries(out, REJECTED_NEGATIVES, rejected)
        unscored = np.isnan(ceiling)
        if self.min_positive is not None:
            unscored |= np.isnan(reference)
            out = rows.mark_dropped(out, reference < self.min_positive, "below_min_positive")
        return rows.mark_dropped(out, unscored, "no_positive_score")

    def _score_reasons(
        self, negatives: list[list[Entry]], reference: NDArray[np.float64]
    ) -> list[Reasons]:
        """Why each negative's own score rejects it."""
        scores, row = _flat(negatives)
        margin = ceilings(reference, self.relative_margin, self.absolute_margin)
        rules = {
            "no_score": ~np.isfinite(scores),
            "no_positive_score": np.isnan(margin[row]),
            "above_margin": ~keep_below(scores, row, margin),
            "above_max_score": scores > (np.inf if self.max_score is None else self.max_score),
            "below_min_score": scores < (-np.inf if self.min_score is None else self.min_score),
        }
        reasons = iter(np.select(list(rules.values()), list(rules), "").tolist())
        return [[next(reasons) or None for _ in found] for found in negatives]

    def _counted_reasons(self, found: list[Entry], reasons: Reasons) -> Reasons:
        """The reasons, with those of negatives that are good but too many."""
        good = [_is_generated(entry) for entry, why in zip(found, reasons, strict=True) if not why]
        room = len(good) if self.keep is None else self.keep
        room_generated = self._most_generated(sum(good), len(good) - sum(good), room)
        counted: Reasons = []
        for entry, why in zip(found, reasons, strict=True):
            generated = _is_generated(entry)
            if why is None and room == 0:
                why = "beyond_keep"
            elif why is None and generated and room_generated == 0:
                why = "above_generated_share"
            elif why is None:
                room, room_generated = room - 1, room_generated - generated
            counted.append(why)
        return counted

    def _most_generated(self, generated: int, others: int, room: int) -> int:
        """How many generated negatives may stay without exceeding their share."""
        share = 1.0 if self.max_generated_share is None else self.max_generated_share
        return max(
            count
            for count in range(min(generated, room) + 1)
            if count == 0 or count / (count + min(room - count, others)) <= share
        )


def _is_generated(entry: Entry) -> bool:
    return str(entry["origin"] or "").startswith("generated:")


def _score(entry: Entry) -> float:
    return np.nan if entry["score"] is None else float(entry["score"])


def _best_first(entry: Entry) -> tuple[float, str]:
    score = _score(entry)
    return (-score if np.isfinite(score) else np.inf, entry["id"] or "")


def _flat(lists: list[list[Entry]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The scores of all entries, NaN where there is none, and the row that each belongs to."""
    scores = np.array([_score(entry) for found in lists for entry in found], np.float64)
    return scores, np.repeat(np.arange(len(lists)), [len(found) for found in lists])


def _identity_reasons(
    batch: Table, positives: list[list[Entry]], negatives: list[list[Entry]]
) -> list[Reasons]:
    """Why each negative cannot be one, whatever its score."""
    queries, sources = batch.column("query").to_pylist(), cells.source_ids(batch)
    return [
        list(_reasons_of_row(*row))
        for row in zip(queries, sources, positives, negatives, strict=True)
    ]


def _reasons_of_row(
    query: str | None, source: str | None, positives: list[Entry], negatives: list[Entry]
) -> Iterator[str | None]:
    ids, texts = ({entry[key] for entry in positives} for key in ("id", "text"))
    seen: set[str] = set()
    for entry in negatives:
        rules = {
            "no_text": not (entry["text"] or "").strip(),
            "is_positive": entry["text"] in texts
            or (entry["id"] in ids and entry["id"] is not None),
            "is_query": entry["text"] == query,
            "is_source": entry["id"] == source and source is not None,
            "repeated": entry["text"] in seen,
        }
        seen.add(entry["text"])
        yield next((reason for reason, holds in rules.items() if holds), None)
