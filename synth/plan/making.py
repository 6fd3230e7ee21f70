"""From a recipe to its plan, or to the sentence that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import get_args

import synth
from synth.core import rows
from synth.core.drop_list import content_of
from synth.core.errors import EngineError, RecipeError, SourceError
from synth.core.ids import canonical_json
from synth.core.step import EncodeStep
from synth.engines.identity import label, package_versions, weights_of
from synth.engines.specs import EncoderSpec, LlmSpec, ScorerSpec
from synth.formats import DocumentsExport, ExportSpec, RowsExport, TokensExport
from synth.inputs.drop_lists import read_drop_list
from synth.inputs.prompts import load_prompt
from synth.inputs.readers import content_mark
from synth.inputs.tables import planned_schema
from synth.plan.checks import (
    Tables,
    check_adds,
    check_against,
    check_columns,
    check_json,
    check_keep,
    check_prompt,
    check_scored,
    check_table,
    needs_scores,
)
from synth.plan.models import Models
from synth.plan.planned import Ingredients, Plan, PlannedSource, PlannedStep
from synth.plan.window_checks import (
    check_filled,
    check_window_export,
    check_window_step,
    null_in_windows,
)
from synth.recipe import EXPORT, SOURCE, Recipe
from synth.steps import AnyStep, DropListed, Generate, Pack
from synth.steps.ask import ModelCard
from synth.steps.generate import Generation
from synth.steps.tokens import end_of_text, load_tokenizer

# Settings that change no row: how a step is called, and when it gives up.
_NO_INGREDIENTS = frozenset({"name", "from_", "max_error_rate"})


def make_plan(recipe: Recipe, limit: int | None = None) -> Plan:
    """The plan of a recipe.

    Args:
        recipe: The recipe.
        limit: Read at most so many records of the main source.

    Raises:
        RecipeError: If a step, column, prompt or model is missing or of the wrong type.
        SourceError: If a source cannot be read.
        EngineError: If a model does not exist.
    """
    sources = tuple(_source(recipe, name, limit) for name in recipe.all_sources())
    tables: dict[str, PlannedSource | PlannedStep] = {one.name: one for one in sources}
    models = Models(recipe)
    steps: list[PlannedStep] = []
    before = sources[0].name
    for number, (name, step) in enumerate(recipe.named_steps(), start=1):
        place = f"step {number} ({name})"
        reads = step.from_ or before
        check_table(place, "from", reads, tables, recipe)
        planned = _step(number, name, step, reads, tables, models)
        check_scored(place, needs_scores(step), reads, tables)
        check_keep(place, step, reads, tables[reads].schema)
        check_against(place, step, reads, tables)
        steps.append(planned)
        tables[name] = planned
        before = name
    exports = tuple(_export(spec, before, tables, recipe) for spec in recipe.export)
    ingredients = _ingredients(exports, tables, recipe)
    return Plan(recipe, limit, sources, tuple(steps), exports, ingredients)


def _ingredients(
    exports: Sequence[tuple[ExportSpec, str]], tables: Tables, recipe: Recipe
) -> Ingredients:
    """Everything that can change what the exports write."""
    found = {"seed": str(recipe.seed)}
    for spec, reads in exports:
        found |= _settings(f"export {spec.name}", spec.model_dump(mode="json", exclude={"from_"}))
        for name in (reads, *spec.second_tables()):
            found[f"rows of {name} for {spec.name}"] = tables[name].fingerprint
    return found


def _source(recipe: Recipe, name: str, limit: int | None) -> PlannedSource:
    spec = recipe.all_sources()[name]
    where = SOURCE if name == SOURCE else f"source {name!r}"
    try:
        schema = planned_schema(spec, recipe.base)
        content = content_mark(spec, recipe.base)
    except SourceError as error:
        raise SourceError(f"{where}: {error}") from error
    ingredients = {
        **_settings(name, spec.model_dump(mode="json", exclude={"path", "dataset"})),
        f"content of {name}": content,
        "synth": synth.__version__,
    }
    if limit is not None and spec is recipe.source:
        ingredients["--limit"] = str(limit)
    return PlannedSource(name, spec, schema, ingredients)


def _settings(prefix: str, dumped: Mapping[str, object]) -> Ingredients:
    """One ingredient for each setting, so that a change can be named."""
    return {f"{prefix}.{key}": canonical_json(value).decode() for key, value in dumped.items()}


def _step(
    number: int,
    name: str,
    step: AnyStep,
    reads: str,
    tables: Mapping[str, PlannedSource | PlannedStep],
    models: Models,
) -> PlannedStep:
    place = f"step {number} ({name})"
    source = tables[reads]
    ingredients: Ingredients = {f"rows of {reads}": source.fingerprint, "synth": synth.__version__}
    ingredients |= _settings(name, step.model_dump(mode="json", exclude=set(_NO_INGREDIENTS)))
    ingredients |= {f"package {p}": v for p, v in package_versions(step.packages).items()}
    generation = None
    if isinstance(step, Generate):
        generation = _generation(place, name, step, models)
        for model in step.weights:
            ingredients |= models.ingredients(model)
            sampling = models.recipe.models[model].sampling  # type: ignore[union-attr]
            ingredients[f"sampling of model {model}"] = sampling.model_dump_json(exclude_none=True)
        ingredients[f"prompt {generation.prompt.name}"] = generation.prompt.sha
        for check in generation.prompt.head.checks:
            packages = package_versions(check.packages)
            ingredients |= {f"package {p}": v for p, v in packages.items()}
        ingredients["seed"] = str(models.recipe.seed)
        # Weights decide which model a row asks, whatever their names in the recipe.
        needs, adds = generation.needs(), generation.adds()
    else:
        if isinstance(step, EncodeStep):
            kinds, what = (
                (EncoderSpec, "encoder") if step.asks == "vectors" else (ScorerSpec, "scorer")
            )
            models.spec(place, step.model, get_args(kinds), what)
            ingredients |= models.ingredients(step.model)
        if (tokenizer := getattr(step, "tokenizer", None)) is not None:
            ingredients["tokenizer"] = _tokenizer(place, tokenizer, joins=isinstance(step, Pack))
        if isinstance(step, DropListed):
            # What is in the file counts, and not where it is.
            del ingredients[f"{name}.path"]
            step, ingredients["drop list"] = _holding(place, step, source, models)
        needs, adds = step.needs(), step.adds()
    check_columns(place, needs, reads, source.schema)
    check_adds(place, adds, reads, tables)
    for table, fields in step.second_tables().items() if hasattr(step, "second_tables") else ():
        check_table(place, _key_of(step, table), table, tables, models.recipe)
        check_columns(place, fields, table, tables[table].schema)
        check_filled(place, fields, table, tables)
        ingredients[f"rows of {table}"] = tables[table].fingerprint
    schema = rows.with_fields(source.schema, adds)
    planned = PlannedStep(number, name, step, reads, schema, ingredients, generation)
    check_window_step(place, planned, needs, tables)
    return planned


def _key_of(step: AnyStep, table: str) -> str:
    """The setting of a step that names a table."""
    dumped = step.model_dump(exclude={"name", "from_"})
    return next(key for key, value in dumped.items() if value == table)


def _tokenizer(place: str, model: str, *, joins: bool) -> str:
    """What pins a tokenizer; one in a folder is loaded.

    Args:
        place: The step, for messages.
        model: The tokenizer.
        joins: Whether its end-of-text token joins documents.

    Raises:
        EngineError: If there is none, or it cannot be loaded or has no such token.
    """
    try:
        pinned = weights_of(model, None)
        if pinned.startswith("files:"):
            (end_of_text if joins else load_tokenizer)(model)
    except EngineError as error:
        raise EngineError(f"{place}: tokenizer: {error}") from error
    return pinned


def _holding(
    place: str, step: DropListed, source: PlannedSource | PlannedStep, models: Models
) -> tuple[DropListed, str]:
    """The step with what its list says, and what pins the list."""
    try:
        listed = read_drop_list(step.path, models.recipe.base)
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from error
    content = f"{len(listed):,} lines, {content_of(listed)}"
    return step.holding(listed, source.schema.names), content


def _generation(place: str, name: str, step: Generate, models: Models) -> Generation:
    try:
        prompt = load_prompt(step.prompt, models.recipe.base)
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from error
    check_prompt(place, step, prompt.head)
    cards = {}
    for model in step.weights:
        spec = models.spec(place, model, get_args(LlmSpec), "LLM")
        sampling = spec.sampling  # type: ignore[union-attr]
        cards[model] = ModelCard(models.identity(model), label(spec), sampling)
    return Generation(step, name, prompt, cards, models.recipe.seed)


def _export(spec: ExportSpec, last: str, tables: Tables, recipe: Recipe) -> tuple[ExportSpec, str]:
    place = f"{EXPORT} {spec.name!r}" if len(recipe.export) > 1 else EXPORT
    reads = spec.from_ or last
    check_table(place, "from", reads, tables, recipe)
    schema = tables[reads].schema
    check_columns(place, spec.needs(), reads, schema)
    check_window_export(place, spec, reads, tables)
    check_scored(place, spec.needs_scores(), reads, tables)
    for table, fields in spec.second_tables().items():
        check_table(place, "corpus", table, tables, recipe)
        check_columns(place, fields, table, tables[table].schema)
        check_filled(place, fields, table, tables)
    if isinstance(spec, TokensExport) and find_spec("datatrove") is None:
        raise RecipeError(
            f"{place}: the format tokens needs the package datatrove, which is not installed; "
            "pip install 'synth-recipes[tokens]'"
        )
    spec = spec.completed(recipe.name)
    if isinstance(spec, RowsExport) and (null := null_in_windows(reads, tables)):
        left = [name for name in spec.published(schema.names) if name not in null]
        spec = RowsExport.model_validate({**spec.model_dump(by_alias=True), "columns": left})
    if spec.files == "jsonl" and isinstance(spec, RowsExport | DocumentsExport):
        check_json(place, spec.published(schema.names), schema)
    return spec, reads
