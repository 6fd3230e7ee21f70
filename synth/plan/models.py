"""The models of a recipe, and what identifies each."""

from __future__ import annotations

import difflib
from typing import get_args

from synth.core.errors import EngineError, RecipeError
from synth.engines.identity import identity, package_versions
from synth.engines.specs import ModelSpec
from synth.plan.planned import Ingredients
from synth.recipe import Recipe


class Models:
    """The recipe's models and what identifies each, found out once."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._identities: dict[str, str] = {}

    def spec(self, place: str, name: str, kinds: tuple[type, ...], what: str) -> ModelSpec:
        """The model that a step names.

        Raises:
            RecipeError: If there is none, or it is of another kind than those allowed.
        """
        models = self.recipe.models
        if name not in models:
            near = difflib.get_close_matches(name, models, n=1)
            known = ", ".join(models) or "none"
            hint = f"did you mean {near[0]!r}?" if near else f"`models` has {known}"
            raise RecipeError(f"{place}: there is no model {name!r}; {hint}")
        spec = models[name]
        if not isinstance(spec, kinds):
            allowed = ", ".join(_kind(kind) for kind in kinds)
            raise RecipeError(
                f"{place}: model {name!r} is of kind {spec.kind}, which is no {what}; "
                f"{what}s are {allowed}"
            )
        return spec

    def identity(self, name: str) -> str:
        """What tells the model from every other.

        Raises:
            EngineError: If it does not exist.
        """
        if name not in self._identities:
            try:
                self._identities[name] = identity(self.recipe.models[name])
            except EngineError as error:
                raise EngineError(f"model {name!r}: {error}") from error
        return self._identities[name]

    def ingredients(self, name: str) -> Ingredients:
        """Everything of the model that can change rows."""
        spec = self.recipe.models[name]
        packages = package_versions(spec.packages)
        return {
            f"model {name}": self.identity(name),
            **{f"package {package}": found for package, found in packages.items()},
        }


def _kind(spec: type) -> str:
    return str(get_args(spec.model_fields["kind"].annotation)[0])  # type: ignore[attr-defined]
