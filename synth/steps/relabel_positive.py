"""Make the passage that answers a query best its positive."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import NonNegativeFloat

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields, MapStep
from synth.steps.entry_lists import EntryLists, Mask, one_behind_another, text_keys
from synth.steps.identities import (
    IS_POSITIVE,
    IS_QUERY,
    NO_TEXT,
    Reasons,
    identity_reasons,
)
from synth.steps.made import NEGATIVES, POSITIVES

RELABELLED = pa.field("relabelled", pa.bool_())
ORIGINAL_POSITIVE_ID = pa.field("original_positive_id", pa.string())
POSITIVE_ORIGIN = pa.field("positive_origin", pa.string())
Ids = NDArray[np.int64]


class RelabelPositive(MapStep):
    """Make a negative the positive if it has a higher score than every positive.

    A query that was written for one passage is often answered better by another. Scores are those
    that the entries have: let a cross-encoder, an LLM or a strong encoder give all of them anew
    (``score: {fill: all}``) before. Ties keep the original, and of equal negatives the one with the
    lower id rises. Never made positive is a text without words, the query itself, or a copy of a
    positive. In a row that is relabelled, negatives that copy the new or an old positive are left
    out.

    A row without a positive drops as ``no_positive``, one in which an entry with a text has no
    score as ``no_score``: what is best in it is not known.

    `relabelled` tells whether the row changed, `original_positive_id` which positive was the best
    before, and `positive_origin` whether the new one was ``mined``, ``given`` or
    ``generated:<model>``. Positives that become negatives have the `origin` ``positive``.

    Attributes:
        min_gain: The new positive's score is higher than the best of the old by more than this.
        original: What becomes of the old positives: candidates for a ``negative``, which the
            margin of `margin_filter` then rejects where they too are good answers; ``drop``; or
            ``keep`` them as positives behind the new one.

    Source:
        Gecko (arXiv:2403.20327), whose LLM put another passage first for 15 % of its queries, and
        drew negatives among all others, the original not excepted.
    """

    kind: Literal["relabel_positive"] = "relabel_positive"
    min_gain: NonNegativeFloat = 0.0
    original: Literal["negative", "drop", "keep"] = "negative"

    def needs(self) -> Fields:
        """The query, and positives and negatives with their scores."""
        return (pa.field("query", pa.string()), POSITIVES, NEGATIVES)

    def adds(self) -> Fields:
        """Both lists, whether the row changed, and the old and the new positive's origin."""
        return (POSITIVES, NEGATIVES, RELABELLED, ORIGINAL_POSITIVE_ID, POSITIVE_ORIGIN)

    def apply(self, batch: Table) -> Table:
        """The same rows, of which some have another positive."""
        positives, negatives = EntryLists.of(batch, "positives"), EntryLists.of(batch, "negatives")
        reasons = identity_reasons(batch, positives, negatives)
        old = _best(positives, ~positives.blank())
        new = _best(negatives, ~np.isin(reasons, (NO_TEXT, IS_POSITIVE, IS_QUERY)))
        no_score = _any_unscored(positives) | _any_unscored(negatives)
        gains = _scores(negatives, new) > _scores(positives, old) + self.min_gain
        relabelled = gains & ~no_score
        risen = np.where(relabelled, new, -1)
        values = {
            POSITIVES: self._positives(positives, negatives, risen),
            NEGATIVES: self._negatives(positives, negatives, risen, reasons),
            RELABELLED: pa.array(relabelled),
            ORIGINAL_POSITIVE_ID: _named(positives, "id", np.where(relabelled, old, -1)),
            POSITIVE_ORIGIN: _named(negatives, "origin", risen),
        }
        out = batch
        for field, column in values.items():
            out = rows.with_column(out, field, column)
        out = rows.mark_dropped(out, old < 0, "no_positive")
        return rows.mark_dropped(out, no_score, "no_score")

    def _positives(self, positives: EntryLists, negatives: EntryLists, risen: Ids) -> pa.Array:
        """The new positives with the old ones behind them, where these stay."""
        stays = (risen < 0) | (self.original == "keep")
        old = positives.lists(np.flatnonzero(stays[positives.row]), POSITIVES)
        return one_behind_another(
            [negatives.lists(risen[risen >= 0], POSITIVES), old], POSITIVES.type
        )

    def _negatives(
        self, positives: EntryLists, negatives: EntryLists, risen: Ids, reasons: Reasons
    ) -> pa.Array:
        """The negatives that stay with the old positives behind them, where these fall."""
        new = risen[negatives.row]
        keys = negatives.text_hashes, text_keys(negatives.field("id"))
        is_new = np.any([(key == key[new]) & (key > 0) for key in keys], axis=0)
        stays = (new < 0) | ~(is_new | (reasons == IS_POSITIVE))
        kept = negatives.lists(np.flatnonzero(stays))
        if self.original != "negative":
            return kept
        falls = np.flatnonzero((risen[positives.row] >= 0) & ~positives.blank())
        # Of positives with one text the first.
        texts = np.stack([positives.row[falls].astype(np.uint64), positives.text_hashes[falls]])
        falls = falls[np.sort(np.unique(texts, axis=1, return_index=True)[1])]
        more = {
            "rank": pa.nulls(len(falls), pa.int32()),
            "origin": pa.repeat(pa.scalar("positive"), len(falls)),
            "found": pa.nulls(len(falls), rows.FOUND),
        }
        return one_behind_another([kept, positives.lists(falls, NEGATIVES, more)], NEGATIVES.type)


def _best(entries: EntryLists, fine: Mask) -> Ids:
    """The entry of each row with the highest score, of equals that with the lowest id, else -1."""
    order = entries.falling()
    order = order[fine[order]]
    best = np.full(len(entries.begins) - 1, -1, np.int64)
    row, first = np.unique(entries.row[order], return_index=True)
    best[row] = order[first]
    return best


def _scores(entries: EntryLists, at: Ids) -> NDArray[np.float64]:
    """The scores of one entry for each row, NaN for -1."""
    scores = np.append(entries.scores, np.nan)
    return scores[at]


def _any_unscored(entries: EntryLists) -> Mask:
    """Which rows have an entry with a text and without a score."""
    unscored = ~entries.blank() & ~np.isfinite(entries.scores)
    return np.bincount(entries.row, weights=unscored, minlength=len(entries.begins) - 1) > 0


def _named(entries: EntryLists, field: str, at: Ids) -> pa.Array:
    """One field of one entry for each row, null for -1."""
    return entries.field(field).take(pa.array(at, mask=at < 0))
