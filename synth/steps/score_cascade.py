"""Hold rows to several thresholds at once, and tell what each of them does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps import cells
from synth.steps.generate import ANY
from synth.steps.whole import OneTaskStep, with_facts

STATUS = pa.field("status", pa.string())
KEPT = "kept"
# Between which shares of the rows a ledger shows the numbers of a column.
_SHOWN = (0.05, 0.25, 0.5, 0.75, 0.95)


class Rule(BaseModel):
    """One threshold.

    Attributes:
        column: A column of numbers; of `positives` or `negatives` the lowest score counts.
        min: The lowest number that passes; None is off.
        max: The highest number that passes; None is off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: Column
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give `min`, `max` or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"`min` {self.min:g} is above `max` {self.max:g}: no row would pass")
        return self


class ScoreCascade(OneTaskStep):
    """Hold rows to rules in order; `status` is ``kept`` or the reason of the first that fails.

    Scores stay columns, so that a threshold can be moved later without scoring anything again. The
    ledger tells of each rule how the numbers lie and what it takes away, by itself and after those
    before it: look before you choose, and at rows on both sides with ``synth view --near``.

    Attributes:
        rules: The thresholds, the cheapest first.
        drop: Whether rows that fail drop; otherwise only `status` tells.

    Source:
        LAION-5B (arXiv:2210.08402): a cascade of scores with thresholds chosen by eye, tags of
        unsafe and watermarked pictures kept as columns.
    """

    kind: Literal["score_cascade"] = "score_cascade"
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    drop: bool = True

    def needs(self) -> Fields:
        """The numbers."""
        return tuple(pa.field(rule.column, ANY) for rule in self.rules)

    def adds(self) -> Fields:
        """What became of the row."""
        return (STATUS,)

    def whole(self, table: Table) -> Table:
        """The same rows with their status.

        Args:
            table: The rows in any order.

        Raises:
            RecipeError: If a column does not hold numbers.
        """
        status = np.full(table.num_rows, KEPT, object)
        facts: dict[str, str] = {}
        for rule in self.rules:
            numbers = cells.numbers(table, rule.column, self.kind)
            before = status == KEPT
            alone = np.zeros(table.num_rows, np.bool_)
            for reason, failed in cells.out_of_bounds(rule.column, numbers, rule.min, rule.max):
                status[(status == KEPT) & failed] = reason
                alone |= failed
            facts[_said(rule)] = _told(numbers, alone, before & alone)
        out = rows.with_column(table, STATUS, pa.array(status.tolist(), STATUS.type))
        if self.drop:
            for reason in dict.fromkeys(status.tolist()):
                if reason != KEPT:
                    out = rows.mark_dropped(out, status == reason, reason)
        return with_facts(out, facts if table.num_rows else {})


def _said(rule: Rule) -> str:
    low = "" if rule.min is None else f"{rule.min:g} <= "
    high = "" if rule.max is None else f" <= {rule.max:g}"
    return f"{low}{rule.column}{high}"


def _told(numbers: NDArray[np.float64], alone: NDArray[np.bool_], here: NDArray[np.bool_]) -> str:
    found = numbers[~np.isnan(numbers)]
    lie = _quantiles(found) if len(found) else "no numbers"
    return f"takes {here.sum():,}, alone {alone.sum():,} of {len(numbers):,}; {lie}"


def _quantiles(numbers: NDArray[np.float64]) -> str:
    shown: Sequence[float] = np.quantile(numbers, _SHOWN).tolist()
    return ", ".join(
        f"{share:.0%} below {value:.3g}" for share, value in zip(_SHOWN, shown, strict=True)
    )
