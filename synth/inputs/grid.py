"""Records that are drawn from axes: where a dataset starts from nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from synth.algorithms.grid import grid_row
from synth.core.errors import SourceError
from synth.inputs.records import BATCH_ROWS, Records, no_field
from synth.inputs.sources import GridSource


def grid_records(spec: GridSource) -> Iterator[Records]:
    """The rows of a grid; each has the value of every axis, and its number.

    Raises:
        SourceError: If a column names no axis.
    """
    names = ["number", *spec.axes]
    fields = list(dict.fromkeys(spec.columns.values()))
    if missing := [field for field in fields if field not in names]:
        raise SourceError(no_field("a grid source", missing[0], names))
    for first in range(0, spec.rows, BATCH_ROWS):
        numbers = range(first, min(spec.rows, first + BATCH_ROWS))
        drawn = [grid_row(number, spec.axes, spec.seed) for number in numbers]
        columns = {
            field: pa.array([row[field] for row in drawn], pa.string())
            for field in fields
            if field != "number"
        }
        if "number" in fields:
            columns["number"] = pa.array(numbers, pa.int64())
        yield Records(columns, [None] * len(drawn), f"grid row {first}", first)
