"""What ships, as a gallery: every recipe with its purpose, needs, output and source.

``python -m synth.gallery docs/recipes.md`` writes the page; nothing in it is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.core.prompt import Prompt
from synth.inputs.prompts import load_prompt
from synth.inputs.shipped import shipped_names
from synth.recipe import Recipe, load_recipe
from synth.steps import Generate

# In this order; a family that is not here comes after them.
FAMILIES = (
    "basics",
    "embeddings, whole examples",
    "embeddings, from documents",
    "QZhou",
    "rewriting for pretraining",
    "context",
    "ranking",
    "labels",
    "tables",
    "stress sets",
    "other",
)
_MODELS = {
    "vllm": "LLM",
    "openai": "LLM",
    "fake": "fake model",
    "sentence_transformers": "encoder",
    "cross_encoder": "cross-encoder",
}
# Runs of recipes on real models and data, written down beside the page: one file each.
_RUNS = "runs"


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe that ships.

    Attributes:
        name: What `synth run` takes.
        recipe: The recipe.
        prompts: The prompt files that its steps use, each once.
    """

    name: str
    recipe: Recipe
    prompts: tuple[Prompt, ...]

    @property
    def needs(self) -> str:
        """The kinds of models that it asks."""
        kinds = dict.fromkeys(_MODELS[spec.kind] for spec in self.recipe.models.values())
        if any(getattr(step, "tokenizer", None) for step in self.recipe.steps):
            kinds["tokenizer"] = None
        return ", ".join(kinds) or "no model"

    @property
    def output(self) -> str:
        """The formats of its dataset."""
        return ", ".join(dict.fromkeys(export.format for export in self.recipe.export))

    @property
    def papers(self) -> str:
        """Where the method comes from."""
        return "; ".join(self.recipe.papers)


def entries(word: str = "") -> list[Entry]:
    """The recipes that ship, by family and then by name.

    Args:
        word: Only those with it in what the gallery shows of them, whatever its case.
    """
    found = [_entry(name) for name in shipped_names("recipes")]
    chosen = [one for one in found if word.casefold() in _words(one).casefold()]
    return sorted(chosen, key=lambda one: (_place(one.recipe.family), one.name))


def _entry(name: str) -> Entry:
    recipe = load_recipe(name)
    used = dict.fromkeys(step.prompt for step in recipe.steps if isinstance(step, Generate))
    return Entry(name, recipe, tuple(load_prompt(prompt, recipe.base) for prompt in used))


def _words(one: Entry) -> str:
    shown = (one.name, one.recipe.family, one.recipe.description, one.needs, one.output, one.papers)
    return " ".join(shown)


def _place(family: str) -> tuple[int, str]:
    return (FAMILIES.index(family) if family in FAMILIES else len(FAMILIES), family)


def page(found: Sequence[Entry], runs: Path) -> str:
    """The gallery as Markdown.

    Args:
        found: The recipes, by family.
        runs: Folder with ``<recipe>.md`` for every recipe of which a run was written down.
    """
    return "\n\n".join(_parts(found, runs)) + "\n"


def _parts(found: Sequence[Entry], runs: Path) -> Iterator[str]:
    yield "# Recipes"
    yield (
        "Made from the files in `recipes`, `prompts` and `docs/runs` by `make docs`; change those, "
        "not this page. `synth run NAME` runs one, `synth new MINE --from NAME` copies one, "
        "`synth recipes WORD` finds one."
    )
    families = dict.fromkeys(one.recipe.family for one in found)
    for family in families:
        own = [one for one in found if one.recipe.family == family]
        yield f"## {family[:1].upper()}{family[1:]}"
        yield "\n".join(_table(own))
        for one in own:
            yield from _details(one, runs)


def _table(found: Sequence[Entry]) -> Iterator[str]:
    yield "| recipe | purpose | needs | output | source |"
    yield "|---|---|---|---|---|"
    for one in found:
        cells = (f"[`{one.name}`](#{one.name})", one.recipe.description, one.needs, one.output)
        yield f"| {' | '.join(cells)} | {one.papers} |"


def _details(one: Entry, runs: Path) -> Iterator[str]:
    yield f"### {one.name}"
    yield f"```text\n{_comment(one.recipe.text)}\n```"
    steps = " → ".join(f"{name} (`{step.kind}`)" for name, step in one.recipe.named_steps())
    yield f"Steps: {steps}."
    if one.prompts:
        links = ", ".join(f"[`{p.name}`](../prompts/{p.name}.md)" for p in one.prompts)
        yield f"Prompts: {links}."
    written = runs / f"{one.name}.md"
    if written.is_file():
        yield written.read_text(encoding="utf-8").strip()


def _comment(text: str) -> str:
    """The comment that a recipe begins with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Writes the page to the path that is given."""
    target = Path(arguments[0])
    target.write_text(page(entries(), target.parent / _RUNS), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
