"""Exact nearest neighbours found through rough products.

A matrix product tells what each pair of vectors scores, to within a bound: that of its roundings,
where bfloat16 is multiplied because the machine does that faster, and that of writing it down in 16
bits. Every vector within that bound of the k-th best is a candidate; a product in float32 decides
between candidates. The result is that of a search in float32.
"""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, dtype

Matrix = NDArray[np.float32]

# Corpus vectors in one product: what comes of it for a block of queries is read while it is cached.
_CHUNK = 4096
_MOST_ROWS = 1024
# Vectors and dimensions of the product by which two kinds are compared, and how often it is tried.
_TRIED, _TRIES = (1024, 384), 5
# Sums of float32 in another order.
_SUMMING = 4e-6


@functools.cache
def half_is_faster() -> bool:
    """Whether this machine multiplies bfloat16 faster than float32; tried once, for 20 ms.

    That a processor has instructions for it does not tell. It changes no result.
    """
    import torch

    capable = torch.cpu.get_capabilities()
    if not (capable.get("avx512_bf16") or capable.get("amx_bf16")):
        return False
    took = [_product_s(kind) for kind in (torch.bfloat16, torch.float32)]
    return took[0] < took[1]


def _product_s(kind: dtype) -> float:
    """Seconds of one product, the best of some."""
    import torch

    one, other = torch.ones(_TRIED, dtype=kind), torch.ones(_TRIED, dtype=kind)
    found = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        torch.mm(one, other.T)
        found.append(time.perf_counter() - started)
    return min(found)


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
class Rough:
    """A corpus as it is multiplied.

    Attributes:
        vectors: Shape (corpus, dim).
        lost: The most that rounding moved a vector.
        longest: Length of the longest vector.
    """

    vectors: Tensor
    lost: float
    longest: float

    @classmethod
    def of(cls, corpus: Matrix) -> Rough:
        """A corpus of shape (corpus, dim)."""
        import torch

        whole = as_tensor(corpus)
        if not half_is_faster():
            return cls(whole, 0.0, float(torch.linalg.vector_norm(whole, dim=1).max()))
        halves = torch.empty(corpus.shape, dtype=torch.bfloat16)
        worst, longest = 0.0, 0.0
        for at in range(0, len(corpus), _CHUNK):
            part = whole[at : at + _CHUNK]
            halves[at : at + _CHUNK] = part
            lost = part - halves[at : at + _CHUNK].float()
            worst = max(worst, float(torch.linalg.vector_norm(lost, dim=1).max()))
            longest = max(longest, float(torch.linalg.vector_norm(part, dim=1).max()))
        return cls(halves, worst, longest)


def as_tensor(vectors: Matrix) -> Tensor:
    """The same memory for torch, which warns of memory that is read-only, as Arrow's is."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(vectors)


def candidates(queries: Matrix, corpus: Matrix, k: int, memory_mb: int) -> Candidates:
    """Where the k corpus vectors with the largest inner products are, with few others.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim), more than k of them.
        k: At least 1.
        memory_mb: Working memory, where bfloat16 is multiplied beside a copy of the corpus in half
            its size.
    """
    from synth.algorithms.pool import room_for

    rough, room = Rough.of(corpus), room_for(k)
    each = 6 * _CHUNK + 6 * room + 8 * corpus.shape[1]
    rows = max(1, min(_MOST_ROWS, memory_mb * 2**20 // (each * threads())))
    ids, counts = np.empty((len(queries), room), np.int32), np.empty(len(queries), np.int64)
    every = as_tensor(queries)

    def search(at: int) -> None:
        part = slice(at, at + rows)
        _search(every[part], rough, k, ids[part], counts[part])

    in_threads(search, range(0, len(queries), rows))
    return Candidates(ids, counts)


def _search(
    queries: Tensor, rough: Rough, k: int, ids: NDArray[np.int32], counts: NDArray[np.int64]
) -> None:
    import torch

    from synth.algorithms.pool import empty_pool, take, thin_all

    corpus = rough.vectors
    asked = queries.to(corpus.dtype)
    long = torch.linalg.vector_norm(queries, dim=1)
    lost = torch.linalg.vector_norm(queries - asked.float(), dim=1)
    # Cauchy and Schwarz, for both roundings.
    error = lost * rough.longest + (long + lost) * (rough.lost + _SUMMING * rough.longest)
    bound, every = error.numpy(), np.arange(len(ids))
    pool = empty_pool(ids, counts)
    scores = torch.empty((len(ids), min(_CHUNK, len(corpus))), dtype=corpus.dtype)
    for at in range(0, len(corpus), _CHUNK):
        part = corpus[at : at + _CHUNK]
        out = scores if len(part) == scores.shape[1] else None
        bits = torch.mm(asked, part.T, out=out).bfloat16().view(torch.int16).numpy()
        take(bits, every, at, k, bound, pool)
    thin_all(k, bound, pool)


def threads() -> int:
    """Threads that torch may use here."""
    import torch

    return int(torch.get_num_threads())


def in_threads(work: Callable[[int], None], parts: range) -> None:
    """Does each part of some work, as many at once as there are threads, each with one of torch.

    A product of torch uses all threads, and they wait for each other and for what comes between
    two products; parts that are apart wait for nothing.
    """
    import torch

    with ThreadPoolExecutor(threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in pool.map(work, parts):
            pass
