"""The files of a step: some columns of all rows, or all columns of some rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synth.core.rows import Table
from synth.step_rows import StepRows

Places = NDArray[np.int64]


def paths(step: StepRows) -> list[str]:
    """The paths of the files, in the order of the rows."""
    return [step.folder.path(part.file) for part in step.record.parts]


def columns(step: StepRows, names: Sequence[str]) -> Iterator[Table]:
    """Some columns of all rows, dropped ones too, file by file."""
    for part in step.record.parts:
        with step.opened(part.file) as file:
            yield file.read(columns=list(names))


def rows_at(step: StepRows, places: Places) -> Iterator[Table]:
    """Rows by their places, counted over all files from 0; reads only the groups that have them.

    Args:
        step: The step.
        places: In rising order, shape (rows,).
    """
    first = 0
    for part in step.record.parts:
        inside = _between(places, first, first + part.rows)
        if len(inside):
            with step.opened(part.file) as file:
                yield from _of_groups(file, inside)
        first += part.rows


def _of_groups(file: pq.ParquetFile, places: Places) -> Iterator[Table]:
    first = 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        inside = _between(places, first, first + size)
        if len(inside):
            yield file.read_row_group(group).take(pa.array(inside))
        first += size


def _between(places: Places, first: int, end: int) -> Places:
    """Those of the places that are in [first, end), counted from `first`."""
    low, high = np.searchsorted(places, [first, end])
    return places[low:high] - first
