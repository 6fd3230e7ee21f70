"""A recipe: what to make, as data. Nothing in it says on which machine."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from synth.core.errors import RecipeError
from synth.core.step import NAME, Name
from synth.engines.specs import ModelSpec
from synth.formats import ExportSpec
from synth.inputs.messages import first_problem
from synth.inputs.shipped import find, shipped_names
from synth.inputs.sources import SourceSpec
from synth.inputs.yaml_text import read_yaml
from synth.steps import AnyStep, Generate

SOURCE = "source"
EXPORT = "export"


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _as_text(value: object) -> object:
    """YAML reads ``version: 1`` as a number."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class TaskGroup(BaseModel):
    """Configurations of a dataset that a trainer takes as one kind of task.

    Attributes:
        share: Share of all batches that are of this kind, relative to the other groups.
        configs: The configurations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    share: PositiveFloat = 1.0
    configs: Annotated[tuple[Name, ...], Field(min_length=1)]


class SamplingWeights(BaseModel):
    """How often a trainer should take a batch from each configuration; the card has the numbers.

    Within a group a configuration of ``l`` rows weighs ``l ** exponent``.

    Attributes:
        exponent: 1 takes every row as often as any other, 0 every configuration.
        groups: Kinds of tasks by name.

    Source:
        Sampling of QZhou-Embedding (arXiv:2508.21632), whose second stage gives retrieval 0.72.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    exponent: Annotated[float, Field(ge=0, le=1)] = 0.5
    groups: Annotated[dict[str, TaskGroup], Field(min_length=1)]

    @property
    def configs(self) -> list[str]:
        """The configurations of all groups."""
        return [config for group in self.groups.values() for config in group.configs]


class CardSpec(BaseModel):
    """What the dataset card says that no run can find out. It changes no row.

    Attributes:
        license: Identifier of the dataset's licence as the Hub knows it, such as ``cc-by-4.0``.
        languages: Codes of the languages of the rows, such as ``en``.
        tags: Further tags.
        source_datasets: Names of the datasets that the documents come from.
        sampling: How often a trainer should take each configuration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    license: str | None = None
    languages: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source_datasets: tuple[str, ...] = ()
    sampling: SamplingWeights | None = None


class Recipe(BaseModel):
    """What to make: a source, models, steps in their order, and how the dataset is written.

    Attributes:
        name: Name of the dataset and of its folder under `outputs/`.
        version: Raise it when the recipe changes; each version is a run of its own.
        description: One line for lists and the card.
        family: What kind of method it is, for the gallery.
        papers: Where the method comes from: a name and where it can be read.
        seed: Every draw of a generate step comes from it and the row's id.
        source: The main source; steps call it ``source``.
        sources: Further sources, by name.
        models: Models, by name.
        steps: Steps in the order in which they run.
        export: How the dataset is written; a list becomes several configurations of the dataset.
        card: What the dataset card says beside what the run knows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    version: Annotated[Name, BeforeValidator(_as_text)] = "1"
    description: str = ""
    family: str = ""
    papers: tuple[str, ...] = ()
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    source: SourceSpec
    sources: dict[Name, SourceSpec] = {}
    models: dict[Name, ModelSpec] = {}
    steps: Annotated[tuple[AnyStep, ...], Field(min_length=1)]
    export: Annotated[tuple[ExportSpec, ...], Field(min_length=1), BeforeValidator(_listed)]
    card: CardSpec = CardSpec()

    # Where relative paths start from, and the text it was read from: neither is part of the recipe.
    _base: Path = PrivateAttr(default_factory=Path.cwd)
    _text: str = PrivateAttr(default="")

    @field_validator("sources")
    @classmethod
    def _keeps_source_free(cls, sources: dict[str, SourceSpec]) -> dict[str, SourceSpec]:
        if SOURCE in sources:
            raise ValueError("the name 'source' belongs to the main `source`; choose another")
        return sources

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen = {SOURCE: SOURCE, EXPORT: EXPORT, **dict.fromkeys(self.sources, "a source")}
        for name, step in self.named_steps():
            if not re.fullmatch(NAME, name):  # a prompt's file may be called anything
                raise ValueError(
                    f"step {step.kind!r} cannot be called {name!r} after its prompt; give it a "
                    "`name` of letters, digits and ._-"
                )
            if name in seen:
                raise ValueError(
                    f"step {step.kind!r} is called {name!r}, as is {seen[name]}; "
                    "give it a `name` of its own"
                )
            seen[name] = "another step"
        return self

    @model_validator(mode="after")
    def _exports_are_one_dataset(self) -> Self:
        names = [export.name for export in self.export]
        if len(set(names)) < len(names):
            raise ValueError("two exports have one name; give each a `name` of its own")
        configs = [config for export in self.export for config in export.configs()]
        if twice := [name for name in configs if configs.count(name) > 1]:
            raise ValueError(
                f"two exports have a configuration {twice[0]!r}; give one of them another `name`"
            )
        first = self.export[0]
        for export in self.export:
            if export.files != first.files:
                raise ValueError(
                    f"export {export.name!r} is written as {export.files} and {first.name!r} as "
                    f"{first.files}, but `datasets` opens one kind of files in one dataset; say "
                    "`files: jsonl` in each, or put one into a recipe of its own"
                )
        return self

    @model_validator(mode="after")
    def _weighs_what_it_exports(self) -> Self:
        weighed = [] if self.card.sampling is None else self.card.sampling.configs
        there = [config for export in self.export for config in export.configs()]
        for config in weighed:
            if config not in there:
                raise ValueError(
                    f"card.sampling weighs {config!r}; the exports have {', '.join(there)}"
                )
            if weighed.count(config) > 1:
                raise ValueError(f"card.sampling weighs {config!r} twice")
        return self

    @property
    def base(self) -> Path:
        """The folder that relative paths start from: that of the recipe's file."""
        return self._base

    @property
    def text(self) -> str:
        """The recipe as YAML: its file as it stands, or one made from the object."""
        if self._text:
            return self._text
        data = _stated(self)
        data["source"] = _stated(self.source, kind=self.source.kind)
        data["sources"] = {n: _stated(one, kind=one.kind) for n, one in self.sources.items()}
        data["models"] = {n: _stated(one, kind=one.kind) for n, one in self.models.items()}
        data["steps"] = [_stated(step, kind=step.kind) for step in self.steps]
        data["export"] = [_stated(one, format=one.format) for one in self.export]
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def all_sources(self) -> Mapping[str, SourceSpec]:
        """Every source by the name that steps call it."""
        return {SOURCE: self.source, **self.sources}

    def named_steps(self) -> list[tuple[str, AnyStep]]:
        """Every step with its name: the one given, else its prompt's, else its kind."""
        return [(step.name or _default_name(step), step) for step in self.steps]

    def placed(self, base: Path, text: str = "") -> Self:
        """The same recipe, read from a file in the folder `base` that holds `text`."""
        copy = self.model_copy()
        copy._base, copy._text = base, text
        return copy


def _stated(model: BaseModel, **tag: str) -> dict[str, Any]:
    """What differs from the defaults, a rule that is switched off among it, and its tag."""
    return {**tag, **model.model_dump(mode="json", by_alias=True, exclude_defaults=True)}


def _default_name(step: AnyStep) -> str:
    return Path(step.prompt).stem if isinstance(step, Generate) else step.kind


def load_recipe(name: str) -> Recipe:
    """The recipe with a shipped name, or in the file of a path.

    Raises:
        RecipeError: If there is none, or its file is wrong; the message names file and place.
    """
    path = find("recipes", name, Path.cwd())
    if path is None:
        names = shipped_names("recipes")
        near = difflib.get_close_matches(Path(name).stem, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`synth recipes` lists those that ship"
        raise RecipeError(f"there is no recipe {name!r}; {hint} (or give the path of a .yaml file)")
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as error:
        raise RecipeError(f"recipe {path} cannot be read as UTF-8 text: {error}") from error
    return parse_recipe(text, str(path)).placed(path.resolve().parent, text)


def parse_recipe(text: str, where: str) -> Recipe:
    """The recipe in a YAML text.

    Args:
        text: The whole file.
        where: What to call the file in messages.

    Raises:
        RecipeError: If it is no recipe.
    """
    raw = read_yaml(text, where)
    if not isinstance(raw, dict):
        raise RecipeError(
            f"{where} must be a mapping such as `name: ...`, not "
            f"{'an empty file' if raw is None else type(raw).__name__}"
        )
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(f"{where}: {first_problem(error, Recipe)}") from error
    except RecursionError as error:
        raise RecipeError(f"{where} is nested too deeply for a recipe") from error
