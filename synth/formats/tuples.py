"""Formats with a query, a passage or more, and nothing else, in each row."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from synth.core.step import Fields
from synth.formats.base import BOTH, POSITIVES, QUERY, Export


class NTupleExport(Export):
    """``query, positive, negative_1 ... negative_n``: one row for each positive of each row.

    What sentence-transformers trains on. A row with fewer negatives is left out and counted as
    ``short_of_negatives``; it is never padded.

    Attributes:
        negatives: Negatives of each row, the hardest first.
        scores: Whether `scores` is written too, the positive's and then each negative's: what the
            distilling losses take. A row that lacks one is left out as ``no_score``.
        ids: Whether `id` and `source_id` are written too, behind the texts.
    """

    format: Literal["n_tuple"] = "n_tuple"
    negatives: PositiveInt = 4
    scores: bool = False
    ids: bool = False

    def needs_scores(self) -> tuple[str, ...]:
        """Those of all entries, with `scores`."""
        return BOTH if self.scores else ()


class TripletExport(Export):
    """``query, positive, negative``: one row for each positive with each negative of each row.

    Attributes:
        scores: Whether `scores` is written too, the positive's and the negative's. A row in which
            an entry has none is left out as ``no_score``.
        ids: Whether `id` and `source_id` are written too, behind the texts.
    """

    format: Literal["triplet"] = "triplet"
    scores: bool = False
    ids: bool = False

    def needs_scores(self) -> tuple[str, ...]:
        """Those of all entries, with `scores`."""
        return BOTH if self.scores else ()


class PairExport(Export):
    """``query, positive``: one row for each positive of each row.

    Attributes:
        ids: Whether `id` and `source_id` are written too, behind the texts.
    """

    format: Literal["pair"] = "pair"
    ids: bool = False

    def needs(self) -> Fields:
        """The query and its positives."""
        return (QUERY, POSITIVES)
