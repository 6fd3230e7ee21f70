"""A recipe worked out, as data."""

from __future__ import annotations

from dataclasses import dataclass

from synth.core.ids import fingerprint
from synth.core.prompt import Prompt
from synth.core.rows import Schema
from synth.core.step import EncodeStep
from synth.formats import ExportSpec
from synth.inputs.sources import SourceSpec
from synth.recipe import Recipe
from synth.steps import AnyStep, Generate
from synth.steps.generate import Generation

Ingredients = dict[str, str]


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
    def makes_rows(self) -> bool:
        """Whether rows of its own may stand beside or instead of those that it reads."""
        by_llm = self.generation is not None and self.generation.makes_rows
        return by_llm or self.step.makes_rows

    @property
    def adds(self) -> frozenset[str]:
        """Names of the columns that it adds, or fills again."""
        fields = self.step.adds() if self.generation is None else self.generation.adds()
        return frozenset(field.name for field in fields)

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


def kind_of(table: PlannedSource | PlannedStep) -> str:
    """``source`` or the step's kind."""
    return table.step.kind if isinstance(table, PlannedStep) else "source"
