"""Exact nearest neighbours found through products of half the precision.

Where the processor multiplies bfloat16 numbers, a matrix product of them takes half as long as one
of float32. How far the two can lie apart is bounded, so that every vector within that bound of the
k-th best is a candidate; a product in float32 decides between candidates. The result is that of a
search in float32.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Matrix = NDArray[np.float32]

# Corpus vectors in one product: what comes of it for a block of queries is read while it is cached.
_CHUNK = 8192
_MOST_ROWS = 2048
# Sums of float32 in another order.
_SUMMING = 4e-6


@functools.cache
def has_fast_products() -> bool:
    """Whether this processor multiplies bfloat16 numbers itself."""
    import torch

    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Corpus vectors of each query among which its k nearest are.

    Attributes:
        ids: Indices into the corpus in rising order, then whatever, shape (queries, room).
        counts: How many count; -1 where there were too many, shape (queries,).
    """

    ids: NDArray[np.int32]
    counts: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Halves:
    """A corpus in bfloat16.

    Attributes:
        vectors: Shape (corpus, dim).
        lost: The most that rounding moved a vector.
        longest: Length of the longest vector.
    """

    vectors: Tensor
    lost: float
    longest: float

    @classmethod
    def of(cls, corpus: Matrix) -> Halves:
        """A corpus of shape (corpus, dim), rounded."""
        import torch

        halves = torch.empty(corpus.shape, dtype=torch.bfloat16)
        worst, longest = 0.0, 0.0
        for at in range(0, len(corpus), _CHUNK):
            # Arrow's memory is read-only, of which torch warns: a copy of this part.
            part = torch.from_numpy(np.array(corpus[at : at + _CHUNK]))
            halves[at : at + _CHUNK] = part
            lost = part - halves[at : at + _CHUNK].float()
            worst = max(worst, float(torch.linalg.vector_norm(lost, dim=1).max()))
            longest = max(longest, float(torch.linalg.vector_norm(part, dim=1).max()))
        return cls(halves, worst, longest)


def candidates(queries: Matrix, corpus: Matrix, k: int, memory_mb: int) -> Candidates:
    """Where the k corpus vectors with the largest inner products are, with few others.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim), more than k of them.
        k: At least 1.
        memory_mb: Working memory beside a copy of the corpus in half its size.
    """
    from synth.algorithms.pool import room_for

    halves, room = Halves.of(corpus), room_for(k)
    each = 2 * _CHUNK + 6 * room + 8 * corpus.shape[1]
    rows = max(1, min(_MOST_ROWS, memory_mb * 2**20 // (each * threads())))
    ids, counts = np.empty((len(queries), room), np.int32), np.empty(len(queries), np.int64)

    def search(at: int) -> None:
        part = slice(at, at + rows)
        _search(queries[part], halves, k, ids[part], counts[part])

    in_threads(search, range(0, len(queries), rows))
    return Candidates(ids, counts)


def _search(
    queries: Matrix, halves: Halves, k: int, ids: NDArray[np.int32], counts: NDArray[np.int64]
) -> None:
    import torch

    from synth.algorithms.pool import empty_pool, take, thin_all

    block = torch.from_numpy(np.array(queries))
    half = block.bfloat16()
    long = torch.linalg.vector_norm(block, dim=1)
    lost = torch.linalg.vector_norm(block - half.float(), dim=1)
    # Cauchy and Schwarz, for both roundings.
    error = lost * halves.longest + (long + lost) * (halves.lost + _SUMMING * halves.longest)
    bound, every = error.numpy(), np.arange(len(ids))
    pool = empty_pool(ids, counts)
    corpus = halves.vectors
    scores = torch.empty((len(ids), min(_CHUNK, len(corpus))), dtype=torch.bfloat16)
    for at in range(0, len(corpus), _CHUNK):
        part = corpus[at : at + _CHUNK]
        out = scores if len(part) == scores.shape[1] else None
        bits = torch.mm(half, part.T, out=out).view(torch.int16).numpy()
        take(bits, every, at, k, bound, pool)
    thin_all(k, bound, pool)


def threads() -> int:
    """Threads that torch may use here."""
    import torch

    return int(torch.get_num_threads())


def in_threads(work: Callable[[int], None], parts: range | Iterator[int]) -> None:
    """Does each part of some work, as many at once as there are threads, each with one of torch.

    A product of torch uses all threads, and they wait for each other and for what comes between
    two products; parts that are apart wait for nothing.
    """
    import torch

    with ThreadPoolExecutor(threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in pool.map(work, parts):
            pass
