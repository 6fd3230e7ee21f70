"""How the rows of a step that asks a model are brought to it, on Ray Data or in this process."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from ray.data import ActorPoolStrategy

from synth.core.step import EncodeStep
from synth.engines.identity import label
from synth.plan import PlannedStep
from synth.runner.asking import Asker, AskJob
from synth.runner.feeding import ask_all
from synth.runner.machine import PART_ROWS, Machine
from synth.runner.work import EncodeJob, Entry, encode, write_part

if TYPE_CHECKING:
    from ray.data import Dataset

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
    specs = machine.specs(step)
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


def generated(step: PlannedStep, rows_in: int, machine: Machine) -> Dataset:
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


def generated_here(step: PlannedStep, rows_in: int, machine: Machine) -> list[Entry]:
    """A generate step on few rows, which this process brings to its workers."""
    feed = _feed(step, rows_in, machine)
    table = machine.folder.live_rows(machine.folder.plan.table(step.reads))
    size = feed.batch_rows
    batches = [table.slice(at, size) for at in range(0, table.num_rows, size)]
    parts = ask_all(feed.job, batches, feed.batches)
    done, target = pa.concat_tables(parts, promote_options="permissive"), machine.target(step)
    return [
        write_part(done.slice(at, PART_ROWS), target) for at in range(0, done.num_rows, PART_ROWS)
    ]


def _batch_rows(rows_in: int, askers: int) -> int:
    """Rows of a batch: small enough that every asker gets several."""
    return max(_FEWEST_BATCH_ROWS, min(_MOST_BATCH_ROWS, rows_in // (8 * askers)))


def _encode_job(step: PlannedStep, declared: EncodeStep, machine: Machine) -> EncodeJob:
    spec = machine.specs(step)[declared.model]
    actors = machine.pool.actors(step.models)[declared.model]
    return EncodeJob(declared, step.name, spec, label(spec), actors, machine.meter)


def encoded(step: PlannedStep, declared: EncodeStep, machine: Machine) -> Dataset:
    """An encode step's rows, which Ray Data brings to the encoders."""
    job = _encode_job(step, declared, machine)
    rows = machine.placement.batch_rows or _ENCODE_ROWS
    return machine.folder.dataset(machine.folder.plan.table(step.reads), rows).map_batches(
        encode,
        fn_args=(job,),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=0.5 if job.actors else 1,
    )


def encoded_here(step: PlannedStep, declared: EncodeStep, machine: Machine) -> list[Entry]:
    """An encode step on few rows: the model has a process of its own, its rows need none."""
    job = _encode_job(step, declared, machine)
    table = machine.folder.live_rows(machine.folder.plan.table(step.reads))
    rows = machine.placement.batch_rows or _ENCODE_ROWS
    batches = [table.slice(at, rows) for at in range(0, table.num_rows, rows)]
    done = pa.concat_tables([encode(batch, job) for batch in batches])
    return [write_part(done, machine.target(step))]
