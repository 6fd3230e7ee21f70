"""Keep a fixed number of random rows."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt

from synth.core import rows
from synth.core.ids import unit_interval
from synth.core.rows import Table
from synth.core.step import Fields
from synth.steps.whole import OneTaskStep


class Take(OneTaskStep):
    """Keep a number of rows, drawn by their ids; others drop as ``not_taken``.

    Attributes:
        rows: How many stay; all of them if there are fewer.
        seed: Another seed draws other rows.
    """

    kind: Literal["take"] = "take"
    rows: NonNegativeInt
    seed: int = 0

    def needs(self) -> Fields:
        """Nothing but the id."""
        return ()

    def whole(self, table: Table) -> Table:
        """The same rows, those not drawn dropped.

        Args:
            table: All rows.
        """
        ids = table.column("id").to_pylist()
        drawn = sorted(ids, key=lambda row_id: (unit_interval("take", self.seed, row_id), row_id))
        taken = set(drawn[: self.rows])
        return rows.mark_dropped(table, [row_id not in taken for row_id in ids], "not_taken")
