"""`synth` turns documents and open-weight LLMs into training data that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Recipe", "__version__", "load_recipe", "open_run", "run"]

if TYPE_CHECKING:
    from synth.recipe import Recipe, load_recipe
    from synth.runner import run
    from synth.view import open_run

# Imported when first used: `import synth` loads neither Ray nor pyarrow.
_HOMES = {
    "Recipe": "synth.recipe",
    "load_recipe": "synth.recipe",
    "run": "synth.runner",
    "open_run": "synth.view",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  (any of the names above)
    if name not in _HOMES:
        raise AttributeError(f"module 'synth' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
