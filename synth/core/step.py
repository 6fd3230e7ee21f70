"""The shapes of a step. A step is data: what it is called, what it reads, what it adds.

A recipe's steps are frozen models that hold no machine, no file and no model, so that each is
tested by calling it. Four shapes, told apart by their verbs:

| shape        | verbs                                                          |
|--------------|----------------------------------------------------------------|
| `MapStep`    | ``apply(rows) -> rows``, whatever the batching                 |
| `Generate`   | asks an LLM: ``ask``, ``verdict``, ``read`` (`synth.steps.generate`)  |
| `EncodeStep` | asks an encoder: ``ask(rows) -> texts``, ``read(rows, answers)`` |
| `CorpusStep` | needs all rows or a second table: ``apply(dataset, tables)``   |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from synth.core import rows
from synth.core.rows import Table

if TYPE_CHECKING:
    from ray.data import Dataset

# A step's name is a folder of the run, so it may hold nothing that walks out of it.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]
Column = Annotated[str, Field(min_length=1, max_length=128)]
Fields = tuple[rows.Field, ...]


class Step(BaseModel):
    """What every step of a recipe has.

    Attributes:
        name: Folder and reference name; the kind (or the prompt) when left out.
        from_: Name of the step or source it reads; the step before it when left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    # Packages whose version can change the rows that this step makes; part of its fingerprint.
    packages: ClassVar[tuple[str, ...]] = ()
    # Whether it makes rows of its own, true in the column `IS_NEW` of `synth.steps.whole`.
    makes_rows: ClassVar[bool] = False

    name: Name | None = None
    from_: Annotated[Name | None, Field(alias="from")] = None

    def needs(self) -> Fields:
        """The columns it reads, with their types."""
        raise NotImplementedError

    def adds(self) -> Fields:
        """The columns it adds, or fills again in place."""
        return ()

    def second_tables(self) -> Mapping[str, Fields]:
        """The columns it reads of other tables, by the name of the step or source that has them."""
        return {}


class MapStep(Step):
    """A function of one batch of rows; the result must not depend on the batching."""

    def apply(self, batch: Table) -> Table:
        """The same rows, with the columns of `adds` and with `drop_reason` where one is dropped."""
        raise NotImplementedError


class EncodeStep(Step):
    """Asks an encoder for vectors of texts, or any scorer for scores of (query, passage) pairs.

    Attributes:
        model: Name of an encoder or cross-encoder in the recipe's `models`.
    """

    asks: ClassVar[Literal["vectors", "scores"]]

    model: str

    def ask(self, batch: Table) -> list[str] | list[tuple[str, str]]:
        """What the model is to encode (texts) or to score (pairs)."""
        raise NotImplementedError

    def read(self, batch: Table, answers: NDArray[np.float32], label: str) -> Table:
        """The same rows with the answers in their columns.

        Args:
            batch: The rows that `ask` saw.
            answers: Vectors of shape (asked, dim), or scores of shape (asked,).
            label: What rows and messages call the model that answered.
        """
        raise NotImplementedError


class CorpusStep(Step):
    """Needs all rows at once, or a second table."""

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows, planned lazily on Ray Data.

        Args:
            dataset: The live rows.
            tables: The live rows of each of `second_tables`.
        """
        raise NotImplementedError

    @property
    def whole(self) -> Callable[..., Table]:
        """The same as a function of whole tables: the rows, then each second table.

        Pure and tested without Ray; it is what runs where there are few rows. All tables come in
        the order of their ids.
        """
        raise NotImplementedError
