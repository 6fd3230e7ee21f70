"""The dataset card: what is in the dataset, and all it takes to judge it and make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import yaml

from synth.algorithms.sampling import sampling_weights
from synth.card.citations import citations
from synth.card.diagram import diagram
from synth.card.loading import loading
from synth.card.markdown import code, fenced, markdown_table, visible
from synth.card.metadata import metadata
from synth.card.quality import quality
from synth.card.run_info import RunInfo
from synth.card.uses import uses
from synth.core.prompt import Prompt
from synth.formats import BeirExport
from synth.redact import redacted
from synth.steps import Generate, MarginFilter

# Characters of a text in an example row.
_EXAMPLE_CHARS = 300
# Items of a list in an example row.
_EXAMPLE_ITEMS = 3


def render_card(run: RunInfo) -> str:
    """The card as the Hub reads it: metadata in YAML, then Markdown.

    No path, host name or key of the machine that made the dataset is in it.
    """
    head = yaml.safe_dump(metadata(run), sort_keys=False, allow_unicode=True)
    if visible(head) != head:
        head = yaml.safe_dump(metadata(run), sort_keys=False)  # all but ASCII as codes
    sections = (
        _what(run),
        uses(run),
        loading(run),
        _sampling(run),
        _examples(run),
        _ledger(run),
        quality(run),
        _models(run.models),
        _prompts(run.prompts),
        _recipe(run),
        _limits(run),
        citations(run),
    )
    return f"---\n{head}---\n\n" + "\n\n".join(part for part in sections if part) + "\n"


def _what(run: RunInfo) -> str:
    recipe = run.recipe
    about = f"\n\n{visible(redacted(recipe.description))}" if recipe.description else ""
    made = f"Version {recipe.version}, made on {run.run_date} with `synth` from the recipe below."
    rights = (
        f"Licence: {recipe.card.license}."
        if recipe.card.license
        else "No licence chosen: ask its maker before you use it."
    )
    lines = [
        [config, split, f"{rows:,}", ", ".join(map(code, one.schema.names))]
        for config, one in run.filled.items()
        for split, rows in one.splits.items()
        if one.schema is not None
    ]
    table = markdown_table(["config", "split", "rows", "columns"], lines)
    return f"# {recipe.name}{about}\n\n{made} {rights}\n\n{table}"


def _sampling(run: RunInfo) -> str:
    """How often a trainer should take each configuration, where the recipe says so."""
    spec = run.recipe.card.sampling
    if spec is None or not set(spec.configs) <= set(run.configs):
        return ""
    sizes = {name: sum(run.configs[name].splits.values()) for name in spec.configs}
    groups = [(group.share, group.configs) for group in spec.groups.values()]
    weights = sampling_weights(sizes, groups, spec.exponent)
    lines = [
        [config, name, f"{sizes[config]:,}", f"{weights[config]:.4f}"]
        for name, group in spec.groups.items()
        for config in group.configs
    ]
    table = markdown_table(["config", "task", "rows", "probability"], lines)
    return (
        "## Sampling\n\nEach configuration is one task: take a batch from one of them, with these "
        f"probabilities (rows to the power of {spec.exponent:g} within a task's share).\n\n{table}"
    )


def _examples(run: RunInfo) -> str:
    """The first row of each configuration."""
    parts = []
    for name, one in run.filled.items():
        row = {column: _cut(value) for column, value in one.example.items()}
        text = orjson.dumps(row, option=orjson.OPT_INDENT_2, default=str).decode()
        parts.append(f"`{name}`:\n\n{fenced(visible(text), 'json')}")
    return "\n\n".join(["## A row\n\nLong texts and lists are cut here.", *parts] if parts else [])


def _cut(value: Any) -> Any:  # noqa: ANN401  (any value of a row)
    match value:
        case str() if len(value) > _EXAMPLE_CHARS:
            return f"{value[:_EXAMPLE_CHARS]}…"
        case list():
            rest = [f"… {len(value) - _EXAMPLE_ITEMS} more"] if len(value) > _EXAMPLE_ITEMS else []
            return [*map(_cut, value[:_EXAMPLE_ITEMS]), *rest]
        case dict():
            return {key: _cut(inner) for key, inner in value.items()}
    return value


def _ledger(run: RunInfo) -> str:
    head = ["step", "kind", "reads", "in", "made", "replaced", "out", "dropped"]
    lines = [
        [
            record.name,
            record.kind,
            record.reads,
            *(f"{n:,}" for n in (record.rows_in, record.rows_made)),
            *(f"{n:,}" for n in (record.rows_replaced, record.rows_out)),
            ", ".join(f"{reason} {count:,}" for reason, count in sorted(record.dropped.items())),
        ]
        for record in run.records
    ]
    return (
        f"## How it was made\n\n{diagram(run)}\n\nEvery row is accounted for: "
        "in + made = out + replaced + dropped. "
        f"A replaced row goes on in the rows made from it.\n\n{markdown_table(head, lines)}"
    )


def _models(models: Mapping[str, str]) -> str:
    lines = [[name, code(redacted(label))] for name, label in models.items()]
    return f"## Models\n\n{markdown_table(['name', 'model'], lines)}" if lines else ""


def _prompts(prompts: Sequence[Prompt]) -> str:
    parts = [
        f"### {prompt.name}\n\n{prompt.head.purpose}\n\nHash: `{prompt.sha}`\n\n"
        f"{fenced(prompt.text, 'markdown')}"
        for prompt in prompts
    ]
    return "\n\n".join(["## Prompts", *parts]) if parts else ""


def _recipe(run: RunInfo) -> str:
    name = f"{run.recipe.name}.yaml"
    limit = "" if run.limit is None else f" --limit {run.limit}"
    public = redacted(run.recipe.text)
    note = (
        ""
        if public == run.recipe.text
        else "Paths and hosts of the machine it ran on are shortened here (`…/`, `<host>`); put "
        "your own in their place. "
    )
    prompts = (
        "A prompt above that does not ship with `synth` goes where the recipe names it. "
        if run.prompts
        else ""
    )
    versions = ", ".join(f"{package} {version}" for package, version in run.packages.items())
    return (
        f"## Make it again\n\nSave the recipe as `{name}`. {prompts}{note}Where this card is on "
        "the Hub, `recipe.yaml` is the recipe, and finds its prompts in `prompts/` beside it. "
        "Then:\n\n"
        f"{fenced(f'synth run {name}{limit}', 'bash')}\n\n{fenced(public, 'yaml')}\n\n"
        f"Made with {versions or 'unknown versions'}. Other versions, another GPU or another "
        "server can change what a model answers, whatever the seed."
    )


def _limits(run: RunInfo) -> str:
    steps = [step for _, step in run.recipe.named_steps()]
    facts = []
    if run.limit is not None:
        facts.append(f"Only the first {run.limit:,} records of the main source were read.")
    if any(isinstance(step, Generate) for step in steps):
        facts += [
            "Language models wrote part of the text. No person has read it: it can be wrong, "
            "biased or repetitive, and the checks on it are mechanical.",
            "The licences of the models and of the sources may bind what is made from them.",
        ]
    if _has_negatives(run):
        judged = (
            "A negative is one by its score alone; some may answer the query all the same."
            if any(isinstance(step, MarginFilter) for step in steps)
            else "No margin filter ran: some negatives may be unlabelled positives."
        )
        facts.append(judged)
    if any(len(one.splits) > 1 for one in run.configs.values()):
        facts.append(
            "Splits are drawn by source document: no two splits have rows made from one document. "
            "A text of one split may still be a negative in another, and a document that a window "
            "boundary cuts may go on in another."
        )
    if any(isinstance(export, BeirExport) for export in run.recipe.export):
        facts.append(
            "Only the passages that a query was written for, or was given, are judged relevant to "
            "it; others of the corpus may answer it as well."
        )
    facts.append("Near copies that no deduplication step looked for are still there.")
    return "## Known limits\n\n" + "\n".join(f"- {fact}" for fact in facts)


def _has_negatives(run: RunInfo) -> bool:
    read = [field.name for export in run.recipe.export for field in export.needs()]
    return any(name.startswith("negative") for name in (*read, *run.columns))
