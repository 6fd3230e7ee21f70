"""The command `report`."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.common import Debug, RunPath, app, sentences


@app.command()
def report(
    run: RunPath,
    out: Annotated[
        str | None, typer.Option("--out", help="The file; report.html in RUN when left out.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Encodes a sample where the run has no embeddings.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Evaluation set: Parquet, JSON Lines or text.")
    ] = None,
    against_column: Annotated[
        str, typer.Option(help="The field there that has the text.")
    ] = "text",
    open_it: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,  # noqa: FBT002
    debug: Debug = False,  # noqa: FBT002  (a command-line flag)
) -> None:
    """Write one page of HTML about a run: ledger, samples, figures, quality, prompts, lineage."""
    with sentences(debug=debug):
        from synth.quality import Against, quality
        from synth.report import write_report
        from synth.view import open_run

        opened = open_run(run)
        evaluation = None if against is None else Against(against, against_column)
        findings = quality(opened, encoder=encoder, against=evaluation)
        path = write_report(opened, findings, out)
        print(path)  # noqa: T201
        if open_it:
            typer.launch(path)
