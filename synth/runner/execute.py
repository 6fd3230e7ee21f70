"""Runs one step on Ray Data: its rows are read, worked on, and written by workers."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
from ray.data import ActorPoolStrategy

from synth.core.step import CorpusStep, EncodeStep, MapStep
from synth.engines.identity import label
from synth.engines.specs import ModelSpec
from synth.inputs.tables import read_tables
from synth.manifest import StepRecord
from synth.plan import PlannedSource, PlannedStep
from synth.runner.asking import Asker, AskJob
from synth.runner.engines import EnginePool, Placement
from synth.runner.feeding import ask_all
from synth.runner.folder import RunFolder
from synth.runner.meter import MeterHandle
from synth.runner.raised import our_errors
from synth.runner.work import (
    EncodeJob,
    Entry,
    Target,
    apply_maps,
    encode,
    write,
    write_part,
)
from synth.steps import Generate
from synth.steps.whole import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray.data import Dataset

# Rows of one Parquet part.
_PART_ROWS = 16_384
# Rows of a batch that goes to a model: Ray Data costs some 10 ms a batch, so not too few; a batch
# is the unit that a lost worker repeats (from stored replies), so not too many.
_MOST_BATCH_ROWS, _FEWEST_BATCH_ROWS = 256, 8
# Rows of a batch that goes to an encoder, which cuts it into batches of its own.
_ENCODE_ROWS = 1024
# Batches at work at once in one asker hold this many times the requests that may be under way, and
# one batch more: while a reply takes eight times the mean, its batch waits and the others feed the
# model. With 2.5, 1,000 rows of which a tenth took ten times as long took 1.6 times as long.
_FEED = 8


@dataclass(frozen=True)
class Machine:
    """What running a step takes.

    Attributes:
        folder: The run's folder.
        pool: The engines.
        placement: How many of them.
        meter: Gets counts.
    """

    folder: RunFolder
    pool: EnginePool
    placement: Placement
    meter: MeterHandle


def run_source(source: PlannedSource, machine: Machine, limit: int | None) -> StepRecord:
    """Reads a source and writes its rows with their ids; in this process, batch by batch."""
    started = time.monotonic()
    plan, folder = machine.folder.plan, machine.folder
    target = Target(source.name, folder.step(source), source.schema)
    entries = []
    rows_in = 0
    tables = read_tables(source.spec, plan.recipe.base, limit)
    for part in _gathered(tables, _PART_ROWS):
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
        pairs.append((step.step, Target(step.name, folder.step(step), step.schema)))
    if rows_in <= machine.placement.in_process_rows:
        entries = Entry.of(apply_maps(folder.live_rows(table), pairs, machine.meter))
    else:
        worked = folder.dataset(table).map_batches(
            apply_maps,
            fn_args=(pairs, machine.meter),
            batch_size=_PART_ROWS,
            batch_format="pyarrow",
        )
        entries = _collected(worked)
    seconds = time.monotonic() - started
    records = []
    for step in steps:
        own = [entry for entry in entries if entry.step == step.name]
        records.append(folder.finish(step, own, rows_in, seconds / len(steps)))
        rows_in = records[-1].rows_out
    return records


def run_step(step: PlannedStep, machine: Machine) -> StepRecord:
    """Runs one step that is no map step."""
    started = time.monotonic()
    folder = machine.folder
    rows_in = folder.rows_out(folder.plan.table(step.reads))
    entries: list[Entry] = []
    if rows_in:
        small = rows_in <= machine.placement.in_process_rows
        match step.step:
            case Generate() if small:
                entries = _generated_here(step, rows_in, machine)
            case Generate():
                entries = _written(step, _generated(step, rows_in, machine), machine)
            case EncodeStep() if small:
                entries = _encoded_here(step, step.step, machine)
            case EncodeStep():
                entries = _written(step, _encoded(step, step.step, machine), machine)
            case CorpusStep() if small and _fits(step.step, machine):
                entries = _whole_here(step, step.step, machine)
            case CorpusStep():
                entries = _written(step, _applied(step, step.step, machine), machine, count=True)
            case _:
                raise TypeError(f"{step.name} is a map step")
    return folder.finish(step, entries, rows_in, time.monotonic() - started)


def _target(step: PlannedStep, machine: Machine) -> Target:
    return Target(step.name, machine.folder.step(step), step.schema)


def _written(
    step: PlannedStep, worked: Dataset, machine: Machine, *, count: bool = False
) -> list[Entry]:
    """Runs the pipeline to its end; the entries of the parts that it wrote."""
    return _collected(
        worked.map_batches(
            write,
            fn_args=(_target(step, machine), machine.meter if count else None),
            batch_size=_PART_ROWS,
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
    return [write_part(done, _target(step, machine))]


@dataclass(frozen=True)
class _Feed:
    """How a generate step's rows are brought to its workers.

    Attributes:
        job: What every worker is given; there are as many as its widest model has engines.
        batch_rows: Rows of a batch.
        batches: Batches under way in each worker.
    """

    job: AskJob
    batch_rows: int
    batches: int


def _feed(step: PlannedStep, rows_in: int, machine: Machine) -> _Feed:
    placement = machine.placement
    if step.generation is None:
        raise TypeError(f"{step.name} has no generation")
    specs = _specs(step, machine)
    askers = max(placement.engines_of(name) for name in specs)
    job = AskJob(
        step.generation,
        specs,
        machine.pool.actors(step.models),
        machine.folder.replies(step.name),
        machine.meter,
        askers,
    )
    in_flight = sum(int(getattr(spec, "max_in_flight", 1)) for spec in specs.values())
    batch_rows = placement.batch_rows or _batch_rows(rows_in, askers)
    asked_rows = batch_rows * step.generation.step.n
    return _Feed(job, batch_rows, 1 + math.ceil(_FEED * in_flight / asked_rows))


def _generated(step: PlannedStep, rows_in: int, machine: Machine) -> Dataset:
    """A generate step's rows, which Ray Data brings to its workers."""
    folder, feed = machine.folder, _feed(step, rows_in, machine)
    return folder.dataset(folder.plan.table(step.reads), feed.batch_rows).map_batches(
        Asker,
        fn_constructor_args=(feed.job,),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=0,
        compute=ActorPoolStrategy(
            size=feed.job.askers,
            max_tasks_in_flight_per_actor=feed.batches,
            max_concurrent_calls_per_actor=feed.batches,
            enable_true_multi_threading=True,
        ),
    )


def _generated_here(step: PlannedStep, rows_in: int, machine: Machine) -> list[Entry]:
    """A generate step on few rows, which this process brings to its workers."""
    feed = _feed(step, rows_in, machine)
    table = machine.folder.live_rows(machine.folder.plan.table(step.reads))
    size = feed.batch_rows
    batches = [table.slice(at, size) for at in range(0, table.num_rows, size)]
    with our_errors():
        parts = ask_all(feed.job, batches, feed.batches)
    done, target = pa.concat_tables(parts, promote_options="permissive"), _target(step, machine)
    return [
        write_part(done.slice(at, _PART_ROWS), target) for at in range(0, done.num_rows, _PART_ROWS)
    ]


def _batch_rows(rows_in: int, askers: int) -> int:
    """Rows of a batch: small enough that every asker gets several."""
    return max(_FEWEST_BATCH_ROWS, min(_MOST_BATCH_ROWS, rows_in // (8 * askers)))


def _encode_job(step: PlannedStep, declared: EncodeStep, machine: Machine) -> EncodeJob:
    spec = _specs(step, machine)[declared.model]
    actors = machine.pool.actors(step.models)[declared.model]
    return EncodeJob(declared, step.name, spec, label(spec), actors, machine.meter)


def _encoded(step: PlannedStep, declared: EncodeStep, machine: Machine) -> Dataset:
    job = _encode_job(step, declared, machine)
    rows = machine.placement.batch_rows or _ENCODE_ROWS
    return machine.folder.dataset(machine.folder.plan.table(step.reads), rows).map_batches(
        encode,
        fn_args=(job,),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=0.5 if job.actors else 1,
    )


def _encoded_here(step: PlannedStep, declared: EncodeStep, machine: Machine) -> list[Entry]:
    """An encode step on few rows: the model has a process of its own, its rows need none."""
    job = _encode_job(step, declared, machine)
    table = machine.folder.live_rows(machine.folder.plan.table(step.reads))
    rows = machine.placement.batch_rows or _ENCODE_ROWS
    batches = [table.slice(at, rows) for at in range(0, table.num_rows, rows)]
    done = pa.concat_tables([encode(batch, job) for batch in batches])
    return [write_part(done, _target(step, machine))]


def _specs(step: PlannedStep, machine: Machine) -> dict[str, ModelSpec]:
    return {name: machine.folder.plan.recipe.models[name] for name in step.models}


def _collected(dataset: Dataset) -> list[Entry]:
    """Runs the pipeline; the ledger entries of all its parts.

    Raises:
        SynthError: What a worker raised, as it raised it.
        EngineError: If Ray itself gave up.
    """
    with our_errors():
        return [Entry.from_json(row["entry"]) for row in dataset.iter_rows()]
