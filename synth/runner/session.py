"""Runs a recipe from its source to its dataset, and goes on where an earlier run ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import ray
from rich.console import Console

from synth.core.errors import RecipeError, RunStopped, StorageError
from synth.core.step import MapStep
from synth.engines.specs import OpenAISpec
from synth.manifest import StepRecord
from synth.plan import Plan, PlannedSource, PlannedStep, make_plan
from synth.recipe import EXPORT, Recipe, load_recipe
from synth.runner.cluster import chatter_to, check_shared, real_output, start_ray
from synth.runner.display import Display
from synth.runner.engines import EnginePool, Placement
from synth.runner.execute import Machine, run_maps, run_source, run_step
from synth.runner.exporting import export_all
from synth.runner.folder import LOGS, RunFolder
from synth.runner.lock import RunLock
from synth.runner.meter import start_meter

if TYPE_CHECKING:
    from synth.view import Run


@dataclass(frozen=True)
class Budget:
    """When a run stops early, so that it can be gone on with.

    Attributes:
        max_tokens_total: Prompt and output tokens that this call may spend.
        max_minutes: Minutes that this call may take.
    """

    max_tokens_total: int | None = None
    max_minutes: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        path: The run's folder; `datasets.load_dataset` opens it.
        records: Ledger of sources, steps and exports in order.
    """

    path: str
    records: tuple[StepRecord, ...]

    def open(self) -> Run:
        """The run, to look at."""
        from synth.view import open_run

        return open_run(self.path)


def run(
    recipe: Recipe | str,
    *,
    out: str = "outputs",
    limit: int | None = None,
    placement: Placement | None = None,
    budget: Budget | None = None,
    restart_from: str | None = None,
    console: Console | None = None,
) -> Outcome:
    """Runs a recipe; what an earlier run of the same recipe finished is used as it is.

    Args:
        recipe: The recipe, or its name or path.
        out: Folder of all runs, on any filesystem that fsspec reaches.
        limit: Read at most so many records of the main source. Such a run has a folder of its own.
        placement: Where and how wide.
        budget: When to stop early.
        restart_from: Do this step and all after it again.
        console: Where progress is shown; standard output when left out.

    Raises:
        RecipeError: If the recipe or an argument is wrong.
        SourceError: If a source cannot be read.
        EngineError: If a model cannot be started or dies for good.
        DriftError: If the folder holds rows of another recipe.
        StorageError: If the folder cannot be written, or another run is writing it.
        RunStopped: If the budget was used up or the user stopped it; run again to go on.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    plan = make_plan(recipe, limit)
    # Workers have working directories of their own.
    folder = RunFolder(plan, out if "://" in out else str(Path(out).expanduser().absolute()))
    placement = placement or Placement()
    _check_placement(plan, placement)
    _check_restart(plan, restart_from)
    folder.root.make()
    with RunLock(folder.root):
        if restart_from is not None:
            folder.remove_from(restart_from)
        folder.check_drift()
        folder.describe()
        if _is_finished(folder):
            records = _finished_records(folder)
            return Outcome(folder.root.url, (*records, *_exported(folder)))
        return _on_ray(
            folder, placement, budget or Budget(), console or Console(file=real_output())
        )


def _check_placement(plan: Plan, placement: Placement) -> None:
    known = plan.recipe.models
    for flag, given in (
        ("--engines", placement.engines),
        ("--gpus-per-engine", placement.gpus_per_engine),
    ):
        unknown = [name for name in given if name and name not in known]
        if unknown:
            raise RecipeError(
                f"{flag} names model {unknown[0]!r}; the recipe has {', '.join(known)}"
            )


def _check_restart(plan: Plan, restart_from: str | None) -> None:
    names = [*(one.name for one in plan.tables), EXPORT]
    if restart_from is not None and restart_from not in names:
        raise RecipeError(
            f"--restart-from names {restart_from!r}, which is no step; there are {', '.join(names)}"
        )


def _finished_records(folder: RunFolder) -> list[StepRecord]:
    tables = folder.plan.tables
    return [record for table in tables if (record := folder.record(table)) is not None]


def _exported(folder: RunFolder) -> list[StepRecord]:
    specs = [spec for spec, _ in folder.plan.exports]
    return [record for spec in specs if (record := folder.export_record(spec.name)) is not None]


def _unfinished(folder: RunFolder) -> list[PlannedStep]:
    return [step for step in folder.plan.steps if folder.record(step) is None]


def _is_finished(folder: RunFolder) -> bool:
    plan = folder.plan
    steps = len(plan.sources) + len(plan.steps)
    done = len(_finished_records(folder)) == steps and len(_exported(folder)) == len(plan.exports)
    return done and folder.root.exists("README.md")


def _on_ray(folder: RunFolder, placement: Placement, budget: Budget, console: Console) -> Outcome:
    with _log(folder):
        _check_servers(folder.plan)
        ours = start_ray(placement.address)
        try:
            check_shared(folder.root)
            deadline_s = None if budget.max_minutes is None else budget.max_minutes * 60
            meter = start_meter(budget.max_tokens_total, deadline_s)
            pool = EnginePool(folder.plan.recipe.models, placement, meter)
            machine = Machine(folder, pool, placement, meter)
            pool.prepare([name for one in _unfinished(folder) for name in one.models])
            names = [one.name for one in folder.plan.tables]
            with _stop_on_interrupt(meter, console), Display(console, names, meter) as display:
                _run_all(machine, display)
                exported = export_all(folder)
            pool.release([])
            return Outcome(folder.root.url, (*_finished_records(folder), *exported))
        finally:
            if ours:
                ray.shutdown()


@contextlib.contextmanager
def _log(folder: RunFolder) -> Iterator[None]:
    """Sends the chatter of Ray and vLLM into the run, where it is on this machine."""
    if not folder.root.is_local:
        name = folder.root.root.replace("/", "-").strip("-")
        path = Path.home() / ".cache" / "synth" / "logs" / name / "run.log"
    else:
        path = Path(folder.root.path(LOGS)) / "run.log"
    try:
        with chatter_to(path):
            yield
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}") from error


def _check_servers(plan: Plan) -> None:
    """Asks every server that the steps need whether it is there, before anything is paid for."""
    used = {name for step in plan.steps for name in step.models}
    for name in sorted(used):
        spec = plan.recipe.models[name]
        if isinstance(spec, OpenAISpec):
            asyncio.run(_check_server(spec))


async def _check_server(spec: OpenAISpec) -> None:
    from synth.engines.openai import ServerModel

    server = ServerModel(spec)
    try:
        await server.check()
    finally:
        await server.close()


def _run_all(machine: Machine, display: Display) -> None:
    plan, folder = machine.folder.plan, machine.folder
    for source in plan.sources:
        record = folder.record(source)
        if record is None:
            display.started([source.name], None)
            display.finished(run_source(source, machine, _limit(plan, source)))
        else:
            display.finished(record, reused=True)
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
    reason = ray.get(machine.meter.reason_to_stop.remote())
    if reason is not None:
        raise RunStopped(reason)
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


@contextlib.contextmanager
def _stop_on_interrupt(meter: Any, console: Console) -> Iterator[None]:  # noqa: ANN401
    """Ctrl-C once finishes what is under way; twice stops now. Both leave a run to go on with."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def asked(_number: int, _frame: FrameType | None) -> None:
        console.print("stopping: what is under way is finished first; Ctrl-C again stops at once")
        meter.stop.remote("stopped by Ctrl-C")
        signal.signal(signal.SIGINT, at_once)

    def at_once(_number: int, _frame: FrameType | None) -> None:
        console.print("stopped; the same command goes on from here")
        os._exit(130)  # Ray ends its workers when this process is gone

    signal.signal(signal.SIGINT, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
