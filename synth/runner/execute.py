"""Runs one step on Ray Data: its rows are read, worked on, and written by workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from synth.core.step import CorpusStep, EncodeStep, MapStep
from synth.inputs.tables import read_tables
from synth.manifest import StepRecord
from synth.plan import PlannedSource, PlannedStep
from synth.runner.asked import encoded, encoded_here, generated, generated_here
from synth.runner.machine import PART_ROWS, Machine
from synth.runner.raised import in_step, our_errors
from synth.runner.work import (
    Entry,
    Target,
    apply_maps,
    write,
    write_part,
)
from synth.steps import Generate
from synth.steps.whole import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray.data import Dataset


def run_source(source: PlannedSource, machine: Machine, limit: int | None) -> StepRecord:
    """Reads a source and writes its rows with their ids; in this process, batch by batch."""
    started = time.monotonic()
    plan, folder = machine.folder.plan, machine.folder
    target = Target(source.name, folder.step(source), source.schema)
    entries = []
    rows_in = 0
    tables = read_tables(source.spec, plan.recipe.base, limit)
    for part in _gathered(tables, PART_ROWS):
        rows_in += part.num_rows
        entries.append(write_part(part, target))
        machine.meter.rows.remote(source.name, part.num_rows)
    # Parts keep the order in which the source has its rows.
    numbered = [replace(entry, first=at) for at, entry in enumerate(entries)]
    return folder.finish(source, numbered, rows_in, time.monotonic() - started)


def _gathered(tables: Iterator[pa.Table], part_rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of at least `part_rows`, but for the last."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(one.num_rows for one in waiting) >= part_rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def run_maps(steps: Sequence[PlannedStep], machine: Machine) -> list[StepRecord]:
    """Runs consecutive map steps as one pass over the rows."""
    started = time.monotonic()
    folder = machine.folder
    table = folder.plan.table(steps[0].reads)
    rows_in = folder.rows_out(table)
    pairs = []
    for step in steps:
        if not isinstance(step.step, MapStep):
            raise TypeError(f"{step.name} is no map step")
        pairs.append((step.step, machine.target(step)))
    if rows_in <= machine.placement.in_process_rows:
        entries = Entry.of(apply_maps(folder.live_rows(table), pairs, machine.meter))
    else:
        worked = folder.dataset(table).map_batches(
            apply_maps,
            fn_args=(pairs, machine.meter),
            batch_size=PART_ROWS,
            batch_format="pyarrow",
        )
        with our_errors():
            entries = _collected(worked)
    seconds = time.monotonic() - started
    records = []
    for step in steps:
        own = [entry for entry in entries if entry.step == step.name]
        records.append(folder.finish(step, own, rows_in, seconds / len(steps)))
        rows_in = records[-1].rows_out
    return records


def run_step(step: PlannedStep, machine: Machine) -> StepRecord:
    """Runs one step that is no map step.

    Raises:
        SynthError: What a worker raised, as it raised it, with the step's name.
        EngineError: If Ray itself gave up.
    """
    started = time.monotonic()
    rows_in = machine.folder.rows_out(machine.folder.plan.table(step.reads))
    with in_step(step.name), our_errors():
        entries = _entries(step, rows_in, machine) if rows_in else []
    return machine.folder.finish(step, entries, rows_in, time.monotonic() - started)


def _entries(step: PlannedStep, rows_in: int, machine: Machine) -> list[Entry]:
    small = rows_in <= machine.placement.in_process_rows
    match step.step:
        case Generate() if small:
            return generated_here(step, rows_in, machine)
        case Generate():
            return _written(step, generated(step, rows_in, machine), machine)
        case EncodeStep() if small:
            return encoded_here(step, step.step, machine)
        case EncodeStep():
            return _written(step, encoded(step, step.step, machine), machine)
        case CorpusStep() if small and _fits(step.step, machine):
            return _whole_here(step, step.step, machine)
        case CorpusStep():
            return _written(step, _applied(step, step.step, machine), machine, count=True)
        case _:
            raise TypeError(f"{step.name} is a map step")


def _written(
    step: PlannedStep, worked: Dataset, machine: Machine, *, count: bool = False
) -> list[Entry]:
    """Runs the pipeline to its end; the entries of the parts that it wrote."""
    return _collected(
        worked.map_batches(
            write,
            fn_args=(machine.target(step), machine.meter if count else None),
            batch_size=PART_ROWS,
            batch_format="pyarrow",
            num_cpus=0.5,
        )
    )


def _applied(step: PlannedStep, declared: CorpusStep, machine: Machine) -> Dataset:
    folder = machine.folder
    tables = {name: folder.dataset(folder.plan.table(name)) for name in declared.second_tables()}
    return declared.apply(folder.dataset(folder.plan.table(step.reads)), tables)


def _fits(declared: CorpusStep, machine: Machine) -> bool:
    """Whether a corpus step's second tables are small enough for this process too."""
    folder, most = machine.folder, machine.placement.in_process_rows
    counts = [folder.rows_out(folder.plan.table(name)) for name in declared.second_tables()]
    return all(count <= most for count in counts)


def _whole_here(step: PlannedStep, declared: CorpusStep, machine: Machine) -> list[Entry]:
    """A corpus step on few rows, in this process: Ray would take longer to start its workers."""
    folder = machine.folder
    tables = [
        folder.live_rows(folder.plan.table(name)).select([field.name for field in fields])
        for name, fields in declared.second_tables().items()
    ]
    done = in_order(declared, folder.live_rows(folder.plan.table(step.reads)), *tables)
    machine.meter.rows.remote(step.name, done.num_rows)
    return [write_part(done, machine.target(step))]


def _collected(dataset: Dataset) -> list[Entry]:
    """Runs the pipeline; the ledger entries of all its parts."""
    return [Entry.from_json(row["entry"]) for row in dataset.iter_rows()]
