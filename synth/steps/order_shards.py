"""Many documents ordered in shards of similar ones, here or on Ray.

A sample of the rows is clustered; clusters are chained, each behind one that is like it, and the
chain is cut into shards of equal size. Each shard is ordered by itself; on a path it is turned so
that its ends fit those of its neighbours. Nothing depends on how rows are cut into blocks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.clusters import centroids, chained, nearest, shares
from synth.algorithms.neighbors import Vectors
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.steps import cells
from synth.steps.entry_lists import text_keys
from synth.steps.order_documents import OrderDocuments
from synth.steps.order_facts import Told, facts
from synth.steps.order_rows import moved, ordered_rows, unit_vectors
from synth.steps.tasks import Tasks, Value
from synth.steps.whole import by_id, with_facts

Index = NDArray[np.int64]

# Clusters for each shard: so many can be shared out evenly.
_CLUSTERS = 8
# Rows of the sample for each cluster.
_SAMPLED = 64


def ordered_in_shards(
    step: OrderDocuments, blocks: Sequence[Value], count: int, tasks: Tasks
) -> list[Value]:
    """Tables of all rows, or promises of them, in their order.

    Args:
        step: The step.
        blocks: Tables of rows, or promises of them.
        count: Rows of all blocks.
        tasks: Where the work is done.

    Raises:
        EngineError: If vectors are not usable, or of several sizes.
    """
    parts = _cut(step, blocks, count, tasks) if step.in_shards(count) else [tuple(blocks)]
    done = [tasks.run(_shard, step, *part, returns=2) for part in parts]
    told: list[Told] = tasks.get([one[1] for one in done])
    turned = _turned(step, told)
    tables, position, window = [], 0, 0
    shown = facts(step, told, turned)
    for (table, _), one, turn in zip(done, told, turned, strict=True):
        tables.append(tasks.run(_placed, table, one.kept, position, window, turn, shown))
        position, window = position + one.kept, window + one.windows
    return tables


def _cut(
    step: OrderDocuments, blocks: Sequence[Value], count: int, tasks: Tasks
) -> list[tuple[Value, ...]]:
    """The rows of each shard, as one table for each block."""
    wanted = -(-count // step.shard_documents) * _CLUSTERS
    share = min(1.0, wanted * _SAMPLED / count)
    sampled = tasks.get([tasks.run(_sample, block, step, share) for block in blocks])
    _check_sizes(step, [found.shape[1] for _, found in sampled])
    sampled = [(ids, found) for ids, found in sampled if len(found)]
    if not sampled:
        return [tuple(blocks)]
    order = pa.compute.array_sort_indices(pa.concat_arrays([ids for ids, _ in sampled])).to_numpy()
    vectors = np.concatenate([found for _, found in sampled])[order]
    centers = centroids(vectors, wanted, step.seed)
    centers = centers[chained(centers)]
    near = [tasks.run(_clusters, block, step, centers, returns=2) for block in blocks]
    sizes = np.sum(tasks.get([one[1] for one in near]), axis=0)
    of_clusters = shares(sizes, step.shard_documents)
    shards = int(of_clusters.max()) + 1
    parts = [
        tasks.run(_split, block, own[0], of_clusters, returns=shards)
        for block, own in zip(blocks, near, strict=True)
    ]
    return list(zip(*parts, strict=True))


def _check_sizes(step: OrderDocuments, sizes: Sequence[int]) -> None:
    """Proves that the vectors of all blocks are of one size; those of empty blocks have none."""
    found = sorted({size for size in sizes if size})
    if len(found) > 1:
        raise EngineError(
            f"rows have vectors of {found[0]} numbers in `{step.vector}`, others of {found[-1]}; "
            "embed the whole column with one model"
        )


def _sample(table: Table, step: OrderDocuments, share: float) -> tuple[pa.Array, Vectors]:
    """Ids and vectors of some rows, drawn by their ids; only of those that have a vector."""
    ids = table.column("id").combine_chunks().cast(pa.large_string())
    vectors = unit_vectors(step, table)
    is_drawn = text_keys(ids) <= np.uint64(share * (2**64 - 2**11))
    drawn = np.flatnonzero(is_drawn & vectors.any(axis=1))
    return ids.take(pa.array(drawn)), vectors[drawn]


def _clusters(table: Table, step: OrderDocuments, centers: Vectors) -> tuple[Index, Index]:
    """The cluster of each row, and the rows of each cluster."""
    vectors = unit_vectors(step, table)
    of, there = np.zeros(table.num_rows, np.int64), vectors.any(axis=1)
    if there.any():
        of[there] = nearest(vectors[there], centers)
    return of, np.bincount(of, minlength=len(centers))


def _split(table: Table, of: Index, of_clusters: Index) -> list[Table]:
    """The rows of each shard."""
    shard = of_clusters[of]
    return [
        table.take(pa.array(np.flatnonzero(shard == one)))
        for one in range(int(of_clusters.max()) + 1)
    ]


def _shard(step: OrderDocuments, *parts: Table) -> tuple[Table, Told]:
    table = by_id(pa.concat_tables(parts))
    cells.check_ids(table)
    return ordered_rows(step, table)


def _turned(step: OrderDocuments, told: Sequence[Told]) -> list[bool]:
    """Whether the order of each shard is turned round; one without a document is left."""
    found = [False] * len(told)
    if step.objective == "path":
        there = [at for at, one in enumerate(told) if one.kept]
        for at, turn in zip(there, turns([told[at].ends for at in there]), strict=True):
            found[at] = turn
    return found


def turns(ends: Sequence[Vectors]) -> list[bool]:
    """Which of several paths to turn round, so that ends that meet are as similar as can be.

    Args:
        ends: The vectors of the first and the last document of each path, shape (2, dim).
    """
    # The best sum so far if a path is not turned and if it is, and what was chosen before.
    best, chosen = np.zeros(2), list[NDArray[np.int64]]()
    for before, after in itertools.pairwise(ends):
        # Not turned, a path ends with its last document and begins with its first.
        sums = best[:, None] + before[::-1] @ after.T
        chosen.append(sums.argmax(axis=0))
        best = sums.max(axis=0)
    found = [int(best.argmax())] if len(ends) else []
    for choice in reversed(chosen):
        found.append(int(choice[found[-1]]))
    return [bool(one) for one in reversed(found)]


def _placed(
    table: Table,
    kept: int,
    position: int,
    window: int,
    turned: bool,  # noqa: FBT001
    shown: dict[str, str],
) -> Table:
    return with_facts(moved(table, kept, position, window, turned=turned), shown)
