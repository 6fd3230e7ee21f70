"""The command `explore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from synth.cli.common import Debug, RunPath, app, sentences


@app.command()
def explore(
    run: RunPath,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 is any that is free.")] = 0,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others reach this machine at 0.0.0.0.")
    ] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,  # noqa: FBT002
    flags: Annotated[
        str | None, typer.Option(help="File of flags; _flags.json in the run when left out.")
    ] = None,
    out: Annotated[
        str | None, typer.Option(help="Folder of selections; _selections in the run when left out.")
    ] = None,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Look through a run in the browser: search, filter, flag rows, save a selection."""
    with sentences(debug=debug):
        import secrets
        import webbrowser

        from synth.explore import Explorer, serve
        from synth.explore.flags import FLAGS_FILE, Flags
        from synth.explore.guard import is_loopback
        from synth.explore.server import listen
        from synth.inputs.files import Folder
        from synth.view import open_run

        opened, console = open_run(run), Console(soft_wrap=True, highlight=False)
        file = None if flags is None else Path(flags).absolute()
        kept = (
            Flags(opened.folder, FLAGS_FILE)
            if file is None
            else Flags(Folder(str(file.parent)), file.name)
        )
        target = None if out is None else Folder(str(Path(out).absolute()))
        explorer = Explorer(opened, kept, target)
        explorer.table(opened.steps[-1])
        if not is_loopback(host):
            console.print(
                f"Warning: whoever reaches {host} and has the address below can read this run and "
                "write selections into it; it is not encrypted."
            )
        listening, token = listen(host, port), secrets.token_urlsafe(24)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/#{token}"
        console.print(f"{opened.name} {opened.version} is at {address}", markup=False)
        console.print("Ctrl-C ends it; flags stay.")
        if not no_browser:
            webbrowser.open(address)
        serve(explorer, listening, token)
