"""What every command shares: the application, common flags, and errors in one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from synth.core.errors import RunStopped, SynthError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Turn documents and open-weight LLMs into training data that can be trusted.",
)
_FAILED, _STOPPED = 1, 3

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Read at most N records; a run with a folder of its own."),
]
Out = Annotated[str, typer.Option("--out", help="Folder of all runs, on any filesystem.")]
RunPath = Annotated[str, typer.Argument(metavar="RUN", help="Folder of a run.")]


@contextmanager
def sentences(*, debug: bool) -> Iterator[None]:
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
