"""What a recipe will do, worked out and proved before any model is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import pyarrow as pa

import synth
from synth.core import rows
from synth.core.errors import EngineError, RecipeError, SourceError
from synth.core.ids import canonical_json, fingerprint
from synth.core.prompt import Prompt
from synth.core.rows import Schema
from synth.core.step import EncodeStep, Fields
from synth.engines.identity import identity, label, package_versions, weights_of
from synth.engines.specs import EncoderSpec, LlmSpec, ModelSpec, ScorerSpec
from synth.inputs.prompts import load_prompt
from synth.inputs.readers import content_mark
from synth.inputs.sources import SourceSpec
from synth.inputs.tables import planned_schema
from synth.recipe import EXPORT, SOURCE, ExportSpec, Recipe
from synth.steps import AnyStep, Generate, MarginFilter, OrderDocuments, Pack, Score
from synth.steps.ask import ModelCard
from synth.steps.generate import Generation

Ingredients = dict[str, str]
# Settings that change no row: how a step is called, and when it gives up.
_NO_INGREDIENTS = frozenset({"name", "from_", "max_error_rate"})


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """A source that will be read.

    Attributes:
        name: What steps call it.
        spec: The source.
        schema: Its columns, as rows.
        ingredients: Everything that can change its rows.
    """

    name: str
    spec: SourceSpec
    schema: Schema
    ingredients: Ingredients

    @property
    def folder(self) -> str:
        """Its folder in the run."""
        return f"00-{self.name}"

    @property
    def fingerprint(self) -> str:
        """Changes when its rows may."""
        return fingerprint(self.ingredients)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step that will run.

    Attributes:
        number: Its place in the recipe, from 1.
        name: Its name.
        step: The declaration; a `Generate` step is bound in `generation`.
        reads: The step or source that it reads.
        schema: The columns after it.
        ingredients: Everything that can change its rows.
        generation: A generate step with its prompt and models.
    """

    number: int
    name: str
    step: AnyStep
    reads: str
    schema: Schema
    ingredients: Ingredients
    generation: Generation | None = None

    @property
    def folder(self) -> str:
        """Its folder in the run."""
        return f"{self.number:02}-{self.name}"

    @property
    def fingerprint(self) -> str:
        """Changes when its rows may."""
        return fingerprint(self.ingredients)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that it asks."""
        if isinstance(self.step, Generate):
            return tuple(sorted(self.step.weights))
        return (self.step.model,) if isinstance(self.step, EncodeStep) else ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A recipe worked out.

    Attributes:
        recipe: The recipe.
        limit: Records read of the main source at most.
        sources: Its sources, the main one first.
        steps: Its steps in order.
        exports: Each export with the step that it reads.
        export_ingredients: Everything that can change the dataset.
    """

    recipe: Recipe
    limit: int | None
    sources: tuple[PlannedSource, ...]
    steps: tuple[PlannedStep, ...]
    exports: tuple[tuple[ExportSpec, str], ...]
    export_ingredients: Ingredients

    @property
    def tables(self) -> tuple[PlannedSource | PlannedStep, ...]:
        """Sources and steps, in order."""
        return (*self.sources, *self.steps)

    def table(self, name: str) -> PlannedSource | PlannedStep:
        """The source or step with this name."""
        return next(one for one in self.tables if one.name == name)

    @property
    def prompts(self) -> list[Prompt]:
        """The prompts that its steps use, each once."""
        used = [step.generation.prompt for step in self.steps if step.generation]
        return list({prompt.sha: prompt for prompt in used}.values())


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
    models = _Models(recipe)
    steps: list[PlannedStep] = []
    before = sources[0].name
    for number, (name, step) in enumerate(recipe.named_steps(), start=1):
        place = f"step {number} ({name})"
        reads = step.from_ or before
        _check_table(place, "from", reads, tables, recipe)
        planned = _step(number, name, step, reads, tables, models)
        if isinstance(step, MarginFilter) and step.reads_positive_scores:
            _check_scored(place, reads, tables)
        if isinstance(step, Pack):
            _check_windows(place, step, reads, tables)
        steps.append(planned)
        tables[name] = planned
        before = name
    exports = tuple(_export(spec, before, tables, recipe) for spec in recipe.export)
    ingredients = {"seed": str(recipe.seed)}
    for spec, reads in exports:
        ingredients |= _settings(
            f"export {spec.name}", spec.model_dump(mode="json", exclude={"from_"})
        )
        ingredients[f"rows of {reads} for {spec.name}"] = tables[reads].fingerprint
    return Plan(recipe, limit, sources, tuple(steps), exports, ingredients)


def _check_scored(
    place: str, reads: str, tables: Mapping[str, PlannedSource | PlannedStep]
) -> None:
    """Proves that something scores the positives that a step has made.

    Raises:
        RecipeError: If nothing does: every row would drop.
    """
    table = tables[reads]
    while isinstance(table, PlannedStep) and not isinstance(table.step, Score):
        if table.generation and table.generation.prompt.head.makes in ("pairs", "positives"):
            raise RecipeError(
                f"{place}: nothing scores the positives that step {table.name!r} makes, so that "
                "every row would drop; put a step `kind: score` before it"
            )
        table = tables[table.reads]


def _check_windows(
    place: str, step: Pack, reads: str, tables: Mapping[str, PlannedSource | PlannedStep]
) -> None:
    """Proves that a step fills the windows that an earlier one plans.

    Raises:
        RecipeError: If it cannot.
    """
    table = tables[reads]
    while isinstance(table, PlannedStep):
        if isinstance(table.step, OrderDocuments):
            if problem := step.problem_with(table.step):
                raise RecipeError(f"{place}: {problem} (step {table.name!r})")
            return
        table = tables[table.reads]


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


def _check_table(
    place: str,
    key: str,
    name: str,
    tables: Mapping[str, PlannedSource | PlannedStep],
    recipe: Recipe,
) -> None:
    if name in tables:
        return
    later = name in dict(recipe.named_steps())
    what = "which runs after it" if later else "which is no step or source before it"
    near = [] if later else difflib.get_close_matches(name, tables, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(tables)}"
    raise RecipeError(f"{place}: `{key}` names {name!r}, {what}; {hint}")


class _Models:
    """The recipe's models and what identifies each, found out once."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._identities: dict[str, str] = {}

    def spec(self, place: str, name: str, kinds: tuple[type, ...], what: str) -> ModelSpec:
        models = self.recipe.models
        if name not in models:
            near = difflib.get_close_matches(name, models, n=1)
            known = ", ".join(models) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"`models` has {known}"
            raise RecipeError(f"{place}: there is no model {name!r}; {hint}")
        spec = models[name]
        if not isinstance(spec, kinds):
            allowed = ", ".join(_kind(kind) for kind in kinds)
            raise RecipeError(
                f"{place}: model {name!r} is of kind {spec.kind}, which is no {what}; "
                f"{what}s are {allowed}"
            )
        return spec

    def identity(self, name: str) -> str:
        if name not in self._identities:
            try:
                self._identities[name] = identity(self.recipe.models[name])
            except EngineError as error:
                raise EngineError(f"model {name!r}: {error}") from error
        return self._identities[name]

    def ingredients(self, name: str) -> Ingredients:
        spec = self.recipe.models[name]
        packages = package_versions(spec.packages)
        return {
            f"model {name}": self.identity(name),
            **{f"package {package}": found for package, found in packages.items()},
        }


def _kind(spec: type) -> str:
    return str(get_args(spec.model_fields["kind"].annotation)[0])  # type: ignore[attr-defined]


def _step(
    number: int,
    name: str,
    step: AnyStep,
    reads: str,
    tables: Mapping[str, PlannedSource | PlannedStep],
    models: _Models,
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
        if isinstance(step, Pack | OrderDocuments) and step.tokenizer is not None:
            ingredients["tokenizer"] = _tokenizer(place, step.tokenizer)
        needs, adds = step.needs(), step.adds()
    _check_columns(place, needs, reads, source.schema)
    for table, fields in step.second_tables().items() if hasattr(step, "second_tables") else ():
        _check_table(place, _key_of(step, table), table, tables, models.recipe)
        _check_columns(place, fields, table, tables[table].schema)
        ingredients[f"rows of {table}"] = tables[table].fingerprint
    schema = rows.with_fields(source.schema, adds)
    return PlannedStep(number, name, step, reads, schema, ingredients, generation)


def _key_of(step: AnyStep, table: str) -> str:
    """The setting of a step that names a table."""
    dumped = step.model_dump(exclude={"name", "from_"})
    return next(key for key, value in dumped.items() if value == table)


def _tokenizer(place: str, model: str) -> str:
    """What pins a tokenizer.

    Raises:
        EngineError: If there is none.
    """
    try:
        return weights_of(model, None)
    except EngineError as error:
        raise EngineError(f"{place}: tokenizer: {error}") from error


def _generation(place: str, name: str, step: Generate, models: _Models) -> Generation:
    try:
        prompt = load_prompt(step.prompt, models.recipe.base)
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from error
    cards = {}
    for model in step.weights:
        spec = models.spec(place, model, get_args(LlmSpec), "LLM")
        sampling = spec.sampling  # type: ignore[union-attr]
        cards[model] = ModelCard(models.identity(model), label(spec), sampling)
    return Generation(step, name, prompt, cards, models.recipe.seed)


def _check_columns(place: str, needs: Fields, table: str, schema: Schema) -> None:
    for field in needs:
        at = schema.get_field_index(field.name)
        if at < 0:
            have = ", ".join(name for name in schema.names if name != "drop_reason")
            raise RecipeError(
                f"{place} reads column {field.name!r}, which {table!r} does not have; it has {have}"
            )
        found = schema.field(at).type
        if not pa.types.is_null(field.type) and not rows.same_type(field.type, found):
            raise RecipeError(
                f"{place} reads column {field.name!r} as {_type(field.type)}, but in {table!r} it "
                f"is {_type(found)}"
            )


def _type(kind: pa.DataType) -> str:
    if rows.is_vector(kind):
        return "embeddings"
    return {"string": "text", "large_string": "text"}.get(str(kind), str(kind))


def _export(
    spec: ExportSpec,
    last: str,
    tables: Mapping[str, PlannedSource | PlannedStep],
    recipe: Recipe,
) -> tuple[ExportSpec, str]:
    place = f"{EXPORT} {spec.name!r}" if len(recipe.export) > 1 else EXPORT
    reads = spec.from_ or last
    _check_table(place, "from", reads, tables, recipe)
    _check_columns(place, spec.needs(), reads, tables[reads].schema)
    return spec, reads


def kind_of(table: PlannedSource | PlannedStep) -> str:
    """``source`` or the step's kind."""
    return table.step.kind if isinstance(table, PlannedStep) else "source"
