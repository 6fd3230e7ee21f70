"""Floor 4: the one that knows machines. Plans are executed on Ray."""

from __future__ import annotations

from synth.runner.engines import Placement
from synth.runner.session import Budget, Outcome, run

__all__ = ["Budget", "Outcome", "Placement", "run"]
