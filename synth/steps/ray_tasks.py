"""Functions run by tasks of Ray, whose values stay in its object store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray

from synth.steps.tasks import Value


class RayTasks:
    """Tasks of Ray, a core each."""

    def run(self, function: Callable[..., Any], *args: Value, returns: int | None = None) -> Value:
        """A promise of what the function returns; of several values a list of promises."""
        if returns == 1:
            # Of one value Ray makes no list.
            return [ray.remote(_only).options(num_cpus=1).remote(function, *args)]
        return ray.remote(function).options(num_cpus=1, num_returns=returns or 1).remote(*args)

    def get(self, promised: Sequence[Value]) -> list[Any]:
        """The values that were promised."""
        found: list[Any] = ray.get(list(promised))
        return found


def _only(function: Callable[..., Any], *args: Value) -> Any:  # noqa: ANN401
    return function(*args)[0]
