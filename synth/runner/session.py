"""Runs a recipe from its source to its dataset, and goes on where an earlier run ended."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ray
from rich.console import Console

from synth.core.errors import RecipeError
from synth.core.paths import user_path
from synth.engines.bundled import cache_folder
from synth.engines.specs import OF_THE_RECIPE, OpenAISpec
from synth.manifest import StepRecord
from synth.plan import Plan, make_plan
from synth.recipe import EXPORT, SOURCE, Recipe, load_recipe
from synth.runner.cluster import chatter_to, check_shared, real_output, start_ray
from synth.runner.display import Display
from synth.runner.engines import EnginePool, Placement
from synth.runner.exporting import export_all
from synth.runner.folder import LOGS, RunFolder
from synth.runner.interrupt import stop_on_interrupt
from synth.runner.lock import RunLock
from synth.runner.machine import Machine
from synth.runner.meter import MeterHandle, start_meter
from synth.runner.pipeline import run_steps

if TYPE_CHECKING:
    from synth.view import Run


# The first round of a run with a target shows how many rows survive; it is small, for its rows may
# turn out to be more than enough.
_FIRST_ROUND_ROWS, _FIRST_ROUND_SHARE = 16, 0.125
# Each round aims a little beyond the target, and trusts the share seen so far only so far.
_SAFETY, _MOST_GROWTH = 1.05, 8


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


def run(  # noqa: PLR0913  (each is a choice of the caller's)
    recipe: Recipe | str,
    *,
    out: str = "outputs",
    limit: int | None = None,
    target_rows: int | None = None,
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
        target_rows: Read only as much of the main source as it takes to export so many rows. Such
            a run has a folder of its own too.
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
    with real_output() as output:
        job = _Job(
            recipe,
            # Workers have working directories of their own.
            out if "://" in out else str(user_path(out).absolute()),
            placement or Placement(),
            budget or Budget(),
            console or Console(file=output, soft_wrap=True),
        )
        if target_rows is None:
            folder = RunFolder(make_plan(recipe, limit), job.out)
            with ExitStack() as opened:
                return _run_once(_Backend(job, opened), folder, restart_from)
        if limit is not None:
            raise RecipeError("--limit and --target-rows exclude each other; give one of them")
        with ExitStack() as opened:
            backend = _Backend(job, opened, keeps_engines=True)
            return _run_until(backend, target_rows, restart_from)


@dataclass(frozen=True)
class _Job:
    """What one call of `run` is about."""

    recipe: Recipe
    out: str
    placement: Placement
    budget: Budget
    console: Console


class _Backend:
    """Ray, the meter and the engines: started when a step must be run, kept between rounds.

    Args:
        job: What it is for.
        opened: Ends what is started here.
        keeps_engines: Whether engines stay after the last step that needs them.
    """

    def __init__(self, job: _Job, opened: ExitStack, *, keeps_engines: bool = False) -> None:
        self.job = job
        self._keeps_engines = keeps_engines
        self._opened = opened
        self._meter: MeterHandle | None = None
        self._pool: EnginePool | None = None

    def machine(self, folder: RunFolder) -> Machine:
        """What running the steps of a folder takes."""
        job = self.job
        if self._meter is None or self._pool is None:
            log = _log_file(folder)
            job.console.print(f"run: {folder.root.url}, log: {log}", highlight=False)
            self._opened.enter_context(chatter_to(log))
            _check_servers(folder.plan)
            if start_ray(job.placement.address):
                self._opened.callback(ray.shutdown)
            check_shared(folder.root)
            minutes = job.budget.max_minutes
            allowed_s = None if minutes is None else minutes * 60
            self._meter = start_meter(job.budget.max_tokens_total, allowed_s)
            self._pool = EnginePool(
                folder.plan.recipe.models, job.placement, self._meter, lasting=self._keeps_engines
            )
            self._opened.callback(self._pool.stop)
            self._opened.enter_context(stop_on_interrupt(self._meter, job.console))
        return Machine(folder, self._pool, job.placement, self._meter)


def _run_once(backend: _Backend, folder: RunFolder, restart_from: str | None) -> Outcome:
    """One run over the plan's part of the source."""
    job = backend.job
    _check_placement(folder.plan, job.placement)
    _check_restart(folder.plan, restart_from)
    folder.root.make()
    with RunLock(folder.root):
        if restart_from is not None:
            folder.remove_from(restart_from)
        folder.check_drift()
        told_anew = folder.describe()
        if not _is_finished(folder):
            machine = backend.machine(folder)
            names = [one.name for one in folder.plan.tables]
            with Display(job.console, names, machine.meter) as display:
                run_steps(machine, display)
                export_all(folder)
        else:
            job.console.print("finished earlier by the same recipe: nothing is run again")
            if told_anew:  # what the card says may have changed, which changes no row
                export_all(folder)
        return Outcome(folder.root.url, (*_finished_records(folder), *_exported(folder)))


def _run_until(backend: _Backend, target_rows: int, restart_from: str | None) -> Outcome:
    """Runs over more and more of the source until so many rows are exported.

    Each round reads a longer part of the source; replies of earlier rounds are in the store, so
    that no request is paid for twice. The result is that of one run with the last round's limit.
    """
    job, name = backend.job, f"target-{target_rows}"
    limit = RunFolder.limit_of(job.out, job.recipe, name) or max(
        _FIRST_ROUND_ROWS, math.ceil(target_rows * _FIRST_ROUND_SHARE)
    )
    while True:
        outcome = _run_once(
            backend, RunFolder(make_plan(job.recipe, limit), job.out, name), restart_from
        )
        source = outcome.records[0]
        survived = next(one.rows_out for one in outcome.records if one.name == EXPORT)
        if survived >= target_rows or source.rows_in < limit:
            return outcome
        wanted = math.ceil(limit * target_rows / max(1, survived) * _SAFETY)
        limit = max(limit + 1, min(wanted, limit * _MOST_GROWTH))
        job.console.print(
            f"{survived:,} of {target_rows:,} rows so far; going on with {limit:,} records"
        )
        restart_from = SOURCE


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
    taken = sorted(placement.engine_args.keys() & OF_THE_RECIPE)
    if taken:
        raise RecipeError(
            f"--engine-arg names {taken[0]!r}, which can change rows; write it into the recipe's "
            "model, so that replies to another model are never taken for its own"
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


def _is_finished(folder: RunFolder) -> bool:
    plan = folder.plan
    steps = len(plan.sources) + len(plan.steps)
    done = len(_finished_records(folder)) == steps and len(_exported(folder)) == len(plan.exports)
    return done and folder.root.exists("README.md")


def _log_file(folder: RunFolder) -> Path:
    """Where the chatter of Ray and vLLM goes: into the run, where that is on this machine."""
    if folder.root.is_local:
        return Path(folder.root.path(LOGS)) / "run.log"
    name = folder.root.root.replace("/", "-").strip("-")
    return cache_folder() / "logs" / name / "run.log"


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
