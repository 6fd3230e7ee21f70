"""The models on the Hub whose words are in a dataset."""

from __future__ import annotations

import re

from synth.core.paths import is_folder, user_path
from synth.recipe import Recipe
from synth.steps import Generate

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
# What the models are that come as Python packages.
_BUNDLED = {
    "bundled/smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "bundled/all-minilm-l6-v2": "sentence-transformers/all-MiniLM-L6-v2",
}


def base_models(recipe: Recipe) -> list[str]:
    """Ids of the LLMs that wrote or judged, those that are Hub ids, each once."""
    steps = [step for _, step in recipe.named_steps() if isinstance(step, Generate)]
    asked = [recipe.models[name] for step in steps for name in step.weights]
    named = [_BUNDLED.get(spec.model, spec.model) for spec in asked if spec.kind != "fake"]
    found = [name for name in named if HUB_ID.fullmatch(name) and not _is_local(recipe, name)]
    return list(dict.fromkeys(found))


def _is_local(recipe: Recipe, name: str) -> bool:
    return is_folder(user_path(name)) or is_folder(recipe.base / name)
