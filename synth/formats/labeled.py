"""Formats in which each passage of a query has a label."""

from __future__ import annotations

from typing import Literal

from synth.formats.base import BOTH, Export


class LabeledPairExport(Export):
    """``query, passage, label``: one row for each positive (1) and each negative (0) of each row.

    What sentence-transformers calls labeled pairs. A row without negatives gives its positives.

    Attributes:
        scores: Whether `score` is written in the place of `label`. A row in which an entry has none
            is left out as ``no_score``.
        ids: Whether `id` and `source_id` are written too, behind the rest.
    """

    format: Literal["labeled_pair"] = "labeled_pair"
    scores: bool = False
    ids: bool = False

    def needs_scores(self) -> tuple[str, ...]:
        """Those of all entries, with `scores`."""
        return BOTH if self.scores else ()


class LabeledListExport(Export):
    """``query, documents, labels``: one row for each row, its positives (1) before its negatives.

    What sentence-transformers calls labeled lists, but with all positives in one list.

    Attributes:
        scores: Whether `scores` is written in the place of `labels`. A row in which an entry has
            none is left out as ``no_score``.
        ids: Whether `id` and `source_id` are written too, behind the rest.
    """

    format: Literal["labeled_list"] = "labeled_list"
    scores: bool = False
    ids: bool = False

    def needs_scores(self) -> tuple[str, ...]:
        """Those of all entries, with `scores`."""
        return BOTH if self.scores else ()
