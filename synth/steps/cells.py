"""What steps read from the cells of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.neighbors import Vectors, unusable
from synth.core import rows
from synth.core.errors import EngineError, RecipeError, SourceError
from synth.core.rows import Table
from synth.steps.made import first_text

# What to do with a row that is no good.
LEAVE_OUT = ", or leave such rows out by a step `drop_listed` before this one"
# A candidate or an entry of `positives` or `negatives`.
Entry = dict[str, Any]


def texts(batch: Table, column: str) -> list[str | None]:
    """The text of each row, of its first entry where the column lists entries.

    Returns:
        One for each row, None where there is no text or only white space.
    """
    found = [first_text(value) for value in batch.column(column).to_pylist()]
    return [text if text.strip() else None for text in found]


def without(batch: Table, column: str, found: list[str | None]) -> Table:
    """The same rows, those without a text dropped as ``no_<column>``."""
    return rows.mark_dropped(batch, [text is None for text in found], f"no_{column}")


def usable_vectors(batch: Table, column: str) -> Vectors:
    """An embedding column as a matrix, shape (rows, dim).

    Raises:
        EngineError: If a row's vector is null, zero or not finite, or has another size than those
            of most rows; its id is named.
    """
    wrong = np.array(batch.column(column).is_null())
    if wrong.any() and wrong.all():
        _check_usable(batch, column, wrong)
    there = batch.filter(pa.array(~wrong)) if wrong.any() else batch
    _check_sizes(there, column)
    matrix = rows.vectors(there, column)
    wrong[~wrong] = unusable(matrix)
    _check_usable(batch, column, wrong)
    return matrix


def _check_sizes(batch: Table, column: str) -> None:
    sizes = pc.list_value_length(batch.column(column)).to_numpy()
    if not len(sizes):
        return
    _check_usable(batch, column, np.full(len(sizes), not sizes.any()))
    most = np.bincount(sizes).argmax()
    other = sizes != most
    if other.any():
        at = int(np.argmax(other))
        who = "most have" if 2 * other.sum() < len(sizes) else "others have"
        raise EngineError(
            f"row {batch.column('id')[at].as_py()!r} has a vector of {sizes[at]} numbers in "
            f"`{column}`, where {who} {most}; embed the whole column with one model{LEAVE_OUT}"
        )


def check_ids(batch: Table) -> None:
    """Proves that rows can be told apart.

    Args:
        batch: Rows in the order of their ids.

    Raises:
        SourceError: If two have the same id; it is named.
    """
    ids = batch.column("id").combine_chunks()
    same = pc.equal(ids.slice(1), ids.slice(0, max(0, len(ids) - 1)))
    if pc.any(same).as_py():
        twice = ids[pc.index(same, value=True).as_py()].as_py()
        raise SourceError(f"two rows have the id {twice!r}; give each row an id of its own")


def _check_usable(batch: Table, column: str, wrong: NDArray[np.bool_]) -> None:
    if not wrong.any():
        return
    row = batch.column("id")[int(np.argmax(wrong))].as_py()
    more = int(wrong.sum()) - 1
    raise EngineError(
        f"row {row!r} {f'and {more:,} more have' if more else 'has'} no usable vector in "
        f"`{column}`: null, zero or not finite; embed the column again{LEAVE_OUT}"
    )


def entries(batch: Table, column: str) -> list[list[Entry]]:
    """The entries of each row's list, of none where the column or the list is missing."""
    if column not in batch.column_names:
        return [[] for _ in range(batch.num_rows)]
    return [value or [] for value in batch.column(column).to_pylist()]


def source_ids(batch: Table) -> list[str | None]:
    """The id of each row's source document, where lineage has one."""
    if "source_id" not in batch.column_names:
        return [None] * batch.num_rows
    return list(batch.column("source_id").to_pylist())


def with_entries(batch: Table, field: pa.Field, lists: list[list[Entry]]) -> Table:
    """The same rows with a column of lists of entries."""
    return rows.with_column(batch, field, pa.array(lists, field.type))


def numbers(batch: Table, column: str, step: str) -> NDArray[np.float64]:
    """The number of each row, not a number where there is none; of entries the lowest score.

    Args:
        batch: The rows.
        column: A column of numbers, or of entries such as `positives`.
        step: What the step is called in messages.

    Raises:
        RecipeError: If the column holds anything else.
    """
    values = batch.column(column)
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        found: NDArray[np.float64] = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return found
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        scores = [[entry.get("score") for entry in value or []] for value in values.to_pylist()]
        lowest = [
            min(own) if own and all(score is not None for score in own) else None for own in scores
        ]
        return np.array(lowest, np.float64)
    raise RecipeError(f"{step} reads numbers; column `{column}` holds {kind}")


def out_of_bounds(
    column: str, numbers: NDArray[np.float64], low: float | None, high: float | None
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Why rows are out of bounds, and which, shape (rows,) each.

    Args:
        column: What the numbers are called.
        numbers: Not a number where there is none, which is out of bounds too.
        low: The least number that is inside; None is off.
        high: The highest, likewise.
    """
    found = [(f"no_{column}", np.isnan(numbers))]
    if low is not None:
        found.append((f"below_min_{column}", numbers < low))
    if high is not None:
        found.append((f"above_max_{column}", numbers > high))
    return found
