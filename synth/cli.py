"""The command line: check, run, view, and lists of what ships."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast, get_args

import typer
from rich.console import Console

from synth.core.errors import RecipeError, RunStopped, SynthError

if TYPE_CHECKING:
    from synth.estimate import StepEstimate
    from synth.manifest import StepRecord
    from synth.plan import Plan

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Turn documents and open-weight LLMs into training data that can be trusted.",
)
T = TypeVar("T")
_FAILED, _STOPPED = 1, 3

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Read at most N records; a run with a folder of its own."),
]
Out = Annotated[str, typer.Option("--out", help="Folder of all runs, on any filesystem.")]


@contextmanager
def _sentences(*, debug: bool) -> Iterator[None]:
    """Turns our errors into one sentence, unless the traceback is asked for."""
    console = Console(stderr=True, soft_wrap=True)
    try:
        yield
    except RunStopped as error:
        console.print(f"Stopped: {error}. The same command goes on from here.", highlight=False)
        raise typer.Exit(_STOPPED) from error
    except SynthError as error:
        if debug:
            raise
        console.print("[red]Error:[/red]", end=" ")
        console.print(str(error), markup=False, highlight=False)
        raise typer.Exit(_FAILED) from error
    except BrokenPipeError:
        # Whoever reads us has gone: nobody is left to be told.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def check(
    recipe: Annotated[str, typer.Argument(help="Name of a shipped recipe, or path of a file.")],
    limit: Limit = None,
    out: Out = "outputs",
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Prove that a recipe can run and show what it will do; loads no model."""
    with _sentences(debug=debug):
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
        rows = "" if one.rows is None else f", at most {one.rows:,} rows"
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
    engines: Annotated[
        str, typer.Option(help="Engines of each model: N, or writer=4,judge=1.")
    ] = "1",
    gpus_per_engine: Annotated[
        str, typer.Option(help="GPUs of each engine: X, or writer=2,encoder=0.5.")
    ] = "0",
    engine_arg: Annotated[
        list[str] | None,
        typer.Option(help="Handed to vLLM: tensor_parallel_size=2; may be given several times."),
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; without it Ray starts here.")
    ] = None,
    batch_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of a batch; changes no row of the result.")
    ] = None,
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
    with _sentences(debug=debug):
        from synth.runner import Budget, Placement
        from synth.runner import run as run_recipe

        placement = Placement(
            engines=_by_model("--engines", engines, _whole),
            gpus_per_engine=_by_model("--gpus-per-engine", gpus_per_engine, _share),
            engine_args=dict(_argument(text) for text in engine_arg or ()),
            batch_rows=batch_rows,
            address=ray_address,
        )
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


def _by_model(flag: str, text: str, read: Callable[[str], T]) -> dict[str, T]:
    """``4`` as ``{"": 4}``, ``a=4,b=1`` by model."""
    found: dict[str, T] = {}
    for item in text.split(","):
        name, sign, value = item.rpartition("=")
        try:
            found[name.strip() if sign else ""] = read(value)
        except ValueError as error:
            raise RecipeError(
                f"{flag} got {text!r}; give one number, or model=number separated by commas"
            ) from error
    return found


def _whole(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1024:
        raise ValueError(text)
    return number


def _argument(text: str) -> tuple[str, str | int | float | bool]:
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise RecipeError(f"--engine-arg got {text!r}; give name=value, as vLLM calls it")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    for number in (int, float):
        try:
            return name, number(value)
        except ValueError:
            continue
    return name, value


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
    console.print(f'load it: datasets.load_dataset("{place}")', highlight=False, soft_wrap=True)
    console.print(
        f"look at it: synth view {place} --step {last} -n 5", highlight=False, soft_wrap=True
    )


@app.command()
def view(
    run: Annotated[str, typer.Argument(help="Folder of a run.")],
    step: Annotated[str | None, typer.Option(help="Show rows of this step.")] = None,
    dropped: Annotated[bool, typer.Option("--dropped", help="Show the rows it dropped.")] = False,  # noqa: FBT002
    why: Annotated[str | None, typer.Option(help="Walk this id back to its source.")] = None,
    number: Annotated[int, typer.Option("-n", min=1, help="How many rows.")] = 5,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Look at a run: its ledger, rows of a step, dropped rows, or the history of one row."""
    with _sentences(debug=debug):
        from synth.terminal import render_ledger, render_rows, render_why
        from synth.view import open_run

        console, opened = Console(), open_run(run)
        if why is not None:
            console.print(render_why(opened.why(why)))
            return
        if step is None:
            console.print(render_ledger(opened))
            if not dropped:
                return
        for name in [step] if step else opened.steps:
            if step or opened[name].record.rows_dropped:
                console.print(render_rows(opened[name], number, dropped=dropped))


@app.command()
def dedup_index(  # noqa: PLR0913  (each is a flag)
    source: Annotated[str, typer.Argument(help="Parquet, JSON Lines or text: file, folder, glob.")],
    out: Annotated[str, typer.Option("--out", help="Folder of the index; made, or added to.")],
    column: Annotated[str, typer.Option(help="The field that has the text.")] = "text",
    id_column: Annotated[
        str | None, typer.Option("--id", help="The field that has the id; else made from content.")
    ] = None,
    ngram: Annotated[int, typer.Option(min=1, help="Words or characters in a shingle.")] = 5,
    unit: Annotated[str, typer.Option(help="What a shingle is made of: word or char.")] = "word",
    num_perm: Annotated[int, typer.Option(min=2, help="Hash values in a signature.")] = 128,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Index a corpus, so that later runs drop what repeats it (minhash_dedup with `index`)."""
    with _sentences(debug=debug):
        from synth.algorithms.text import Unit
        from synth.indexing import DedupIndex, build_index, source_at
        from synth.inputs.files import Folder

        if unit not in get_args(Unit):
            raise RecipeError(f"--unit got {unit!r}; give {' or '.join(get_args(Unit))}")
        index = DedupIndex(Folder(out), num_perm, ngram, cast("Unit", unit))
        added = build_index(index, source_at(source, column, id_column))
        print(  # noqa: T201
            f"{out}: {added.texts:,} texts added, {added.known:,} were there, {added.unusable:,} "
            f"had no text; column {index.column.name}, {len(index):,} texts in all"
        )


@app.command()
def prompts(debug: Debug = False) -> None:  # noqa: FBT002  (a command-line flag)
    """List the prompts that ship, one line each."""
    with _sentences(debug=debug):
        from synth.inputs.prompts import load_prompt
        from synth.inputs.shipped import shipped_names

        for name in shipped_names("prompts"):
            head = load_prompt(name, Path.cwd()).head
            print(f"{name:24} {head.makes:10} {head.purpose}")  # noqa: T201


@app.command()
def recipes(debug: Debug = False) -> None:  # noqa: FBT002  (a command-line flag)
    """List the recipes that ship, one line each."""
    with _sentences(debug=debug):
        from synth.inputs.shipped import shipped_names
        from synth.recipe import load_recipe

        for name in shipped_names("recipes"):
            print(f"{name:24} {load_recipe(name).description}")  # noqa: T201


def main() -> None:
    """Entry point of the command `synth`."""
    app()
