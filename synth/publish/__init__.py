"""A finished run as a dataset of the Hugging Face Hub."""

from __future__ import annotations

from synth.publish.publishing import publish
from synth.publish.result import Published

__all__ = ["Published", "publish"]
