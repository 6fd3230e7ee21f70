"""Drop negatives that score too close to their query's positive to be negative for sure."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import (
    Field,
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from synth.algorithms.margin import (
    EXPECTED,
    Reference,
    Selection,
    auto_ceilings,
    beyond_bound,
    ceilings,
    keep_below,
    reference_scores,
)
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.core.step import Fields, MapStep
from synth.steps.entry_lists import EntryLists, text_keys
from synth.steps.identities import IDENTITY_REASONS, Reasons, identity_reasons
from synth.steps.made import NEGATIVES, POSITIVES
from synth.steps.rejected import REJECTED_NEGATIVES, SHORT_BY, Limits, divided

Mask = NDArray[np.bool_]
_OF_MARGIN = {
    "fixed": ("relative_margin", "absolute_margin"),
    "auto": ("max_false_negatives", "expected_false_negatives", "min_keep"),
}
# Why a negative is rejected; the first that holds is told. The first of all keeps it.
_REASONS = (
    *(*IDENTITY_REASONS, "no_score", "no_positive_score", "above_margin", "above_max_score"),
    *("below_min_score", "above_max_quantile", "below_min_quantile"),
    *("above_generated_share", "not_selected"),
)


class MarginFilter(MapStep):
    """Keep negatives that are clearly below the positive, at most `keep` of them.

    A negative is rejected, in this order of reasons, as ``no_text``, ``is_positive``, ``is_query``,
    ``is_source`` (the row's source document), ``repeated`` (a text already in the list with a
    higher score), ``no_score``, ``no_positive_score``, ``above_margin``, ``above_max_score``,
    ``below_min_score``, ``above_max_quantile``, ``below_min_quantile``, ``above_generated_share``,
    ``not_selected``. Of each, `ceiling` is what its row's margin and `max_score` allow, and `bound`
    the score of the rule that is its reason. A row is never padded: it may be left with fewer than
    `keep`, or with none, and `short_by` says how many are missing. A row without a scored positive
    drops as ``no_positive_score``, unless both margins are off and `min_positive` too; one whose
    positives hardly answer the query drops as ``below_min_positive``.

    Attributes:
        margin: ``fixed`` is that of `relative_margin` and `absolute_margin`; ``auto`` sets it for
            each query by how the scores of its own candidates are distributed, so that about
            `max_false_negatives` of those kept are positives that nobody labelled. It wants many
            candidates, such as the 50 that `mine_negatives` finds.
        relative_margin: Negatives score at most ``s - abs(s) * relative_margin`` for the reference
            score s; null is off, here and below.
        absolute_margin: Negatives score at most ``s - absolute_margin``.
        max_false_negatives: For ``auto``: the estimated share of positives among those kept.
        expected_false_negatives: For ``auto``: positives that a query has unlabelled, on average.
        min_keep: For ``auto``: so many negatives are kept whatever the estimate says, the lowest
            scores first, if they are below the reference.
        max_score: Negatives score at most this.
        min_score: Negatives score at least this.
        max_quantile: Negatives score at most this quantile of the scores of the row's negatives.
        min_quantile: Negatives score at least this quantile of them.
        min_positive: The reference score is at least this: below it the query was not about its
            passage. Depends on the encoder; 0.7 for large ones (arXiv:2506.05176).
        keep: Most negatives of a row that stay.
        selection: Which of those that may stay do: ``top`` the highest scores; ``random``;
            ``top1_random`` the highest and others at random; ``quantile`` at even steps of rank
            from the highest to the lowest.
        seed: Of random selections; a row's depends on its id alone.
        reference: The positive score s: of the ``hardest`` (lowest), the ``first`` or the ``mean``.
        max_generated_share: Largest share of the negatives kept that an LLM may have written.

    Source:
        NV-Retriever (arXiv:2407.15831), its 4 negatives and its sampling of the highest with others
        included. QZhou-Embedding (arXiv:2508.21632) keeps the generated share at 0.3.
    """

    kind: Literal["margin_filter"] = "margin_filter"
    margin: Literal["fixed", "auto"] = "fixed"
    relative_margin: Annotated[float, Field(ge=0, lt=1)] | None = 0.05
    absolute_margin: NonNegativeFloat | None = None
    max_false_negatives: Annotated[float, Field(gt=0, lt=1)] = 0.05
    expected_false_negatives: PositiveFloat = EXPECTED
    min_keep: NonNegativeInt = 1
    max_score: FiniteFloat | None = None
    min_score: FiniteFloat | None = None
    max_quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_positive: FiniteFloat | None = None
    keep: PositiveInt | None = 4
    selection: Selection = "top"
    seed: int = 0
    reference: Reference = "hardest"
    max_generated_share: Annotated[float, Field(ge=0, le=1)] | None = None

    @field_validator("selection", mode="before")
    @classmethod
    def _diverse_is_a_step(cls, selection: object) -> object:
        if selection == "diverse":
            raise ValueError(
                "an encoder tells which negatives are alike: put `kind: diverse_negatives` before"
            )
        return selection

    @model_validator(mode="after")
    def _is_one_margin(self) -> Self:
        other = "fixed" if self.margin == "auto" else "auto"
        fields = type(self).model_fields
        given = [name for name in _OF_MARGIN[other] if getattr(self, name) != fields[name].default]
        if given:
            raise ValueError(f"`{given[0]}` is for `margin: {other}`; here it is {self.margin}")
        if self.keep is not None and self.min_keep > self.keep:
            raise ValueError(f"`min_keep` {self.min_keep} is more than `keep` {self.keep}")
        for what in ("score", "quantile"):
            least, most = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if least is not None and most is not None and least > most:
                raise ValueError(
                    f"min_{what} {least:g} is above max_{what} {most:g}: no negative would stay"
                )
        if self.selection != "top" and self.keep is None:
            raise ValueError(f"`selection: {self.selection}` chooses `keep` negatives; keep is off")
        return self

    @property
    def reads_positive_scores(self) -> bool:
        """Whether a row whose positives have no score drops."""
        margins = (self.relative_margin, self.absolute_margin, self.min_positive)
        return self.margin == "auto" or any(one is not None for one in margins)

    def needs(self) -> Fields:
        """The query, and positives and negatives with their scores."""
        return (pa.field("query", pa.string()), POSITIVES, NEGATIVES)

    def adds(self) -> Fields:
        """The negatives kept, by falling score and then by id, those rejected, how many lack."""
        return (NEGATIVES, REJECTED_NEGATIVES, SHORT_BY)

    def apply(self, batch: Table) -> Table:
        """The same rows with their negatives divided into kept and rejected.

        Raises:
            RecipeError: If a relative margin would be taken off scores without a bound.
        """
        positives, negatives = EntryLists.of(batch, "positives"), EntryLists.of(batch, "negatives")
        negatives = negatives.best_first()
        self._check_bounded(batch, positives, negatives)
        reference = reference_scores(
            positives.scores, positives.row, batch.num_rows, self.reference
        )
        reasons = identity_reasons(batch, positives, negatives)
        margin = self._margins(negatives, reasons == 0, reference)
        ceiling = margin if self.max_score is None else np.minimum(margin, self.max_score)
        reasons = np.where(reasons == 0, self._score_reasons(negatives, margin), reasons)
        selected = self._selected(batch, negatives, reasons == 0)
        reasons = np.where(reasons == 0, selected, reasons)
        limits = Limits(ceiling[negatives.row], self._bounds(negatives, reasons, margin))
        out = divided(batch, negatives, reasons, _REASONS, limits, self.keep)
        unscored = np.isnan(ceiling)
        if self.min_positive is not None:
            unscored |= np.isnan(reference)
            out = rows.mark_dropped(out, reference < self.min_positive, "below_min_positive")
        return rows.mark_dropped(out, unscored, "no_positive_score")

    def _check_bounded(self, batch: Table, *lists: EntryLists) -> None:
        if self.margin == "fixed" and self.relative_margin is None:
            return
        for found in lists:
            wrong = beyond_bound(found.scores)
            if wrong.any():
                at = int(np.argmax(wrong))
                row_id = batch.column("id")[int(found.row[at])].as_py()
                instead = "`margin: fixed`, " if self.margin == "auto" else ""
                raise RecipeError(
                    f"margin_filter: row {row_id!r} has a score of {found.scores[at]:.3g}; a share "
                    "of a score means something only where scores lie in [-1, 1], as cosines and "
                    "probabilities do. Those of a cross-encoder without a sigmoid have no bound: "
                    f"give {instead}`relative_margin: null` and an `absolute_margin`, or score "
                    "with a sigmoid"
                )

    def _margins(
        self, negatives: EntryLists, possible: Mask, reference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The highest score that the margin of each row allows."""
        if self.margin == "fixed":
            return ceilings(reference, self.relative_margin, self.absolute_margin)
        # What cannot be a negative tells nothing of how negatives score.
        possible = possible & np.isfinite(negatives.scores)
        scores, row = negatives.scores[possible], negatives.row[possible]
        found = auto_ceilings(
            scores,
            row,
            reference,
            self.max_false_negatives,
            self.keep,
            self.expected_false_negatives,
        )
        counts = np.bincount(row, minlength=len(reference))
        some = (counts > 0) & (self.min_keep > 0)
        first_kept = np.cumsum(counts) - np.minimum(counts, max(1, self.min_keep))
        floor = np.full(len(reference), -np.inf)
        floor[some] = scores[first_kept[some]]
        return np.asarray(np.maximum(found, np.minimum(floor, reference)), np.float64)

    def _score_reasons(self, negatives: EntryLists, margin: NDArray[np.float64]) -> Reasons:
        """Why each negative's own score rejects it."""
        scores, row = negatives.scores, negatives.row
        rules = {
            "no_score": ~np.isfinite(scores),
            "no_positive_score": np.isnan(margin[row]),
            "above_margin": ~keep_below(scores, row, margin),
            "above_max_score": scores > (np.inf if self.max_score is None else self.max_score),
            "below_min_score": scores < (-np.inf if self.min_score is None else self.min_score),
            "above_max_quantile": scores > self._quantile(negatives, self.max_quantile, np.inf),
            "below_min_quantile": scores < self._quantile(negatives, self.min_quantile, -np.inf),
        }
        return np.select(list(rules.values()), [_code(name) for name in rules], np.int8(0))

    def _bounds(
        self, negatives: EntryLists, reasons: Reasons, margin: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The score by which its reason rejects each negative, NaN where that is none."""
        of_rule: dict[str, NDArray[np.float64] | float | None] = {
            "above_margin": margin[negatives.row],
            "above_max_score": self.max_score,
            "below_min_score": self.min_score,
            "above_max_quantile": self._quantile(negatives, self.max_quantile, np.nan),
            "below_min_quantile": self._quantile(negatives, self.min_quantile, np.nan),
        }
        found = np.full(len(reasons), np.nan)
        for name, bound in of_rule.items():
            if bound is not None:
                found = np.where(reasons == _code(name), bound, found)
        return found

    def _quantile(
        self, negatives: EntryLists, share: float | None, off: float
    ) -> NDArray[np.float64] | float:
        """A quantile of the scores of each negative's row."""
        if share is None:
            return off
        parts = np.split(negatives.scores, negatives.begins[1:-1])
        scored = [part[np.isfinite(part)] for part in parts]
        found = np.array([np.quantile(part, share) if len(part) else off for part in scored])
        return np.asarray(found[negatives.row], np.float64)

    def _selected(self, batch: Table, negatives: EntryLists, good: Mask) -> Reasons:
        """Why negatives that are good do not stay."""
        from synth.algorithms.negative_lists import mixed, select

        keys = negatives.text_hashes
        if self.selection in ("random", "top1_random"):
            row_keys = text_keys(batch.column("id").combine_chunks())[negatives.row]
            keys = mixed(row_keys, keys, self.seed)
        codes = select(
            negatives.begins,
            good,
            negatives.generated(),
            self.keep,
            self.max_generated_share,
            self.selection,
            keys,
        )
        told = [_code(name) for name in ("", "not_selected", "above_generated_share")]
        return np.array(told)[codes]


def _code(reason: str) -> np.int8:
    return np.int8(_REASONS.index(reason))
