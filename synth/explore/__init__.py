"""A local page to look through a run: search, filter, a map, neighbours, flags and selections."""

from __future__ import annotations

from synth.explore.explorer import Explorer
from synth.explore.query import Query
from synth.explore.server import make_app, serve

__all__ = ["Explorer", "Query", "make_app", "serve"]
