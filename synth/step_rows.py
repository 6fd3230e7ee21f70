"""The rows that one step left, read only as far as they are asked for."""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.core import rows
from synth.core.errors import StorageError, SynthError
from synth.core.parquet_columns import id_paths, leaves, name_any
from synth.core.rows import Table
from synth.html import fragment
from synth.html.tables import rows_table
from synth.inputs.files import Folder
from synth.manifest import StepRecord
from synth.steps import cells

# Rows decoded at once: few where a reader wants few, many where all are wanted.
_HEAD_ROWS = 1_024
_ALL_ROWS = 65_536
# Files, and groups of rows in each, that a sample is spread over at least, where there are more.
_SAMPLED_PARTS, _SAMPLED_GROUPS = 32, 4
# Rows, and columns, that a notebook shows of a step.
_SHOWN_ROWS, _SHOWN_COLUMNS = 5, 12

Which = Literal["live", "dropped", "all"]
_DROPPED = rows.DROP_REASON.name


@dataclass(frozen=True)
class StepRows:
    """The rows of one finished step or source; nothing is read before it is asked for.

    Attributes:
        folder: Where its files are.
        record: Its line of the ledger.
    """

    folder: Folder
    record: StepRecord

    def __len__(self) -> int:
        """Rows that go on."""
        return sum(part.live for part in self.record.parts)

    def __repr__(self) -> str:
        """Name and size."""
        return f"<{self.record.name}: {len(self):,} rows, {self.record.rows_dropped:,} dropped>"

    @cached_property
    def schema(self) -> rows.Schema:
        """The columns; only `id` and `drop_reason` for a step without any file."""
        for part in self.record.parts:
            with self.opened(part.file) as opened:
                return opened.schema_arrow.remove_metadata()
        return pa.schema([rows.ID, rows.DROP_REASON])

    def to_arrow(self, *, dropped: bool = False) -> Table:
        """The rows that go on, with `dropped` those too that were dropped in this step."""
        return self._table(self._batches("all" if dropped else "live", _ALL_ROWS))

    def to_pandas(self, *, dropped: bool = False) -> Any:  # noqa: ANN401  (pandas has no types)
        """`to_arrow` as a pandas DataFrame."""
        return self.to_arrow(dropped=dropped).to_pandas()

    def to_polars(self, *, dropped: bool = False) -> Any:  # noqa: ANN401  (may not be installed)
        """`to_arrow` as a polars DataFrame.

        Raises:
            SynthError: If polars is not installed.
        """
        try:
            polars = importlib.import_module("polars")
        except ModuleNotFoundError as error:
            raise SynthError(
                "polars is not installed; `pip install polars`, or use to_pandas()"
            ) from error
        return polars.from_arrow(self.to_arrow(dropped=dropped))

    def dropped(self) -> Table:
        """The rows dropped in this step, each with its `drop_reason`."""
        return self._table(self._batches("dropped", _ALL_ROWS))

    def head(self, number: int = 5, *, dropped: bool = False) -> Table:
        """The first rows that go on, or the first dropped ones; reads little more than these."""
        found, left = [], number
        for batch in self._batches("dropped" if dropped else "live", _HEAD_ROWS):
            found.append(batch.slice(0, left))
            left -= batch.num_rows
            if left <= 0:
                break
        return self._table(found)

    def near(self, column: str, value: float, number: int = 5) -> Table:
        """The rows whose number is nearest to a threshold, dropped ones too, the lowest first.

        Args:
            column: A column of numbers; of `positives` or `negatives` the lowest score counts.
            value: The threshold.
            number: How many rows.

        Raises:
            SynthError: If the step has no such column, or it does not hold numbers.
        """
        if column not in self.schema.names:
            known = ", ".join(self.schema.names)
            raise SynthError(f"{self.record.name} has no column {column!r}; it has {known}")
        table = self.to_arrow(dropped=True)
        numbers = cells.numbers(table, column, "--near")
        nearest = np.argsort(np.abs(numbers - value), kind="stable")[:number]
        nearest = nearest[~np.isnan(numbers[nearest])]
        return table.take(pa.array(nearest[np.argsort(numbers[nearest], kind="stable")]))

    def batches(
        self, columns: Sequence[str], which: Which = "live", batch_rows: int = _ALL_ROWS
    ) -> Iterator[Table]:
        """Some columns of the rows, batch by batch; nothing else is read.

        Args:
            columns: Names of columns, or of a field of their entries, such as `positives.score`.
                Those that the step does not have are passed over.
            which: The rows that go on, those dropped in this step, or both.
            batch_rows: Rows of a batch at most.
        """
        return self._batches(which, batch_rows, columns)

    def sample(self, columns: Sequence[str], number: int) -> Table:
        """Some columns of rows that go on, evenly spread over the step; all where there are fewer.

        Args:
            columns: As `batches` takes them.
            number: How many rows, about.
        """
        parts = [part for part in self.record.parts if part.live]
        if len(self) <= number:
            return self._table(self._batches("live", _ALL_ROWS, columns), columns)
        parts = [parts[at] for at in _spread(len(parts), max(_SAMPLED_PARTS, len(parts) // 64))]
        total, found = sum(part.live for part in parts), []
        for part in parts:
            wanted = math.ceil(number * part.live / total)
            with self.opened(part.file) as opened:
                rows_there = max(1, part.rows // max(1, opened.num_row_groups))
                groups = max(_SAMPLED_GROUPS, 2 * math.ceil(wanted / rows_there))
                at = _spread(opened.num_row_groups, groups)
                read = opened.read_row_groups(at, columns=leaves(opened, [*columns, _DROPPED]))
            live = rows.live(read)
            taken = live.take(pa.array(_spread(live.num_rows, wanted), pa.int64()))
            found.append(_only(taken, columns))
        return self._table(found, columns)

    def dropped_by_reason(self, each: int) -> dict[str, Table]:
        """The first rows that were dropped, for each reason."""
        left = dict.fromkeys(self.record.dropped, each)
        found: dict[str, list[Table]] = {reason: [] for reason in left}
        for part in (one for one in self.record.parts if one.rows > one.live):
            if not any(left.values()):
                break
            with self.opened(part.file) as opened:
                for group in range(opened.num_row_groups):
                    why = opened.read_row_group(group, columns=[_DROPPED]).column(_DROPPED)
                    wanted = [reason for reason, number in left.items() if number]
                    if not pc.any(pc.is_in(why, pa.array(wanted, pa.string()))).as_py():
                        continue
                    whole = opened.read_row_group(group)
                    for reason in wanted:
                        some = whole.filter(pc.equal(why, reason)).slice(0, left[reason])
                        left[reason] -= some.num_rows
                        found[reason].append(some)
        return {reason: self._table(tables) for reason, tables in found.items() if tables}

    def _repr_html_(self) -> str:
        """The first rows as a table, for a notebook."""
        found = self.head(_SHOWN_ROWS).to_pylist()
        filled = [name for name in self.schema.names if any(row[name] is not None for row in found)]
        columns = filled[:_SHOWN_COLUMNS]
        more = len(self.schema.names) - len(columns)
        return fragment(
            "step.html",
            repr(self),
            record=self.record,
            live=len(self),
            table=rows_table("The first rows", found, columns),
            more_columns=more,
        )._repr_html_()

    def search(
        self, named_in: Sequence[str], ids: Sequence[str], columns: Sequence[str] | None = None
    ) -> Table:
        """The rows, dropped ones too, that name one of `ids`.

        Args:
            named_in: Columns of ids, of lists of ids, or of lists of entries that have one. Those
                that the step does not have are passed over.
            ids: What to look for.
            columns: Columns of the result, likewise; all when left out.
        """
        looked = [name for name in named_in if name in self.schema.names]
        taken = [name for name in self.schema.names if columns is None or name in columns]
        values, found = pa.array(ids, pa.string()), []
        for part in self.record.parts if looked else ():
            with self.opened(part.file) as opened:
                paths = id_paths(opened, looked)
                for group in range(opened.num_row_groups):
                    hit = name_any(opened.read_row_group(group, columns=paths), values)
                    if hit.any():
                        rows_there = opened.read_row_group(group, columns=taken)
                        found.append(rows_there.filter(pa.array(hit)))
        schema = pa.schema([self.schema.field(name) for name in taken])
        return self._table(found) if found else schema.empty_table()

    def _batches(
        self, which: Which, batch_rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[Table]:
        for part in self.record.parts:
            number = {"live": part.live, "dropped": part.rows - part.live, "all": part.rows}[which]
            if number == 0:
                continue
            with self.opened(part.file) as opened:
                read = None if columns is None else leaves(opened, [*columns, _DROPPED])
                for batch in opened.iter_batches(batch_rows, columns=read):
                    table = pa.Table.from_batches([batch])
                    if which != "all":
                        is_live = pc.is_null(table.column(_DROPPED))
                        table = table.filter(is_live if which == "live" else pc.invert(is_live))
                    if table.num_rows:
                        yield table if columns is None else _only(table, columns)

    def _table(
        self, found: Iterator[Table] | list[Table], columns: Sequence[str] | None = None
    ) -> Table:
        listed = [table.replace_schema_metadata(None) for table in found]
        if listed:
            return pa.concat_tables(listed)
        empty = self.schema.empty_table()
        return empty if columns is None else _only(empty, columns)

    @contextlib.contextmanager
    def opened(self, name: str) -> Iterator[pq.ParquetFile]:
        """One of its files, for as long as it is read.

        Raises:
            StorageError: If it is missing or damaged.
        """
        try:
            source = self.folder.fs.open(self.folder.path(name), "rb")
        except FileNotFoundError as error:
            raise StorageError(
                f"{name} is missing in {self.folder.url}; delete that folder, and run again"
            ) from error
        try:
            with source, pq.ParquetFile(source) as opened:
                yield opened
        except (pa.ArrowException, OSError) as error:
            raise StorageError(
                f"{name} in {self.folder.url} cannot be read, it is damaged ({error}); delete that "
                "folder, and run again"
            ) from error


def _spread(count: int, number: int) -> list[int]:
    """So many of the numbers from 0 to `count`, evenly spread; all where there are fewer."""
    if count <= number:
        return list(range(count))
    return [int(at) for at in np.linspace(0, count - 1, number)]


def _only(table: Table, columns: Sequence[str]) -> Table:
    """The columns that are named, or of which a field is."""
    wanted = {name.partition(".")[0] for name in columns}
    return table.select([name for name in table.column_names if name in wanted])
