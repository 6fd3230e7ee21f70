"""How good the texts of a run are, in figures that need no judge."""

from __future__ import annotations

from synth.quality.finding import Finding
from synth.quality.gather import Against, quality

__all__ = ["Against", "Finding", "quality"]
