"""What a recipe will do, worked out and proved before any model is loaded."""

from __future__ import annotations

from synth.plan.making import make_plan
from synth.plan.planned import Plan, PlannedSource, PlannedStep, kind_of

__all__ = ["Plan", "PlannedSource", "PlannedStep", "kind_of", "make_plan"]
