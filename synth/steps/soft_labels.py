"""The scores of a teacher as columns, and how hard they say a row is."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator

from synth.algorithms.soft_labels import softmax_by_row
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields, MapStep
from synth.steps.entry_lists import EntryLists, listed, one_behind_another
from synth.steps.made import NEGATIVES, POSITIVES, SCORED_BY

_SCORES = pa.list_(pa.float32())
POS_SCORES, NEG_SCORES = pa.field("pos_scores", _SCORES), pa.field("neg_scores", _SCORES)
TEACHER = pa.field("teacher", pa.string())
SOFT_LABELS = pa.field("soft_labels", _SCORES)
DIFFICULTY = pa.field("difficulty", pa.float32())
CURRICULUM_BIN = pa.field("curriculum_bin", pa.int32())
Probability = Annotated[float, Field(gt=0, lt=1)]


class SoftLabels(MapStep):
    """Write what a teacher thinks of each positive and negative, for distillation and curricula.

    `pos_scores` and `neg_scores` are the entries' scores in the order of the entries; `soft_labels`
    is ``softmax(scores / temperature)`` over the positives and then the negatives; `difficulty` is
    what of it the negatives have, from 0 to 1, and `curriculum_bin` its place among `edges`, from 0
    for the easiest. A row in which any entry has no score drops as ``no_score``, one without a
    positive as ``no_positive``; one without negatives is of difficulty 0.

    `teacher` is the model that gave all scores of the row, as `score` notes it in `scored_by`; null
    where it is not one model, or nothing tells. With ``fill: all`` it is always one.

    Attributes:
        temperature: The lower, the more the highest score takes: 0.02, as contrastive losses have
            it, suits cosines, 1 the logits of a cross-encoder.
        edges: Difficulties at which a new bin begins, rising.

    Source:
        Weights by the probability of the positive: KaLM-Embedding-V2 (arXiv:2506.20923). The two
        columns of scores are called as FlagEmbedding calls them.
    """

    kind: Literal["soft_labels"] = "soft_labels"
    temperature: PositiveFloat = 0.02
    edges: tuple[Probability, ...] = (0.2, 0.4, 0.6, 0.8)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError(f"`edges` rise from one to the next; here they are {self.edges}")
        return self

    def needs(self) -> Fields:
        """The positives and negatives with their scores."""
        return (POSITIVES, NEGATIVES)

    def adds(self) -> Fields:
        """Scores, teacher, labels, difficulty and its bin."""
        return (POS_SCORES, NEG_SCORES, TEACHER, SOFT_LABELS, DIFFICULTY, CURRICULUM_BIN)

    def apply(self, batch: Table) -> Table:
        """The same rows with their labels; a row that drops has none."""
        count = batch.num_rows
        both = [EntryLists.of(batch, name) for name in ("positives", "negatives")]
        row = np.concatenate([one.row for one in both])
        scores = np.concatenate([one.scores for one in both])
        is_positive = np.arange(len(row)) < len(both[0].row)
        no_positive = np.bincount(row, weights=is_positive, minlength=count) == 0
        no_score = np.bincount(row, weights=~np.isfinite(scores), minlength=count) > 0
        good = ~(no_positive | no_score)
        at = good[row]
        shares = np.full(len(row), np.nan)
        shares[at] = softmax_by_row(scores[at], row[at], count, self.temperature)
        difficulty = np.bincount(row, weights=np.where(is_positive, 0, shares), minlength=count)
        difficulty = np.clip(difficulty, 0, 1).astype(np.float32)
        bins = np.searchsorted(np.array(self.edges, np.float32), difficulty, side="right")
        values = {
            POS_SCORES: _lists(both[0], both[0].scores),
            NEG_SCORES: _lists(both[1], both[1].scores),
            TEACHER: _teachers(batch),
            SOFT_LABELS: one_behind_another(
                [_lists(both[0], shares[is_positive]), _lists(both[1], shares[~is_positive])],
                _SCORES,
            ),
            DIFFICULTY: pa.array(difficulty, mask=~good),
            CURRICULUM_BIN: pa.array(bins, pa.int32(), mask=~good),
        }
        out = batch
        for field, column in values.items():
            out = rows.with_column(out, field, column)
        out = rows.mark_dropped(out, no_positive, "no_positive")
        return rows.mark_dropped(out, no_score, "no_score")


def _lists(entries: EntryLists, values: NDArray[np.float64]) -> pa.Array:
    """One number for each entry as lists, null where it is none."""
    numbers = pa.array(values, pa.float32(), mask=~np.isfinite(values))
    return listed(numbers, np.diff(entries.begins), _SCORES)


def _teachers(batch: Table) -> pa.Array:
    if SCORED_BY.name in batch.column_names:
        return batch.column(SCORED_BY.name)
    return pa.nulls(batch.num_rows, pa.string())
