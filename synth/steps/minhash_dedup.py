"""Drop rows whose text is a near copy of another row's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from synth.algorithms.minhash import Verify, bands, near_duplicates
from synth.algorithms.text import Unit
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields
from synth.steps.exact_dedup import (
    DUPLICATE_OF,
    Keep,
    is_null,
    named,
    present_texts,
    ranked_by,
    visits,
)
from synth.steps.whole import in_one_task

if TYPE_CHECKING:
    from ray.data import Dataset

DUPLICATE_JACCARD = pa.field("duplicate_jaccard", pa.float32())
DUPLICATE_ESTIMATE = pa.field("duplicate_estimate", pa.float32())
DUPLICATE_CLUSTER = pa.field("duplicate_cluster", pa.string())


class MinhashDedup(CorpusStep):
    """Keep one of all rows whose texts are near copies of it.

    A row drops as ``near_duplicate`` only if the exact Jaccard similarity of its own shingles to
    those of a row that stays reaches the threshold, and as ``exact_duplicate`` if the two are equal
    but for case, white space and Unicode form.

    Attributes:
        column: The text.
        threshold: Jaccard similarity of shingle sets.
        num_perm: Hash values in a signature; the standard error of the similarity that they
            estimate is at most ``0.5 / sqrt(num_perm)``, 0.044 for 128.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of; ``char`` for scripts without spaces between words.
        keep: The row that stays: ``first`` is the one with the lowest id, for a row's position is
            no part of what it is; ``longest`` has the most characters, ``max:<column>`` the highest
            number in that column, of several the lowest id.
        verify: ``jaccard`` compares the shingles of two texts before one drops; ``none`` goes by
            the similarity that their signatures estimate.
    """

    kind: Literal["minhash_dedup"] = "minhash_dedup"
    column: Column = "text"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    num_perm: Annotated[int, Field(ge=2)] = 128
    ngram: PositiveInt = 5
    unit: Unit = "word"
    keep: Keep = "first"
    verify: Verify = "jaccard"

    @model_validator(mode="after")
    def _finds_what_it_looks_for(self) -> Self:
        bands(self.threshold, self.num_perm)
        return self

    def needs(self) -> Fields:
        """The text, and the number that decides which row stays."""
        return (pa.field(self.column, pa.string()), *ranked_by(self.keep))

    def adds(self) -> Fields:
        """What a dropped row repeats, how alike they are, and its cluster.

        ``duplicate_of`` is the id of a row that stays, null in those. ``duplicate_jaccard`` is the
        verified similarity to it and ``duplicate_estimate`` that of the signatures.
        ``duplicate_cluster`` is the id of the first row of the cluster in the order of `keep`, in
        all rows of clusters of two or more.
        """
        return (DUPLICATE_OF, DUPLICATE_JACCARD, DUPLICATE_ESTIMATE, DUPLICATE_CLUSTER)

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows, planned lazily on Ray Data."""
        return in_one_task(self, dataset, tables)

    def whole(self, table: Table) -> Table:
        """The same rows; those that repeat another dropped, those without text as ``no_<column>``.

        Args:
            table: The rows in the order of their ids.

        Raises:
            RecipeError: If the column of ``max:`` does not hold numbers.
        """
        texts = present_texts(table, self.column)
        order = visits(table, texts, self.keep)
        settings = (self.threshold, self.num_perm, self.ngram, self.unit, self.verify)
        found = near_duplicates(texts, order, *settings)
        stays, alone = found.of < 0, _alone(found.cluster)
        jaccard = pa.array(found.jaccard, pa.float32(), mask=stays | np.isnan(found.jaccard))
        table = rows.mark_dropped(table, is_null(texts), f"no_{self.column}")
        for field, values in (
            (DUPLICATE_OF, named(table, found.of)),
            (DUPLICATE_JACCARD, jaccard),
            (DUPLICATE_ESTIMATE, pa.array(found.estimated, pa.float32(), mask=stays)),
            (DUPLICATE_CLUSTER, named(table, np.where(alone, -1, found.cluster))),
        ):
            table = rows.with_column(table, field, values)
        table = rows.mark_dropped(table, found.equal, "exact_duplicate")
        return rows.mark_dropped(table, ~stays, "near_duplicate")


def _alone(cluster: NDArray[np.int64]) -> NDArray[np.bool_]:
    alone: NDArray[np.bool_] = (np.bincount(cluster, minlength=len(cluster)) < 2)[cluster]
    return alone
