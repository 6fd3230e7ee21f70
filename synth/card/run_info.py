"""What a dataset card is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from synth.core.prompt import Prompt
from synth.export import Written
from synth.manifest import StepRecord
from synth.recipe import Recipe


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What the card is made from.

    Attributes:
        recipe: The recipe.
        records: Of sources, steps and the export, in their order.
        prompts: The prompt files that the steps use.
        models: What identifies each model, by its name in the recipe.
        configs: What is in each configuration, by its name, the one that opens by itself first.
        run_date: Day on which the run ended, ISO 8601.
        packages: Version of each package that can change the rows, `synth-recipes` among them.
        limit: How many records were read of the main source; None for all.
        figures: What was measured of the rows, by export or whatever was measured: value by name.
    """

    recipe: Recipe
    records: Sequence[StepRecord]
    prompts: Sequence[Prompt]
    models: Mapping[str, str]
    configs: Mapping[str, Written]
    run_date: str
    packages: Mapping[str, str]
    limit: int | None = None
    figures: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def filled(self) -> dict[str, Written]:
        """The configurations that have a row."""
        return {name: one for name, one in self.configs.items() if one.splits}

    @property
    def columns(self) -> list[str]:
        """The columns of all configurations."""
        return [name for one in self.configs.values() if one.schema for name in one.schema.names]
