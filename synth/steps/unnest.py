"""Make one row of each item that a row lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from pydantic import FiniteFloat, model_validator

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.ids import content_id
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields
from synth.steps.born import LINEAGE, lineage, with_new
from synth.steps.generate import ANY

if TYPE_CHECKING:
    from ray.data import Dataset

_OTHERS = pa.list_(pa.string())


class _Item(NamedTuple):
    text: str
    score: float | None


class Unnest(CorpusStep):
    """Make one row of each item of a list: of texts, or of entries such as `retrieved` has.

    Equal items of a row count once. The new row has all other columns of its row. Rows that list
    nothing drop as ``no_<column>``; those kept by `keep_inputs` have null in the columns added.

    Attributes:
        column: The list.
        into: The column that the item's text becomes; it may be one that rows have.
        score: The column that an entry's score becomes; none when left out.
        others: The column that the texts of the row's other items become; none when left out.
        min_score: Entries with a lower score, or none, become no row; None is off.
        most: Rows made of one row at most, its first ones; None is off.
        keep_inputs: Whether the rows themselves go on beside those made from them.
    """

    makes_rows: ClassVar[bool] = True

    kind: Literal["unnest"] = "unnest"
    column: Column
    into: Column
    score: Column | None = None
    others: Column | None = None
    min_score: FiniteFloat | None = None
    most: int | None = None
    keep_inputs: bool = False

    @model_validator(mode="after")
    def _fills_columns_of_its_own(self) -> Self:
        filled = [name for name in (self.into, self.score, self.others) if name is not None]
        taken = (self.column, "id", "drop_reason", *(field.name for field in LINEAGE))
        if bad := [name for name in filled if name in taken]:
            raise ValueError(f"unnest may not fill {bad[0]!r}; name another column")
        if len(set(filled)) < len(filled):
            raise ValueError("`into`, `score` and `others` are columns of their own each")
        return self

    def needs(self) -> Fields:
        """The list."""
        return (pa.field(self.column, ANY),)

    def adds(self) -> Fields:
        """The item, and where its row comes from."""
        score = () if self.score is None else (pa.field(self.score, pa.float32()),)
        others = () if self.others is None else (pa.field(self.others, _OTHERS),)
        return (pa.field(self.into, pa.string()), *score, *others, *LINEAGE)

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:  # noqa: ARG002
        """All rows; each is taken apart wherever it is."""
        return dataset.map_batches(_unnested, fn_args=(self,), batch_format="pyarrow")

    def whole(self, table: Table) -> Table:
        """Rows that stay, and then those made of items, which are true in the column `IS_NEW`.

        Args:
            table: The rows in any order.

        Raises:
            RecipeError: If the column holds no lists of texts or entries.
        """
        column = table.column(self.column)
        if not (pa.types.is_list(column.type) or pa.types.is_null(column.type)):
            raise RecipeError(f"unnest reads lists; column `{self.column}` holds {column.type}")
        listed = [_items(value) for value in column.to_pylist()]
        chosen = [[item for item in items if self._is_good(item)][: self.most] for items in listed]
        parent = np.repeat(np.arange(len(chosen)), [len(items) for items in chosen])
        ids = table.column("id").to_pylist()
        every = [item for items in chosen for item in items]
        made = {
            "id": pa.array(
                [
                    content_id(ids[at], "unnest", self.into, item.text)
                    for at, item in zip(parent, every, strict=True)
                ],
                pa.string(),
            ),
            self.into: pa.array([item.text for item in every], pa.string()),
            **lineage(table, parent),
        }
        if self.score is not None:
            made[self.score] = pa.array([item.score for item in every], pa.float32())
        if self.others is not None:
            others = [
                [one.text for one in listed[at] if one.text != item.text]
                for at, item in zip(parent, every, strict=True)
            ]
            made[self.others] = pa.array(others, _OTHERS)
        empty = np.array([not items for items in chosen], np.bool_)
        if self.keep_inputs:
            return with_new(table, np.ones(len(empty), np.bool_), parent, made, self.adds())
        dropped = rows.mark_dropped(table, empty, f"no_{self.column}")
        return with_new(dropped, empty, parent, made, self.adds())

    def _is_good(self, item: _Item) -> bool:
        if self.min_score is None:
            return True
        return item.score is not None and item.score >= self.min_score


def _unnested(table: Table, step: Unnest) -> Table:
    return step.whole(table)


def _items(value: Any) -> list[_Item]:  # noqa: ANN401  (any value of a row)
    """The items of a list that have a text, each text once."""
    found: dict[str, _Item] = {}
    for one in value or []:
        text = one.get("text") if isinstance(one, dict) else one
        score = one.get("score") if isinstance(one, dict) else None
        if text is not None and str(text).strip():
            found.setdefault(str(text), _Item(str(text), score))
    return list(found.values())
