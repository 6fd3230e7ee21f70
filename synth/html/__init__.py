"""Pieces of a page: what notebooks and reports show of a run, as HTML without any script."""

from __future__ import annotations

from synth.html.render import Fragment, fragment

__all__ = ["Fragment", "fragment"]
