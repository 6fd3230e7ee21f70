"""The steps of a plan in their order: what is finished is used, the rest is run."""

from __future__ import annotations

from collections.abc import Sequence

import ray

from synth.core.step import MapStep
from synth.plan import Plan, PlannedSource, PlannedStep
from synth.runner.display import Display
from synth.runner.execute import run_maps, run_source, run_step
from synth.runner.machine import Machine


def run_steps(machine: Machine, display: Display) -> None:
    """Runs every source and step that is not finished; an engine ends after its last.

    Raises:
        RunStopped: If the meter says so.
    """
    plan, folder = machine.folder.plan, machine.folder
    for source in plan.sources:
        record = folder.record(source)
        if record is None:
            display.started([source.name], None)
            display.finished(run_source(source, machine, _limit(plan, source)))
        else:
            display.finished(record, reused=True)
    # Not before every source has been read to its end: a bad line costs no start of an engine.
    unfinished = [step for step in plan.steps if folder.record(step) is None]
    machine.pool.prepare([name for step in unfinished for name in step.models])
    for group in _groups(plan.steps):
        todo = [step for step in group if folder.record(step) is None]
        for step in group:
            if step not in todo and (record := folder.record(step)) is not None:
                display.finished(record, reused=True)
        if todo:
            _run_group(todo, machine, display)
        later = [one for one in plan.steps if one.number > group[-1].number]
        machine.pool.release([name for one in later for name in one.models])


def _run_group(steps: Sequence[PlannedStep], machine: Machine, display: Display) -> None:
    if stop := ray.get(machine.meter.reason_to_stop.remote()):
        raise stop.error()
    record = machine.folder.record(machine.folder.plan.table(steps[0].reads))
    display.started([step.name for step in steps], record.rows_out if record else None)
    if isinstance(steps[0].step, MapStep):
        records = run_maps(steps, machine)
    else:
        records = [run_step(steps[0], machine)]
    for done in records:
        display.finished(done)


def _limit(plan: Plan, source: PlannedSource) -> int | None:
    return plan.limit if source is plan.sources[0] else None


def _groups(steps: Sequence[PlannedStep]) -> list[list[PlannedStep]]:
    """The steps, consecutive map steps of which each reads the one before it together."""
    groups: list[list[PlannedStep]] = []
    for step in steps:
        before = groups[-1][-1] if groups else None
        joins = (
            before is not None
            and isinstance(step.step, MapStep)
            and isinstance(before.step, MapStep)
            and step.reads == before.name
        )
        if joins:
            groups[-1].append(step)
        else:
            groups.append([step])
    return groups
