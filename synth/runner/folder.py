"""The folder of a run: where each step's rows are, and how they come back as Ray datasets."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import ray

from synth.core import rows
from synth.core.errors import DriftError
from synth.core.rows import Table
from synth.core.step import CorpusStep
from synth.export.nemotron import DATASET_METADATA
from synth.inputs.files import Folder
from synth.manifest import (
    MANIFEST,
    StepRecord,
    Usage,
    changes,
    now,
    read_record,
    write_record,
)
from synth.plan import Plan, PlannedSource, PlannedStep, kind_of
from synth.recipe import Recipe
from synth.runner.work import Entry

if TYPE_CHECKING:
    from ray.data import Dataset

RUN = "_run.json"
EXPORTS = "_export"
REPLIES = "_replies"
LOGS = "_logs"
_STEP_FOLDER = re.compile(r"\d{2,}-(.+)")


@dataclass(frozen=True)
class RunFolder:
    """One run's folder, ``<out>/<name>/<version>``.

    Attributes:
        plan: What is run into it.
        out: Folder of all runs.
        part: Name of a run on part of the source, which has a folder of its own; from the plan's
            limit when empty.
    """

    plan: Plan
    out: str
    part: str = ""

    @functools.cached_property
    def root(self) -> Folder:
        """The run's folder."""
        limit = "" if self.plan.limit is None else f"limit-{self.plan.limit}"
        return _root(self.out, self.plan.recipe, self.part or limit)

    @staticmethod
    def limit_of(out: str, recipe: Recipe, part: str) -> int | None:
        """The limit with which the run in a folder was made, None where there is none."""
        root = _root(out, recipe, part)
        told = orjson.loads(root.read(RUN)) if root.exists(RUN) else {}
        limit: int | None = told.get("limit")
        return limit

    def replies(self, step: str) -> Folder:
        """Where a step's replies are, for all versions of the recipe."""
        return Folder(self.out).sub(self.plan.recipe.name, REPLIES, step)

    def step(self, table: PlannedSource | PlannedStep) -> Folder:
        """The folder of a source's or a step's rows."""
        return self.root.sub(table.folder)

    def record(self, table: PlannedSource | PlannedStep) -> StepRecord | None:
        """The record of a source or step, None where it is not finished."""
        return read_record(self.step(table))

    def export_record(self, name: str) -> StepRecord | None:
        """The record of an export."""
        return read_record(self.root.sub(EXPORTS, name))

    def describe(self) -> bool:
        """Writes what is being run, for views and cards; returns whether it was not there yet."""
        recipe = self.plan.recipe
        told = {
            "name": recipe.name,
            "version": recipe.version,
            "limit": self.plan.limit,
            "recipe": recipe.text,
            "steps": [one.folder for one in self.plan.tables],
            "prompts": {prompt.name: prompt.text for prompt in self.plan.prompts},
        }
        data = orjson.dumps(told, option=orjson.OPT_INDENT_2)
        if self.root.exists(RUN) and self.root.read(RUN) == data:
            return False
        self.root.write(RUN, data)
        return True

    def finish(
        self,
        table: PlannedSource | PlannedStep,
        entries: list[Entry],
        rows_in: int,
        seconds: float,
    ) -> StepRecord:
        """Marks a source or step as finished and removes what no part of it is."""
        dropped: dict[str, int] = {}
        usage = Usage()
        facts: dict[str, str] = {}
        for entry in entries:
            usage += entry.usage
            facts |= entry.facts
            for reason, count in entry.dropped.items():
                dropped[reason] = dropped.get(reason, 0) + count
        found = [(entry.first, entry.part.file, entry.part) for entry in entries if entry.part]
        parts = tuple(part for _, _, part in sorted(found, key=lambda one: one[:2]))
        made = sum(entry.made for entry in entries)
        rows_out = sum(part.live for part in parts)
        replaced = sum(entry.replaced for entry in entries)
        if made and isinstance(table, PlannedStep) and isinstance(table.step, CorpusStep):
            # A corpus step that makes rows, such as `pack`, replaces every row it does not return.
            replaced = rows_in + made - sum(part.rows for part in parts)
        record = StepRecord(
            name=table.name,
            kind=kind_of(table),
            reads=table.reads if isinstance(table, PlannedStep) else "",
            fingerprint=table.fingerprint,
            ingredients=table.ingredients,
            rows_in=rows_in,
            rows_out=rows_out,
            rows_made=made,
            rows_replaced=replaced,
            dropped=dict(sorted(dropped.items())),
            parts=parts,
            usage=usage,
            facts=facts,
            seconds=round(seconds, 3),
            finished_at=now(),
        )
        folder = self.step(table)
        write_record(folder, record)
        _remove_orphans(folder, {part.file for part in parts})
        return record

    def remove_from(self, name: str) -> None:
        """Removes a step, or the source or export, and all that was made from it.

        Raises:
            DriftError: If what stays was not made by this very recipe; nothing is removed then.
        """
        names = [one.name for one in self.plan.tables]
        stay = self.plan.tables[: names.index(name) if name in names else len(names)]
        self._check_made(stay)
        kept = {one.folder for one in stay}
        for found in self.root.names():
            if _STEP_FOLDER.fullmatch(found) and found not in kept:
                self.root.sub(found).remove()
        for exported in self.root.sub(EXPORTS).names():
            own = self.root.sub(exported)
            own.remove(DATASET_METADATA)
            if not own.names():
                own.remove()
        self.root.sub(EXPORTS).remove()
        self.root.sub("data").remove()

    def check_drift(self) -> None:
        """Proves that every finished step was made by this very recipe.

        Raises:
            DriftError: If one was not; says what changed and how to go on.
        """
        planned = {one.folder: one.name for one in self.plan.tables}
        for folder in self.root.names():
            found = _STEP_FOLDER.fullmatch(folder)
            if found and folder not in planned and self.root.sub(folder).exists(MANIFEST):
                name = found.group(1)
                moved = name in planned.values()
                what = "has another place in the recipe" if moved else "is not in it any more"
                raise self._drift(name, [f"step {name!r} {what}"], None)
        self._check_made(self.plan.tables)
        for spec, _ in self.plan.exports:
            record = self.export_record(spec.name)
            if record is not None and record.ingredients != self.plan.export_ingredients:
                told = changes(record.ingredients, self.plan.export_ingredients)
                raise self._drift("export", told or ["the rows it reads"], None)

    def _check_made(self, tables: Sequence[PlannedSource | PlannedStep]) -> None:
        for table in tables:
            record = self.record(table)
            if record is not None and record.fingerprint != table.fingerprint:
                told = changes(record.ingredients, table.ingredients)
                raise self._drift(table.name, told or ["the rows it reads"], table)

    def _drift(
        self, step: str, told: list[str], table: PlannedSource | PlannedStep | None
    ) -> DriftError:
        shown = "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")
        first = table.name if table else self._first_after_change()
        return DriftError(
            f"{self.root.url} was made by another recipe: at step {step!r}, {shown}. Raise "
            f"`version` to keep the old run, or run with --restart-from {first} to overwrite it "
            "from there (replies already paid for are used again wherever the request is the same)"
        )

    def _first_after_change(self) -> str:
        """The first step that is not there as planned."""
        for table in self.plan.tables:
            record = self.record(table)
            if record is None or record.fingerprint != table.fingerprint:
                return table.name
        return "export"

    def rows_out(self, table: PlannedSource | PlannedStep) -> int:
        """Live rows of a finished step."""
        return self._finished(table).rows_out

    def _finished(self, table: PlannedSource | PlannedStep) -> StepRecord:
        record = self.record(table)
        if record is None:
            raise AssertionError(f"{table.name} is read before it is finished")
        return record

    def live_rows(
        self, table: PlannedSource | PlannedStep, columns: Sequence[str] | None = None
    ) -> Table:
        """The live rows of a finished step, read into this process, with all columns or some."""
        folder = self.step(table)
        read = None if columns is None else [*columns, rows.DROP_REASON.name]
        tables = []
        for part in self._finished(table).parts:
            with folder.fs.open(folder.path(part.file), "rb") as opened:
                tables.append(rows.live(pq.read_table(opened, columns=read)))
        return pa.concat_tables(tables) if tables else table.schema.empty_table()

    def dataset(
        self,
        table: PlannedSource | PlannedStep,
        block_rows: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> Dataset:
        """The live rows of a finished step, planned lazily.

        Args:
            table: The source or step.
            block_rows: Rows of a block, or as the files have them.
            columns: What is read beside `drop_reason`; all when left out.
        """
        record, folder = self._finished(table), self.step(table)
        parts = [part for part in record.parts if part.live]
        if not parts:
            return ray.data.from_arrow(table.schema.empty_table())
        paths = [folder.path(part.file) for part in parts]
        found = ray.data.read_parquet(paths, filesystem=arrow_filesystem(folder))
        if columns is not None:
            found = found.select_columns([*columns, rows.DROP_REASON.name])
        if any(part.live < part.rows for part in parts):
            found = found.map_batches(rows.live, batch_format="pyarrow", batch_size=None)
        return (
            found if block_rows is None else found.repartition(target_num_rows_per_block=block_rows)
        )


def _root(out: str, recipe: Recipe, part: str) -> Folder:
    return Folder(out).sub(recipe.name, f"{recipe.version}-{part}" if part else recipe.version)


def arrow_filesystem(folder: Folder) -> Any:  # noqa: ANN401  (pyarrow ships no types)
    """The filesystem of a folder as pyarrow and Ray take it."""
    if folder.is_local:
        return pafs.LocalFileSystem()
    return pafs.PyFileSystem(pafs.FSSpecHandler(folder.fs))


def _remove_orphans(folder: Folder, counted: set[str]) -> None:
    """Removes parts that a killed or repeated attempt left: no manifest counts them."""
    for name in folder.names():
        if name.endswith(".parquet") and name not in counted:
            folder.remove(name)
