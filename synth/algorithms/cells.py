"""Nearest neighbours in an inverted file: a corpus in cells, of which a query looks at a few.

All queries that look at a cell are multiplied with it at once, so that the work is matrix products
and not one query's walk through lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.directions import mean_directions
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.rough_products import Candidates, Matrix, as_tensor, in_threads, threads

if TYPE_CHECKING:
    from torch import Tensor

# Vectors that each centre is learned from, and how often it moves: more finds no more neighbours.
_LEARNED_FROM, _ROUNDS = 24, 6
_BLOCK = 8192
# Of the cells that a query looks at, one in so many is looked at before all others.
_NEAREST = 16


@dataclass(frozen=True, slots=True)
class Cells:
    """A corpus in cells.

    Attributes:
        centres: Shape (cells, dim).
        order: Corpus indices, those of a cell together and in rising order, shape (corpus,).
        starts: Where each cell begins, and the end of the last, shape (cells + 1,).
        vectors: The corpus in that order, shape (corpus, dim).
    """

    centres: Tensor
    order: NDArray[np.int32]
    starts: Index
    vectors: Tensor

    def __len__(self) -> int:
        """How many there are."""
        return len(self.starts) - 1


def cells_of(corpus: Matrix, count: int) -> Cells:
    """The corpus around centres found by spherical k-means.

    Args:
        corpus: Shape (corpus, dim).
        count: Cells, at most as many as there are vectors.
    """
    import torch

    spread = np.linspace(0, len(corpus) - 1, min(len(corpus), _LEARNED_FROM * count))
    sample = corpus[spread.astype(np.int64)]
    centres = sample[np.linspace(0, len(sample) - 1, count).astype(np.int64)]
    for _ in range(_ROUNDS):
        centres = mean_directions(sample, _nearest(sample, centres), centres)
    cell = _nearest(corpus, centres)
    order = np.argsort(cell, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=count))])
    return Cells(torch.from_numpy(centres), order, starts, torch.from_numpy(corpus[order]))


def cell_ranks(cells: Cells, queries: Matrix, ids: Index) -> Index:
    """How many cells each query looks at before those of some corpus vectors.

    Args:
        cells: The corpus.
        queries: Shape (queries, dim).
        ids: Indices into the corpus, shape (queries, any).
    """
    of = np.empty(len(cells.order), np.int64)
    of[cells.order] = np.repeat(np.arange(len(cells)), np.diff(cells.starts))
    near = queries @ cells.centres.numpy().T
    ranks = np.empty(near.shape, np.int64)
    np.put_along_axis(ranks, np.argsort(-near, axis=1), np.arange(len(cells))[None], axis=1)
    return np.take_along_axis(ranks, of[ids], axis=1)


def candidates_in(
    cells: Cells, queries: Matrix, k: int, probes: int, slack: float, memory_mb: int
) -> Candidates:
    """The best corpus vectors of the cells that each query looks at, with some more than k.

    Args:
        cells: The corpus.
        queries: Shape (queries, dim).
        k: Neighbours wanted, at least 1.
        probes: Cells that each query looks at, those with the nearest centres.
        slack: How far below the k-th best product a candidate may be.
        memory_mb: Working memory.
    """
    from synth.algorithms.pool import room_for

    room = room_for(k)
    ids, counts = np.empty((len(queries), room), np.int32), np.empty(len(queries), np.int64)
    each = 6 * room + 12 * probes + 4 * len(cells) + 8 * queries.shape[1]
    # As many parts as threads at least.
    most = min(_BLOCK, -(-len(queries) // threads()))
    rows = max(1, min(most, memory_mb * 2**20 // (each * threads())))

    asked = as_tensor(queries)

    def search(at: int) -> None:
        part = slice(at, at + rows)
        _search(cells, asked[part], k, probes, slack, ids[part], counts[part])

    in_threads(search, range(0, len(queries), rows))
    return Candidates(ids, counts)


def _search(
    cells: Cells,
    asked: Tensor,
    k: int,
    probes: int,
    slack: float,
    ids: NDArray[np.int32],
    counts: NDArray[np.int64],
) -> None:
    import torch

    from synth.algorithms.pool import empty_pool, take, thin_all

    near = torch.topk(asked @ cells.centres.T, probes, dim=1).indices.numpy()
    # Candidates are kept down to twice the error.
    pool, error = empty_pool(ids, counts), np.full(len(ids), slack / 2, np.float32)
    # What is found in the nearest cells leaves little to be gathered in the others.
    first = max(1, probes // _NEAREST)
    for some in (near[:, :first], near[:, first:]):
        for cell, rows in _lookers(some, len(cells)):
            begin, behind = cells.starts[cell], cells.starts[cell + 1]
            if behind > begin:
                found = _products(asked[torch.from_numpy(rows)], cells.vectors[begin:behind])
                take(found, rows, begin, k, error, pool)
        thin_all(k, error, pool)
    _in_order(ids, counts, cells.order)


def _lookers(near: Index, cells: int) -> Iterator[tuple[int, Index]]:
    """Each cell that queries look at, and which do.

    Args:
        near: The cells of each query, shape (queries, any).
        cells: How many there are.
    """
    looked = near.ravel()
    who = np.argsort(looked, kind="stable") // max(1, near.shape[1])
    ends = np.cumsum(np.bincount(looked, minlength=cells))
    for cell in np.unique(looked).tolist():
        yield cell, who[ends[cell - 1] if cell else 0 : ends[cell]]


def _products(one: Tensor, other: Tensor) -> NDArray[np.int16]:
    """The bits of the products of two sets of vectors, written down as bfloat16.

    They are multiplied as float32, whatever would be faster: which neighbours are missed must not
    depend on the machine.
    """
    import torch

    bits: NDArray[np.int16] = torch.mm(one, other.T).bfloat16().view(torch.int16).numpy()
    return bits


def _nearest(vectors: Matrix, centres: Matrix) -> Index:
    """The centre with the largest inner product with each vector, shape (vectors,)."""
    from synth.algorithms.pool import argmax

    found, every = np.empty(len(vectors), np.int64), as_tensor(vectors)
    fixed = as_tensor(centres)

    def search(at: int) -> None:
        part = slice(at, at + _BLOCK)
        argmax(_products(every[part], fixed), found[part])

    in_threads(search, range(0, len(vectors), _BLOCK))
    return found


@kernel
def _in_order(ids: NDArray[np.int32], counts: Index, order: NDArray[np.int32]) -> None:
    """Turns places in cells into corpus indices, in rising order."""
    for row in range(len(ids)):
        count = counts[row]
        for at in range(count):
            ids[row, at] = order[ids[row, at]]
        if count > 0:
            ids[row, :count].sort()
