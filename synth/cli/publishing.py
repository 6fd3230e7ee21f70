"""The command `publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from synth.cli.common import Debug, RunPath, app, sentences

if TYPE_CHECKING:
    from synth.publish import Published


@app.command()
def publish(
    run: RunPath,
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="The dataset on the Hub.")],
    private: Annotated[
        bool | None,
        typer.Option("--private/--public", help="Who sees it; private unless told otherwise."),
    ] = None,
    revision: Annotated[str, typer.Option(help="The branch that the commit goes on.")] = "main",
    tag: Annotated[
        str | None, typer.Option(help="Tag of this version; v and the recipe's version.")
    ] = None,
    dry_run: Annotated[  # noqa: FBT002  (a command-line flag)
        bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")
    ] = False,
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Check a finished run, and publish its dataset on the Hugging Face Hub."""
    with sentences(debug=debug):
        from synth.publish import publish as publish_run

        done = publish_run(run, repo, private=private, revision=revision, tag=tag, dry_run=dry_run)
        _show(done)


def _show(done: Published) -> None:
    from synth.publish.shown import render_files, told

    console = Console(soft_wrap=True, highlight=False)
    if done.dry_run:
        console.print(render_files(done))
    for sentence in told(done):
        console.print(sentence, markup=False)
