"""The commands `check` and `run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from synth.cli.common import Debug, Limit, Out, app, sentences
from synth.cli.placing import (
    BatchRows,
    EngineArgs,
    Engines,
    GpusPerEngine,
    RayAddress,
    placement_of,
)

if TYPE_CHECKING:
    from synth.estimate import StepEstimate
    from synth.manifest import StepRecord
    from synth.plan import Plan


@app.command()
def check(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or path of a file.")],
    limit: Limit = None,
    out: Out = "outputs",
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Prove that a recipe can run and show what it will do; loads no model."""
    with sentences(debug=debug):
        from synth.estimate import estimate
        from synth.plan import make_plan
        from synth.recipe import load_recipe

        plan = make_plan(load_recipe(recipe), limit)
        _print_plan(plan, estimate(plan, out))


def _print_plan(plan: Plan, estimates: list[StepEstimate]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"[bold]{plan.recipe.name}[/bold], version {plan.recipe.version}")
    for source in plan.sources:
        columns = ", ".join(name for name in source.schema.names if name != "drop_reason")
        console.print(f"   {source.name}  [dim]{source.spec.kind}, gives {columns}[/dim]")
    for one in estimates:
        step = one.step
        models = f" by {', '.join(step.models)}" if step.models else ""
        rows = "" if one.rows is None else f" (at most {one.rows:,} rows)"
        cost = "" if not one.requests else f", {one.requests:,} requests"
        kind = f"{step.step.kind}{models}, from {step.reads}{rows}{cost}"
        console.print(f"{step.number:2} [bold]{step.name}[/bold]  {kind}")
        bound = step.generation or step.step
        reads = ", ".join(field.name for field in bound.needs()) or "ids alone"
        adds = ", ".join(field.name for field in bound.adds()) or "nothing"
        console.print(f"   [dim]reads {reads}; adds {adds}[/dim]")
    for spec, reads in plan.exports:
        splits = ", ".join(spec.splits)
        console.print(f"   export  {spec.format}, from {reads}, into {splits}")
    requests = sum(one.requests or 0 for one in estimates)
    stored = sum(one.stored for one in estimates)
    prompt = sum(one.prompt_tokens or 0 for one in estimates)
    output = sum(one.output_tokens or 0 for one in estimates)
    unknown = any(one.requests is None for one in estimates)
    console.print(
        f"The recipe is sound. At most {requests:,} requests (before any is asked again), about "
        f"{prompt:,} prompt tokens and {output:,} output tokens"
        f"{', besides steps whose rows no one knows yet' if unknown else ''}. "
        f"{stored:,} replies of earlier runs are in the store.",
        highlight=False,
    )


@app.command()
def run(  # noqa: PLR0913  (each is a flag)
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or path of a file.")],
    limit: Limit = None,
    out: Out = "outputs",
    engines: Engines = "1",
    gpus_per_engine: GpusPerEngine = "0",
    engine_arg: EngineArgs = None,
    ray_address: RayAddress = None,
    batch_rows: BatchRows = None,
    target_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Read only as much as it takes to export so many rows."),
    ] = None,
    max_tokens_total: Annotated[
        int | None, typer.Option(min=1, help="Stop, resumable, after so many tokens.")
    ] = None,
    max_minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop, resumable, after so many minutes.")
    ] = None,
    restart_from: Annotated[
        str | None, typer.Option(help="Do this step and all after it again.")
    ] = None,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Run a recipe to its dataset, or go on with a run that ended early."""
    with sentences(debug=debug):
        from synth.runner import Budget
        from synth.runner import run as run_recipe

        placement = placement_of(engines, gpus_per_engine, engine_arg, ray_address, batch_rows)
        outcome = run_recipe(
            recipe,
            out=out,
            limit=limit,
            target_rows=target_rows,
            placement=placement,
            budget=Budget(max_tokens_total, max_minutes),
            restart_from=restart_from,
        )
        _print_outcome(outcome.path, list(outcome.records))


def _print_outcome(path: str, records: list[StepRecord]) -> None:
    from synth.recipe import EXPORT
    from synth.terminal import render_ledger, render_rows
    from synth.view import open_run

    console, shown = Console(), open_run(path)
    console.print(render_ledger(shown))
    exports = [one for one in records if one.name.partition(" ")[0] == EXPORT]
    last = exports[0].reads
    console.print(render_rows(shown[last], 3))
    rows = ", ".join(f"{one.rows_out:,} rows ({one.kind})" for one in exports)
    here = str(Path.cwd())
    place = os.path.relpath(path) if path.startswith(here) else path
    console.print(f"dataset: {place}  —  {rows}", highlight=False, soft_wrap=True)
    if not any(one.rows_out for one in exports):
        console.print(_why_empty(records), highlight=False, soft_wrap=True)
        return
    console.print(f'load it: datasets.load_dataset("{place}")', highlight=False, soft_wrap=True)
    console.print(
        f"look at it: synth view {place} --step {last} -n 5", highlight=False, soft_wrap=True
    )


def _why_empty(records: list[StepRecord]) -> str:
    """Where the rows went that a dataset does not have."""
    lost = max(records, key=lambda record: record.rows_dropped)
    if not lost.rows_dropped:
        return "the dataset is empty: the source has no rows"
    reason, count = max(lost.dropped.items(), key=lambda one: one[1])
    return (
        f"the dataset is empty: {lost.name} dropped {lost.rows_dropped:,} of {lost.rows_in:,} "
        f"rows, {count:,} of them as {reason}; mend the recipe where that comes from"
    )
