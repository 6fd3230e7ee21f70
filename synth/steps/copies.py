"""What the steps share that drop copies: which texts are compared, and which of them stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from synth.algorithms.exact import visiting_order
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields, Name
from synth.steps import cells
from synth.steps.generate import ANY

DUPLICATE_OF = pa.field("duplicate_of", pa.string())

_MAX = "max:"
# Between the texts of several columns. No text has it: Unicode sets it aside for programs.
_BORDER = "\ufdd0"


def _rule(value: object) -> object:
    column = value.removeprefix(_MAX) if isinstance(value, str) else ""
    if value in ("first", "longest") or (column != value and 0 < len(column) <= 128):
        return value
    raise ValueError(f"give first, longest or max:<a column of numbers>, not {value!r}")


# A rule of which row stays of those that repeat each other.
Keep = Annotated[str, BeforeValidator(_rule)]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _different(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(value)) < len(value):
        raise ValueError(f"names a column twice: {', '.join(value)}")
    return value


# One column, or several whose texts count as one.
Columns = Annotated[
    tuple[Column, ...], BeforeValidator(_listed), AfterValidator(_different), Field(min_length=1)
]


class CopyStep(CorpusStep):
    """What steps that drop copies of texts share.

    Attributes:
        column: The text, or several columns whose texts count as one.
        keep: The row that stays: ``first`` is the one with the lowest id, for a row's position is
            no part of what it is; ``longest`` has the most characters, ``max:<column>`` the highest
            number in that column, of several the lowest id.
        against: A step or source whose rows stay before all others: what repeats one of them
            drops, whatever `keep` says.
        against_column: The text there; `column` when left out.
    """

    column: Columns = ("text",)
    keep: Keep = "first"
    against: Name | None = None
    against_column: Columns | None = None

    def needs(self) -> Fields:
        """The text, and the number that decides which row stays."""
        return (*text_fields(self.column), *ranked_by(self.keep))

    def second_tables(self) -> Mapping[str, Fields]:
        """The texts of the table that rows are compared with."""
        if self.against is None:
            return {}
        return {self.against: (rows.ID, *text_fields(self.theirs))}

    @property
    def theirs(self) -> Columns:
        """The columns of the text in the other table."""
        return self.against_column or self.column

    @property
    def no_text(self) -> str:
        """Why a row drops that has no text in any of its columns."""
        return f"no_{'_and_'.join(self.column)}"

    @model_validator(mode="after")
    def _compares_with_something(self) -> Self:
        if self.against_column is not None and self.against is None:
            raise ValueError("`against_column` names the text of `against`, which is missing")
        return self


class Compared(NamedTuple):
    """The texts of a step's rows behind those that they are compared with.

    Attributes:
        texts: Null where there is no text, shape (given + rows,).
        order: Every index once, in the order of visits.
        given: How many come from the other table.
        ids: Of all.
    """

    texts: pa.Array
    order: NDArray[np.int64]
    given: int
    ids: pa.Array

    @property
    def nothing(self) -> NDArray[np.bool_]:
        """Which rows have no text, shape (rows,)."""
        return is_null(self.texts.slice(self.given))

    def named(self, at: NDArray[np.int64]) -> pa.Array:
        """The ids at some indices, null for -1."""
        return named(self.ids, at)


def compared(step: CopyStep, table: Table, other: Table | None) -> Compared:
    """The texts of a step's rows behind those of the table that they are compared with.

    Args:
        step: The step.
        table: The rows in the order of their ids.
        other: The other table, likewise.

    Raises:
        RecipeError: If the column of ``max:`` does not hold numbers.
    """
    texts, ids = present_texts(table, step.column), table.column("id").combine_chunks()
    order = visits(table, texts, step.keep)
    if other is None:
        return Compared(texts, order, 0, ids)
    given = other.num_rows
    return Compared(
        joined(present_texts(other, step.theirs), texts),
        np.concatenate([np.arange(given), given + order]),
        given,
        joined(other.column("id").combine_chunks(), ids),
    )


def joined(*parts: pa.Array) -> pa.Array:
    """Strings one behind the other, of whatever Arrow type."""
    return pa.concat_arrays([part.cast(pa.large_string()) for part in parts])


def named(ids: pa.Array, at: NDArray[np.int64]) -> pa.Array:
    """The ids at some indices, null for -1."""
    return ids.take(pa.array(at, mask=at < 0)).cast(pa.string())


def text_fields(columns: Columns) -> Fields:
    """The columns that texts are read from."""
    return tuple(pa.field(column, pa.string()) for column in columns)


def ranked_by(keep: Keep) -> Fields:
    """The column of numbers that decides which row stays, if one does."""
    return (pa.field(keep.removeprefix(_MAX), ANY),) if keep.startswith(_MAX) else ()


def present_texts(table: Table, columns: Columns) -> pa.Array:
    """The text of each row, null where there is none or only white space.

    No Python string is made for a row of a column of texts. Several columns are joined by a
    character that is in none of them and that no normalisation takes away, so that a word at the
    end of one column is no word at the beginning of the next; one without text counts as empty.
    """
    found = [_present(table, column) for column in columns]
    if len(found) == 1:
        return found[0]
    border = pa.scalar(f" {_BORDER} ", pa.large_string())
    joined = pc.binary_join_element_wise(
        *found, border, null_handling="replace", null_replacement=""
    )
    nothing = np.all([is_null(texts) for texts in found], axis=0)
    return pc.if_else(pa.array(nothing), None, joined)


def _present(table: Table, column: str) -> pa.Array:
    found = table.column(column)
    if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
        return pa.array(cells.texts(table, column), pa.large_string())
    # Offsets of 32 bits end at 2 GiB.
    texts = found.cast(pa.large_string()).combine_chunks()
    blank = pc.or_(pc.equal(pc.binary_length(texts), 0), pc.utf8_is_space(texts))
    return pc.if_else(blank, None, texts) if pc.any(blank).as_py() else texts


def is_null(texts: pa.Array) -> NDArray[np.bool_]:
    """Where there is no text, shape (texts,)."""
    mask: NDArray[np.bool_] = texts.is_null().to_numpy(zero_copy_only=False)
    return mask


def visits(table: Table, texts: pa.Array, keep: Keep) -> NDArray[np.int64]:
    """The order in which rows are looked at, those that stay first.

    Raises:
        RecipeError: If the column of ``max:`` does not hold numbers.
    """
    if not keep.startswith(_MAX):
        return visiting_order(texts, "longest" if keep == "longest" else "first")
    return visiting_order(texts, "max", ranks(table, keep))


def ranks(table: Table, keep: Keep) -> NDArray[np.float64]:
    """The numbers of the column of ``max:`` as `falling` takes them, not a number for a null.

    Integers come in two parts of 32 bits, which floats hold exactly: nanoseconds and hashes have
    more digits than a float.

    Raises:
        RecipeError: If the column does not hold numbers.
    """
    numbers = table.column(keep.removeprefix(_MAX))
    kind = numbers.type
    if not is_number(kind):
        raise RecipeError(f"keep: {keep} reads numbers; that column holds {kind}")
    if not pa.types.is_integer(kind):
        found = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.stack([found, np.zeros(len(found))], axis=1)
    wide = pa.int64() if pa.types.is_signed_integer(kind) else pa.uint64()
    whole = pc.fill_null(numbers.cast(wide), 0).to_numpy()
    parts = np.stack([whole >> 32, whole & 0xFFFFFFFF], axis=1).astype(np.float64)
    parts[numbers.is_null().to_numpy()] = np.nan
    return parts


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type has a highest value; one that is all null has none to say."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))
