"""Drop rows whose text is a near copy of another row's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from synth.algorithms.minhash import Verify, bands
from synth.algorithms.signature_table import TEXT_HASH, as_arrays, signature_column
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields, Name
from synth.steps.copies import DUPLICATE_OF, CopyStep, compared, is_null, joined, named
from synth.steps.ngrams import Ngram, of_words

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.algorithms.near_duplicates import Known, Settings

DUPLICATE_JACCARD = pa.field("duplicate_jaccard", pa.float32())
DUPLICATE_ESTIMATE = pa.field("duplicate_estimate", pa.float32())
DUPLICATE_CLUSTER = pa.field("duplicate_cluster", pa.string())


class MinhashDedup(CopyStep):
    """Keep one of all rows whose texts are near copies of it.

    A row drops as ``near_duplicate`` only if the exact Jaccard similarity of its own shingles to
    those of a row that stays reaches the threshold, and as ``exact_duplicate`` if the two are equal
    but for case, white space and Unicode form.

    Attributes:
        threshold: Jaccard similarity of shingle sets.
        num_perm: Hash values in a signature; the standard error of the similarity that they
            estimate is at most ``0.5 / sqrt(num_perm)``, 0.044 for 128.
        ngram: A shingle: so many words, or ``{unit: char, n: 5}``.
        verify: ``jaccard`` compares the shingles of two texts before one drops; ``none`` goes by
            the similarity that their signatures estimate.
        index: A source that reads an index of `synth dedup-index`: what repeats one of its texts
            drops, by the similarity that signatures estimate, for an index holds no texts.
    """

    kind: Literal["minhash_dedup"] = "minhash_dedup"
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.8
    num_perm: Annotated[int, Field(ge=2, le=4096)] = 128
    ngram: Annotated[Ngram, BeforeValidator(of_words)] = Ngram()
    verify: Verify = "jaccard"
    index: Name | None = None

    @model_validator(mode="after")
    def _finds_what_it_looks_for(self) -> Self:
        bands(self.threshold, self.num_perm)
        if self.index is not None and self.against is not None:
            raise ValueError("`index` and `against` exclude each other; make two steps of them")
        return self

    @property
    def settings(self) -> Settings:
        """The same for the algorithm."""
        from synth.algorithms.near_duplicates import Settings

        found = bands(self.threshold, self.num_perm)
        return Settings(
            self.threshold, found, self.num_perm, self.ngram.n, self.ngram.unit, self.verify
        )

    def second_tables(self) -> Mapping[str, Fields]:
        """The texts, or the signatures, that rows are compared with."""
        if self.index is None:
            return super().second_tables()
        column = signature_column(self.num_perm, self.ngram.n, self.ngram.unit)
        return {self.index: (rows.ID, TEXT_HASH, column)}

    def adds(self) -> Fields:
        """What a dropped row repeats, how alike they are, and its cluster.

        ``duplicate_of`` is the id of a row that stays, null in those. ``duplicate_jaccard`` is the
        verified similarity to it and ``duplicate_estimate`` that of the signatures.
        ``duplicate_cluster`` is the id of the first row of the cluster in the order of `keep`, in
        all rows of clusters of two or more.
        """
        return (DUPLICATE_OF, DUPLICATE_JACCARD, DUPLICATE_ESTIMATE, DUPLICATE_CLUSTER)

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows; texts come together only where their signatures are alike."""
        from synth.steps.near_copies_on_ray import minhash_on_ray

        return minhash_on_ray(self, dataset, tables)

    def known(self, table: Table) -> Known:
        """What an index says of its texts."""
        from synth.algorithms.near_duplicates import Known

        column = signature_column(self.num_perm, self.ngram.n, self.ngram.unit)
        return Known(*as_arrays(table.column(TEXT_HASH.name), table.column(column.name)))

    def whole(self, table: Table, other: Table | None = None) -> Table:
        """The same rows; those that repeat another dropped, those without text as ``no_<column>``.

        Args:
            table: The rows in the order of their ids.
            other: The table that they are compared with, likewise.

        Raises:
            RecipeError: If the column of ``max:`` does not hold numbers.
        """
        from synth.algorithms.near_duplicates import found_duplicates

        known = None if self.index is None or other is None else self.known(other)
        texts = compared(self, table, other if known is None else None)
        ids, before = texts.ids, texts.given
        if known is not None and other is not None:
            ids, before = joined(other.column("id").combine_chunks(), ids), other.num_rows
        found = found_duplicates(
            texts.texts, texts.order, self.settings, given=texts.given, known=known
        )
        own = slice(before, None)
        return self.told(
            table,
            texts.nothing,
            of=named(ids, found.of[own]),
            jaccard=found.jaccard[own],
            estimated=found.estimated[own],
            equal=found.equal[own],
            cluster=named(ids, found.shared_cluster[own]),
        )

    def told(
        self,
        table: Table,
        nothing: NDArray[np.bool_],
        *,
        of: pa.Array,
        jaccard: NDArray[np.floating],
        estimated: NDArray[np.floating],
        equal: NDArray[np.bool_],
        cluster: pa.Array,
    ) -> Table:
        """The rows with what was found.

        Args:
            table: The rows.
            nothing: Which have no text.
            of: The id that each repeats, null where it stays.
            jaccard: The verified similarity to that, not a number where it was not verified.
            estimated: That of their signatures.
            equal: Whether the two are equal once both are normalised.
            cluster: The id that names the cluster of each, null where it is alone.
        """
        stays = is_null(of)
        table = rows.mark_dropped(table, nothing, self.no_text)
        for field, values in (
            (DUPLICATE_OF, of),
            (DUPLICATE_JACCARD, pa.array(jaccard, pa.float32(), mask=stays | np.isnan(jaccard))),
            (DUPLICATE_ESTIMATE, pa.array(estimated, pa.float32(), mask=stays)),
            (DUPLICATE_CLUSTER, cluster),
        ):
            table = rows.with_column(table, field, values)
        table = rows.mark_dropped(table, equal, "exact_duplicate")
        return rows.mark_dropped(table, ~stays, "near_duplicate")
