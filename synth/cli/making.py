"""The commands `dedup-index` and `new`, and the lists of what ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console

from synth.cli.common import Debug, app, sentences
from synth.core.errors import RecipeError


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
    with sentences(debug=debug):
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
    with sentences(debug=debug):
        from synth.inputs.prompts import load_prompt
        from synth.inputs.shipped import shipped_names

        for name in shipped_names("prompts"):
            head = load_prompt(name, Path.cwd()).head
            print(f"{name:24} {head.makes:10} {head.purpose}")  # noqa: T201


@app.command()
def recipes(
    word: Annotated[str, typer.Argument(help="Only those that have it in what is shown.")] = "",
    debug: Debug = False,  # noqa: FBT002
) -> None:
    """Show the recipes that ship: purpose, needs, output and source."""
    with sentences(debug=debug):
        from synth.gallery import entries

        console = Console(soft_wrap=True, highlight=False)
        family, found = None, entries(word)
        if not found:
            raise RecipeError(f"no recipe has {word!r} in what is shown; leave it out for all")
        for one in found:
            if one.recipe.family != family:
                family = one.recipe.family
                console.print(f"[bold]{family}[/bold]")
            console.print(f"  {one.name:26}{one.recipe.description}", markup=False)
            told = f"needs {one.needs}; makes {one.output}; from {one.papers}"
            console.print(f"{'':28}{told}", style="dim", markup=False)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the new recipe and of its folder.")],
    source: Annotated[str, typer.Option("--from", help="Shipped recipe, or path of one.")],
    with_prompts: Annotated[  # noqa: FBT002  (a command-line flag)
        bool, typer.Option("--with-prompts", help="Copy the prompts that it uses, too.")
    ] = False,
    debug: Debug = False,  # noqa: FBT002
) -> None:
    """Copy a recipe into a folder of its own, to edit; overwrites nothing."""
    with sentences(debug=debug):
        from synth.new_recipe import new_recipe

        made = new_recipe(name, source, Path(), with_prompts=with_prompts)
        for path in made:
            print(path)  # noqa: T201
        print(f"Edit it, then: synth run {made[0]}")  # noqa: T201
