"""What every export says, whatever its format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from synth.core import rows
from synth.core.step import Fields, Name

# `datasets` opens no split whose name is anything else.
SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=64)]
Splits = Annotated[dict[SplitName, PositiveFloat], Field(min_length=1)]
Files = Literal["parquet", "jsonl"]

QUERY = pa.field("query", pa.string())
POSITIVES = pa.field("positives", rows.POSITIVES)
NEGATIVES = pa.field("negatives", rows.NEGATIVES)
BOTH = (POSITIVES.name, NEGATIVES.name)


class Export(BaseModel):
    """What every export has.

    Attributes:
        name: The dataset's configuration; the first one is what `load_dataset` opens.
        from_: The step whose rows it writes; the last one when left out.
        splits: Relative size of each split. All rows of one source document go to one split.
        shard_rows: Rows of one file at most, where the format's reader takes several.
        files: The kind of the files. `datasets` opens one kind in one dataset: all exports of a
            recipe have the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: Name = "default"
    from_: Annotated[Name | None, Field(alias="from")] = None
    splits: Splits = {"train": 1.0}
    shard_rows: PositiveInt = 100_000
    files: Files = "parquet"

    def needs(self) -> Fields:
        """The columns it reads, with their types; ``null`` stands for any type.

        Left as it is: the query, its positives and its negatives.
        """
        return (QUERY, POSITIVES, NEGATIVES)

    def needs_scores(self) -> tuple[str, ...]:
        """The lists, of `positives` and `negatives`, whose entries must have a score."""
        return ()

    def second_tables(self) -> Mapping[str, Fields]:
        """Steps or sources that it reads beside its rows, and what it needs of each."""
        return {}

    def configs(self) -> tuple[str, ...]:
        """The dataset's configurations that it becomes, the one that opens by itself first."""
        return (self.name,)

    def completed(self, recipe: str) -> Self:  # noqa: ARG002  (for those that need it)
        """The same export, what was left out and hangs on the recipe's name filled in."""
        return self
