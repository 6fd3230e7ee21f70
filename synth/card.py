"""The dataset card: what is in the dataset, and all it takes to judge it and make it again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import yaml

from synth.core.prompt import Prompt
from synth.export import ORDER, SPLIT_KEY, data_folder, shard_pattern
from synth.inputs.sources import HubSource
from synth.manifest import StepRecord
from synth.recipe import Recipe
from synth.redact import redacted
from synth.steps import Generate, MarginFilter

# Characters of a text in the example row.
_EXAMPLE_CHARS = 300
# Items of a list in the example row.
_EXAMPLE_ITEMS = 3
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
    (1_000_000_000_000, "100B<n<1T"),
)
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_RETRIEVAL = ("query", "positive", "positives")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What the card is made from.

    Attributes:
        recipe: The recipe.
        records: Of sources, steps and the export, in their order.
        prompts: The prompt files that the steps use.
        models: What identifies each model, by its name in the recipe.
        splits: Rows of each split, by config; a config without a row has none.
        features: Columns of each config.
        example: The first row of the first config.
        run_date: Day on which the run ended, ISO 8601.
        packages: Version of each package that can change the rows, `synth-recipes` among them.
    """

    recipe: Recipe
    records: Sequence[StepRecord]
    prompts: Sequence[Prompt]
    models: Mapping[str, str]
    splits: Mapping[str, Mapping[str, int]]
    features: Mapping[str, pa.Schema]
    example: Mapping[str, Any]
    run_date: str
    packages: Mapping[str, str]


def render_card(run: RunInfo) -> str:
    """The card as the Hub reads it: metadata in YAML, then Markdown.

    No path, host name or key of the machine that made the dataset is in it.
    """
    head = yaml.safe_dump(metadata(run), sort_keys=False, allow_unicode=True)
    sections = (
        _what(run),
        _load(run),
        _example(run),
        _ledger(run.records),
        _models(run.models),
        _prompts(run.prompts),
        _recipe(run),
        _limits(run),
    )
    return f"---\n{head}---\n\n" + "\n\n".join(part for part in sections if part) + "\n"


def metadata(run: RunInfo) -> dict[str, Any]:
    """The card's YAML block, as data."""
    recipe, card = run.recipe, run.recipe.card
    retrieval = _is_retrieval(run)
    fields = {
        "pretty_name": recipe.name,
        "license": card.license,
        "language": list(card.languages),
        "task_categories": ["sentence-similarity", "text-retrieval"]
        if retrieval
        else ["text-generation"],
        "size_categories": [_size(sum(sum(rows.values()) for rows in run.splits.values()))],
        "source_datasets": _source_datasets(recipe),
        "tags": _unique(
            ["synthetic", "synth", *(["sentence-transformers"] if retrieval else []), *card.tags]
        ),
        "configs": _configs(run),
    }
    return {name: value for name, value in fields.items() if value}


def _configs(run: RunInfo) -> list[dict[str, Any]]:
    exports = run.recipe.export
    configs: list[dict[str, Any]] = []
    for export in exports:
        folder = data_folder(exports, export.name)
        files = [
            {"split": split, "path": f"{folder}/{shard_pattern(split)}"}
            for split in run.splits.get(export.name, {})
        ]
        if files:
            default = {} if configs else {"default": True}
            configs.append({"config_name": export.name, **default, "data_files": files})
    return configs


def _source_datasets(recipe: Recipe) -> list[str]:
    hub = [
        source.dataset
        for source in recipe.all_sources().values()
        if isinstance(source, HubSource)
        and _HUB_ID.fullmatch(source.dataset)
        and not (recipe.base / source.dataset).exists()
    ]
    return _unique([*recipe.card.source_datasets, *hub])


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _is_retrieval(run: RunInfo) -> bool:
    return any(name in _RETRIEVAL for name in _columns(run))


def _columns(run: RunInfo) -> list[str]:
    return [name for schema in run.features.values() for name in schema.names]


def _size(rows: int) -> str:
    return next((name for below, name in _SIZES if rows < below), "n>1T")


def _what(run: RunInfo) -> str:
    recipe = run.recipe
    about = f"\n\n{redacted(recipe.description)}" if recipe.description else ""
    made = f"Version {recipe.version}, made on {run.run_date} with `synth` from the recipe below."
    rights = (
        f"Licence: {recipe.card.license}."
        if recipe.card.license
        else "No licence chosen: ask its maker before you use it."
    )
    lines = [
        [config, split, f"{rows:,}", ", ".join(f"`{name}`" for name in run.features[config].names)]
        for config, splits in run.splits.items()
        for split, rows in splits.items()
    ]
    table = _table(["config", "split", "rows", "columns"], lines)
    return f"# {recipe.name}{about}\n\n{made} {rights}\n\n{table}"


def _load(run: RunInfo) -> str:
    names = [config["config_name"] for config in _configs(run)]
    calls = ['load_dataset("REPOSITORY_OR_FOLDER")']
    calls += [f'load_dataset("REPOSITORY_OR_FOLDER", "{name}")' for name in names[1:]]
    code = "\n".join(["from datasets import load_dataset", "", *calls])
    return f"## Load it\n\n{_fenced(code, 'python')}"


def _example(run: RunInfo) -> str:
    if not run.example:
        return ""
    shown = [name for name in run.example if name not in (SPLIT_KEY.name, ORDER.name)]
    row = {name: _cut(run.example[name]) for name in shown}
    text = orjson.dumps(row, option=orjson.OPT_INDENT_2, default=str).decode()
    return f"## A row\n\nLong texts and lists are cut here.\n\n{_fenced(text, 'json')}"


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


def _ledger(records: Sequence[StepRecord]) -> str:
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
        for record in records
    ]
    return (
        "## How it was made\n\nEvery row is accounted for: in + made = out + replaced + dropped. "
        f"A replaced row goes on in the rows made from it.\n\n{_table(head, lines)}"
    )


def _models(models: Mapping[str, str]) -> str:
    lines = [[name, f"`{redacted(label)}`"] for name, label in models.items()]
    return f"## Models\n\n{_table(['name', 'model'], lines)}" if lines else ""


def _prompts(prompts: Sequence[Prompt]) -> str:
    parts = [
        f"### {prompt.name}\n\n{prompt.head.purpose}\n\nHash: `{prompt.sha}`\n\n"
        f"{_fenced(prompt.text, 'markdown')}"
        for prompt in prompts
    ]
    return "\n\n".join(["## Prompts", *parts]) if parts else ""


def _recipe(run: RunInfo) -> str:
    name = f"{run.recipe.name}.yaml"
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
        f"## Make it again\n\nSave the recipe as `{name}`. {prompts}{note}Then:\n\n"
        f"{_fenced(f'synth run {name}', 'bash')}\n\n{_fenced(public, 'yaml')}\n\n"
        f"Made with {versions or 'unknown versions'}. Other versions, another GPU or another "
        "server can change what a model answers, whatever the seed."
    )


def _limits(run: RunInfo) -> str:
    steps = [step for _, step in run.recipe.named_steps()]
    facts = []
    if any(isinstance(step, Generate) for step in steps):
        facts += [
            "Language models wrote part of the text. No person has read it: it can be wrong, "
            "biased or repetitive, and the checks on it are mechanical.",
            "The licences of the models and of the sources may bind what is made from them.",
        ]
    if any(name.startswith("negative") for name in _columns(run)):
        judged = (
            "A negative is one by its score alone; some may answer the query all the same."
            if any(isinstance(step, MarginFilter) for step in steps)
            else "No margin filter ran: some negatives may be unlabelled positives."
        )
        facts.append(judged)
    if any(len(splits) > 1 for splits in run.splits.values()):
        facts.append(
            "Splits are drawn by source document: no two splits have rows made from one document. "
            "A text of one split may still be a negative in another, and a document that a window "
            "boundary cuts may go on in another."
        )
    facts.append("Near copies that no deduplication step looked for are still there.")
    return "## Known limits\n\n" + "\n".join(f"- {fact}" for fact in facts)


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    ruled = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in ruled)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any inside."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
