"""Keep a random share of the rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from synth.core import rows
from synth.core.ids import unit_interval
from synth.core.rows import Table
from synth.core.step import Fields, MapStep


class Sample(MapStep):
    """Keep each row with the same probability, drawn from its id; others drop as ``not_sampled``.

    Attributes:
        fraction: Probability of staying. A larger fraction keeps all that a smaller one keeps.
        seed: Another seed draws other rows.
    """

    kind: Literal["sample"] = "sample"
    fraction: Annotated[float, Field(ge=0, le=1)]
    seed: int = 0

    def needs(self) -> Fields:
        """Nothing but the id."""
        return ()

    def apply(self, batch: Table) -> Table:
        """The same rows, those not drawn dropped."""
        ids = batch.column("id").to_pylist()
        left = [unit_interval("sample", self.seed, row_id) >= self.fraction for row_id in ids]
        return rows.mark_dropped(batch, left, "not_sampled")
