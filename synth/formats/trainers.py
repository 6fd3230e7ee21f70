"""Formats of single trainers, which read files of their own making."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from synth.core.step import Column, Fields
from synth.formats.base import BOTH, NEGATIVES, POSITIVES, QUERY, Export


class FlagEmbeddingExport(Export):
    """``query, pos, neg``, JSON Lines: one for each row. What FlagEmbedding fine-tunes on.

    Source: https://github.com/FlagOpen/FlagEmbedding, `scripts/add_reranker_score.py` for scores.

    Attributes:
        files: FlagEmbedding reads no other kind.
        scores: Whether `pos_scores` and `neg_scores` are written too, for its knowledge
            distillation. A row in which an entry has none is left out as ``no_score``.
        prompt: The column with the instruction of each query; written as `prompt`.
        ids: Whether `id` and `source_id` are written too, behind the rest.
    """

    format: Literal["flag_embedding"] = "flag_embedding"
    files: Literal["jsonl"] = "jsonl"
    scores: bool = False
    prompt: Column | None = None
    ids: bool = False

    def needs(self) -> Fields:
        """The query, its positives, its negatives and its prompt."""
        named = () if self.prompt is None else (pa.field(self.prompt, pa.string()),)
        return (QUERY, POSITIVES, NEGATIVES, *named)

    def needs_scores(self) -> tuple[str, ...]:
        """Those of all entries, with `scores`."""
        return BOTH if self.scores else ()


class ListwiseExport(Export):
    """``source, query, document, ranking``: the documents of each row shuffled, and their order.

    `ranking` has the places of the documents, from 1, the best one first: by falling score, and
    positives that have none before all. What E2Rank trains on (arXiv:2510.22733).

    Attributes:
        k: Documents of a row at most; the best ones.
        min_documents: Rows with fewer are left out as ``short_of_documents``. E2Rank stacks the
            rankings of a batch: with `min_documents` as large as `k` all have one length.
        source: What E2Rank calls the dataset of a row; the recipe's name when left out.
        ids: Whether `id` and `source_id` are written too, behind the rest.
    """

    format: Literal["listwise"] = "listwise"
    k: Annotated[int, Field(ge=2)] = 20
    min_documents: Annotated[int, Field(ge=2)] = 2
    source: Annotated[str, Field(min_length=1)] | None = None
    ids: bool = False

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.min_documents > self.k:
            raise ValueError(
                f"min_documents is {self.min_documents}, but no row has more than k={self.k} "
                "documents; raise `k` or lower `min_documents`"
            )
        return self

    def needs_scores(self) -> tuple[str, ...]:
        """Those of the negatives: positives come first anyway."""
        return (NEGATIVES.name,)

    def completed(self, recipe: str) -> Self:
        """The same export with its source."""
        return self.model_validate({**self.model_dump(), "source": self.source or recipe})
