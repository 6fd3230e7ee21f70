"""Add each row again with two of its texts exchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import model_validator

from synth.core.ids import content_id
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields
from synth.steps import cells
from synth.steps.born import LINEAGE, lineage, with_new
from synth.steps.generate import ANY

if TYPE_CHECKING:
    from ray.data import Dataset


class Mirror(CorpusStep):
    """Make a second row of each, with two texts exchanged and everything else the same.

    What holds of (a, b) holds of (b, a) in symmetric tasks, such as similarity and translation; not
    in entailment. A row without one of the texts drops as ``no_<column>``.

    Attributes:
        columns: The two texts.
        also: Further pairs of columns that are exchanged, such as the languages of the two.

    Source:
        QZhou-Embedding (arXiv:2508.21632) doubles its symmetric pairs.
    """

    makes_rows: ClassVar[bool] = True

    kind: Literal["mirror"] = "mirror"
    columns: tuple[Column, Column]
    also: tuple[tuple[Column, Column], ...] = ()

    @model_validator(mode="after")
    def _exchanges_two(self) -> Self:
        names = [name for pair in (self.columns, *self.also) for name in pair]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{twice[0]!r} is exchanged twice; name each column once")
        return self

    def needs(self) -> Fields:
        """Both texts, and what is exchanged with them."""
        also = [name for pair in self.also for name in pair]
        return (
            *(pa.field(name, pa.string()) for name in self.columns),
            *(pa.field(name, ANY) for name in also),
        )

    def adds(self) -> Fields:
        """Where the new rows come from."""
        return LINEAGE

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:  # noqa: ARG002
        """All rows; each is mirrored wherever it is."""
        return dataset.map_batches(_mirrored, fn_args=(self,), batch_format="pyarrow")

    def whole(self, table: Table) -> Table:
        """All rows, and then the new ones, which are true in the column `IS_NEW`.

        Args:
            table: The rows in any order.
        """
        one, other = self.columns
        out = table
        for name in self.columns:
            out = cells.without(out, name, cells.texts(table, name))
        parent = np.flatnonzero(out.column("drop_reason").is_null().to_numpy())
        pairs = [pair for a, b in (self.columns, *self.also) for pair in ((a, b), (b, a))]
        exchanged = {name: _values(table, of, parent) for name, of in pairs}
        ids = table.column("id").to_pylist()
        made = {
            "id": pa.array(
                [content_id(ids[at], "mirror", one, other) for at in parent], pa.string()
            ),
            **exchanged,
            **lineage(table, parent),
        }
        return with_new(out, np.ones(table.num_rows, np.bool_), parent, made, self.adds())


def _values(table: Table, column: str, at: NDArray[np.int64]) -> pa.Array:
    """The values of a column in some rows."""
    return table.column(column).combine_chunks().take(pa.array(at))


def _mirrored(table: Table, step: Mirror) -> Table:
    return step.whole(table)
