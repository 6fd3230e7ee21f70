"""Keep at most so many rows of each value of a column."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import pyarrow as pa
from pydantic import NonNegativeInt

from synth.core import rows
from synth.core.ids import unit_interval
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps.generate import ANY
from synth.steps.whole import OneTaskStep, with_facts

# Values that the ledger tells of.
_MOST_TOLD = 8


class Quota(OneTaskStep):
    """Keep at most a number of rows of each value, drawn by their ids.

    Others drop as ``over_quota``, those without a value as ``no_<column>``, those whose value no
    quota is given for as ``no_quota``.

    Attributes:
        column: What rows are counted by: a bucket, a class, a source, an item.
        rows: How many rows of each value stay, one number for all or one for each.
        seed: Another seed draws other rows.
    """

    kind: Literal["quota"] = "quota"
    column: Column
    rows: NonNegativeInt | dict[str, NonNegativeInt]
    seed: NonNegativeInt = 0

    def needs(self) -> Fields:
        """The value."""
        return (pa.field(self.column, ANY),)

    def whole(self, table: Table) -> Table:
        """The same rows, those that are too many dropped.

        Args:
            table: The rows in any order.
        """
        ids = table.column("id").to_pylist()
        values = [
            None if value is None else str(value) for value in table.column(self.column).to_pylist()
        ]
        draws = [(unit_interval("quota", self.seed, row_id), row_id) for row_id in ids]
        kept: Counter[str] = Counter()
        over = [False] * len(ids)
        for at in sorted(range(len(ids)), key=draws.__getitem__):
            value = values[at]
            if value is not None:
                over[at] = kept[value] >= (self._of(value) or 0)
                kept[value] += not over[at]
        out = rows.mark_dropped(table, [value is None for value in values], f"no_{self.column}")
        unasked = [value is not None and self._of(value) is None for value in values]
        out = rows.mark_dropped(out, unasked, "no_quota")
        out = rows.mark_dropped(out, over, "over_quota")
        return with_facts(out, self._told(kept, Counter(filter(None, values))))

    def _of(self, value: str) -> int | None:
        return self.rows.get(value) if isinstance(self.rows, dict) else self.rows

    def _told(self, kept: Counter[str], came: Counter[str]) -> dict[str, str]:
        names = sorted(came, key=lambda value: (-came[value], value))
        told = [f"{value}: {kept[value]:,} of {came[value]:,}" for value in names[:_MOST_TOLD]]
        more = [f"and {len(names) - _MOST_TOLD:,} more"] if len(names) > _MOST_TOLD else []
        return {f"rows of each {self.column}": ", ".join([*told, *more])} if told else {}
