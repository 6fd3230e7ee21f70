"""The dataset card."""

from __future__ import annotations

from synth.card.loading import addressed
from synth.card.metadata import metadata
from synth.card.quality import with_quality
from synth.card.run_info import RunInfo
from synth.card.sections import render_card

__all__ = ["RunInfo", "addressed", "metadata", "render_card", "with_quality"]
