"""Exact nearest neighbours found through products of half the precision.

Where the processor multiplies bfloat16 numbers, a matrix product of them takes half as long as one
of float32. How far the two can lie apart is bounded, so that every vector within that bound of the
k-th best is a candidate; a product in float32 decides between candidates. The result is that of a
search in float32.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import kernel

if TYPE_CHECKING:
    from torch import Tensor

Matrix = NDArray[np.float32]
_Keys = NDArray[np.int16]

# Corpus vectors in one product: what comes of it for a block of queries is read while it is cached.
_CHUNK = 8192
# Scores looked at together: most groups have none that matters.
_GROUP = 64
# Candidates a query may have beside those wanted before they are thinned out.
_ROOM = 512
# A bfloat16 has 8 bits of precision; twice the error of rounding to nearest is on the safe side.
_ROUNDING = 2.0**-8
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


def candidates(queries: Matrix, corpus: Matrix, k: int, memory_mb: int) -> Candidates:
    """Where the k corpus vectors with the largest inner products are, with few others.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim), more than k of them.
        k: At least 1.
        memory_mb: Working memory beside a copy of the corpus in half its size.
    """
    import torch

    halves = torch.empty(corpus.shape, dtype=torch.bfloat16)
    worst_c, longest_c = 0.0, 0.0
    for at in range(0, len(corpus), _CHUNK):
        # Arrow's memory is read-only, of which torch warns: a copy of this part.
        part = torch.from_numpy(np.array(corpus[at : at + _CHUNK]))
        halves[at : at + _CHUNK] = part
        lost = part - halves[at : at + _CHUNK].float()
        worst_c = max(worst_c, float(torch.linalg.vector_norm(lost, dim=1).max()))
        longest_c = max(longest_c, float(torch.linalg.vector_norm(part, dim=1).max()))
    room = 2 * k + _ROOM
    rows = max(1, min(2048, memory_mb * 2**20 // (2 * _CHUNK + 6 * room + 8 * corpus.shape[1])))
    ids, counts = np.empty((len(queries), room), np.int32), np.empty(len(queries), np.int64)
    for at in range(0, len(queries), rows):
        block = torch.from_numpy(np.array(queries[at : at + rows]))
        half = block.bfloat16()
        long = torch.linalg.vector_norm(block, dim=1)
        lost = torch.linalg.vector_norm(block - half.float(), dim=1)
        # Cauchy and Schwarz, for both roundings.
        error = lost * longest_c + (long + lost) * (worst_c + _SUMMING * longest_c)
        _search(half, halves, error.numpy(), k, ids[at : at + rows], counts[at : at + rows])
    return Candidates(ids, counts)


class _Pool(NamedTuple):
    """Candidates of some queries as they are found.

    Attributes:
        keys: What their products rank by, shape (queries, room).
        ids: Their indices, shape (queries, room).
        counts: How many count; -1 where there were too many, shape (queries,).
        floors: The keys that those to come must reach, shape (queries,).
    """

    keys: _Keys
    ids: NDArray[np.int32]
    counts: NDArray[np.int64]
    floors: _Keys


def _search(
    half: Tensor,
    halves: Tensor,
    error: Matrix,
    k: int,
    ids: NDArray[np.int32],
    counts: NDArray[np.int64],
) -> None:
    import torch

    counts[:] = 0
    lowest = np.full(len(ids), np.iinfo(np.int16).min, np.int16)
    pool = _Pool(np.empty(ids.shape, np.int16), ids, counts, lowest)
    scores = torch.empty((len(ids), min(_CHUNK, len(halves))), dtype=torch.bfloat16)
    for at in range(0, len(halves), _CHUNK):
        part = halves[at : at + _CHUNK]
        out = scores if len(part) == scores.shape[1] else None
        bits = torch.mm(half, part.T, out=out).view(torch.int16).numpy()
        _take(bits, at, k, error, pool)
    _thin_all(k, error, pool)


@kernel
def _take(bits: _Keys, first: int, k: int, error: Matrix, pool: _Pool) -> None:
    """Adds those of some corpus vectors to the candidates that can still be among the k best."""
    width = bits.shape[1]
    for query in range(len(bits)):
        for begin in range(0, width, _GROUP):
            end = min(begin + _GROUP, width)
            floor = pool.floors[query]
            # The bits of numbers from 0 on rise as they do, those of others are negative.
            reaching = _count_from(bits[query, begin:end], floor) if floor >= 0 else 1
            if reaching == 0:
                continue
            for at in range(begin, end):
                word = bits[query, at]
                if word < floor and floor >= 0:
                    continue
                key = _key(word)
                if key >= pool.floors[query] and pool.counts[query] >= 0:
                    _add(query, key, first + at, k, error[query], pool)


@kernel
def _count_from(bits: _Keys, floor: np.int16) -> int:
    """How many are at least `floor`: counting takes no branch, and so many at once."""
    found = 0
    for at in range(len(bits)):
        found += bits[at] >= floor
    return found


@kernel
def _add(query: int, key: np.int16, text: int, k: int, error: float, pool: _Pool) -> None:
    """Adds one to a query's candidates; where there is no room, the worst of them go first."""
    if pool.counts[query] == pool.ids.shape[1]:
        _thin(query, k, error, pool)
    count = pool.counts[query]
    if count >= 0 and key >= pool.floors[query]:
        pool.keys[query, count], pool.ids[query, count] = key, text
        pool.counts[query] = count + 1


@kernel
def _thin_all(k: int, error: Matrix, pool: _Pool) -> None:
    for query in range(len(pool.ids)):
        if pool.counts[query] > k:
            _thin(query, k, error[query], pool)


@kernel
def _thin(query: int, k: int, error: float, pool: _Pool) -> None:
    """Leaves the candidates that can be among the k best."""
    count = pool.counts[query]
    value = _value(np.partition(pool.keys[query, :count], count - k)[count - k])
    # What is truly among the k best lies at most twice the error below the k-th best found.
    rounding = _ROUNDING * (abs(value) + 2 * error) / (1 - _ROUNDING)
    floor = _floor_key(np.float32(value - 2 * (error + rounding)))
    left = 0
    for at in range(count):
        if pool.keys[query, at] >= floor:
            pool.keys[query, left], pool.ids[query, left] = (
                pool.keys[query, at],
                pool.ids[query, at],
            )
            left += 1
    pool.floors[query] = floor
    # Hundreds as good as equal: not for this search.
    pool.counts[query] = left if 4 * left < 3 * pool.ids.shape[1] else -1


@kernel
def _key(bits: np.int16) -> np.int16:
    """A number that rises as the bfloat16 does which has these bits."""
    return np.int16(bits ^ ((bits >> np.int16(15)) & np.int16(0x7FFF)))


@kernel
def _value(key: np.int16) -> np.float32:
    """The bfloat16 of a key."""
    word = np.empty(1, np.int32)
    word[0] = np.int32(_key(key)) << np.int32(16)
    return np.float32(word.view(np.float32)[0])


@kernel
def _floor_key(value: np.float32) -> np.int16:
    """The lowest key that no bfloat16 of at least this value is below."""
    word = np.empty(1, np.float32)
    word[0] = value
    bits = word.view(np.int32)[0]
    return np.int16((bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))) >> np.int32(16))
