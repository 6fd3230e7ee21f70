"""`order_documents` on more rows than one process should hold; see `synth.steps.order_shards`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ray

from synth.steps.copies_on_ray import as_dataset
from synth.steps.order_shards import ordered_in_shards

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.steps.order_documents import OrderDocuments


class _Ray:
    """Tasks of Ray: values stay in its object store."""

    def run(self, function: Callable[..., Any], *args: Any, returns: int = 1) -> Any:  # noqa: ANN401
        """A promise of what the function returns; of several values a list of promises."""
        return ray.remote(function).options(num_cpus=1, num_returns=returns).remote(*args)

    def get(self, promised: list[Any]) -> list[Any]:
        """The values that were promised."""
        found: list[Any] = ray.get(promised)
        return found


def order_on_ray(step: OrderDocuments, dataset: Dataset) -> Dataset:
    """All rows in their order, each shard ordered by a task of its own."""
    blocks = dataset.to_arrow_refs()
    return as_dataset(ordered_in_shards(step, blocks, dataset.count(), _Ray()))
