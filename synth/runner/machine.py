"""What running a step takes."""

from __future__ import annotations

from dataclasses import dataclass

from synth.engines.specs import ModelSpec
from synth.plan import PlannedStep
from synth.runner.engines import EnginePool, Placement
from synth.runner.folder import RunFolder
from synth.runner.meter import MeterHandle
from synth.runner.work import Target

# Rows of one Parquet part.
PART_ROWS = 16_384


@dataclass(frozen=True)
class Machine:
    """What running a step takes.

    Attributes:
        folder: The run's folder.
        pool: The engines.
        placement: How many of them.
        meter: Gets counts.
    """

    folder: RunFolder
    pool: EnginePool
    placement: Placement
    meter: MeterHandle

    def target(self, step: PlannedStep) -> Target:
        """Where a step's rows go."""
        return Target(step.name, self.folder.step(step), step.schema)

    def specs(self, step: PlannedStep) -> dict[str, ModelSpec]:
        """The models that a step asks, by name."""
        return {name: self.folder.plan.recipe.models[name] for name in step.models}
