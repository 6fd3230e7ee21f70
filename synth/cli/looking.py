"""The commands that look at a run: `view`, `calibrate-margin` and `style-leak`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from synth.cli.common import Debug, RunPath, app, sentences
from synth.cli.placing import EngineArgs, Engines, GpusPerEngine, RayAddress, placement_of
from synth.core.errors import RecipeError

Step = Annotated[str | None, typer.Option(help="The step; needed where several could be meant.")]


@app.command()
def view(
    run: RunPath,
    step: Annotated[str | None, typer.Option(help="Show rows of this step.")] = None,
    dropped: Annotated[bool, typer.Option("--dropped", help="Show the rows it dropped.")] = False,  # noqa: FBT002
    why: Annotated[str | None, typer.Option(help="Walk this id back to its source.")] = None,
    near: Annotated[
        str | None, typer.Option(help="COLUMN=NUMBER: show the rows of --step around a threshold.")
    ] = None,
    number: Annotated[int, typer.Option("-n", min=1, help="How many rows.")] = 5,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Look at a run: its ledger, rows of a step, dropped rows, or the history of one row."""
    with sentences(debug=debug):
        from synth.terminal import render_ledger, render_near, render_rows, render_why
        from synth.view import open_run

        console, opened = Console(), open_run(run)
        if near is not None:
            console.print(render_near(opened[step or ""], *_threshold(near), number))
            return
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


def _threshold(text: str) -> tuple[str, float]:
    """``score=0.4`` as a column and a number."""
    column, _, number = text.rpartition("=")
    try:
        return column, float(number)
    except ValueError as error:
        raise RecipeError(f"--near got {text!r}; give a column and a number: score=0.4") from error


@app.command()
def calibrate_margin(  # noqa: PLR0913  (each is a flag)
    run: RunPath,
    step: Step = None,
    judge: Annotated[
        str | None, typer.Option(help="A model of the recipe: cross-encoder, LLM or encoder.")
    ] = None,
    sample: Annotated[int, typer.Option(min=20, help="Negatives that are judged.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample.")] = 0,
    engines: Engines = "1",
    gpus_per_engine: GpusPerEngine = "0",
    engine_arg: EngineArgs = None,
    ray_address: RayAddress = None,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Show what each margin would keep of a run, and how many false negatives with it."""
    with sentences(debug=debug):
        from synth.calibration import calibrate_margin as calibrate
        from synth.terminal import render_calibration

        placement = placement_of(engines, gpus_per_engine, engine_arg, ray_address)
        found = calibrate(
            run, step=step, judge=judge, sample=sample, seed=seed, placement=placement
        )
        Console().print(render_calibration(found))


@app.command()
def style_leak(
    run: RunPath,
    step: Step = None,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Tell whether generated negatives can be told from others by how they are written."""
    with sentences(debug=debug):
        from synth.style_leak import style_leaks
        from synth.terminal import render_style_leaks
        from synth.view import open_run

        Console().print(render_style_leaks(style_leaks(open_run(run), step)))
