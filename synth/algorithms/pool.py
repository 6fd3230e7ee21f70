"""The best of many products of bfloat16 numbers, gathered block by block in compiled code.

A product is known by its 16 bits, which rank as the number does after a change of sign; no block of
products is ever turned into float32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, kernel

Matrix = NDArray[np.float32]
Keys = NDArray[np.int16]

# Scores looked at together: most groups have none that matters.
GROUP = 64
# Candidates a query may have beside those wanted before they are thinned out.
_ROOM = 512
# A bfloat16 has 8 bits of precision; twice the error of rounding to nearest is on the safe side.
_ROUNDING = 2.0**-8


class Pool(NamedTuple):
    """Candidates of some queries as they are found.

    Attributes:
        keys: What their products rank by, shape (queries, room).
        ids: Their indices, shape (queries, room).
        counts: How many count; -1 where there were too many, shape (queries,).
        floors: The keys that those to come must reach, shape (queries,).
    """

    keys: Keys
    ids: NDArray[np.int32]
    counts: Index
    floors: Keys


def room_for(k: int) -> int:
    """Candidates that a query may have at once."""
    return 2 * k + _ROOM


def empty_pool(ids: NDArray[np.int32], counts: Index) -> Pool:
    """A pool that gathers its candidates in `ids` and `counts`."""
    counts[:] = 0
    lowest = np.full(len(ids), np.iinfo(np.int16).min, np.int16)
    return Pool(np.empty(ids.shape, np.int16), ids, counts, lowest)


@kernel
def take(bits: Keys, queries: Index, first: int, k: int, error: Matrix, pool: Pool) -> None:
    """Adds those of some vectors to the candidates that can still be among the k best.

    Args:
        bits: Products, shape (asked, vectors).
        queries: The query that each row belongs to, shape (asked,).
        first: Index of the first vector.
        k: Neighbours wanted.
        error: How far each query's products may be off, shape (queries,).
        pool: The candidates.
    """
    width = bits.shape[1]
    for row in range(len(queries)):
        query = queries[row]
        for begin in range(0, width, GROUP):
            end = min(begin + GROUP, width)
            floor = pool.floors[query]
            # The bits of numbers from 0 on rise as they do, those of others are negative.
            reaching = count_from(bits[row, begin:end], floor) if floor >= 0 else 1
            if reaching == 0:
                continue
            for at in range(begin, end):
                word = bits[row, at]
                if word < floor and floor >= 0:
                    continue
                key = _key(word)
                if key >= pool.floors[query] and pool.counts[query] >= 0:
                    _add(query, key, first + at, k, error[query], pool)


@kernel
def thin_all(k: int, error: Matrix, pool: Pool) -> None:
    """Leaves each query the candidates that can be among its k best."""
    for query in range(len(pool.ids)):
        if pool.counts[query] > k:
            _thin(query, k, error[query], pool)


@kernel
def argmax(bits: Keys, found: Index) -> None:
    """Writes the place of the largest product of each row, the first of equals."""
    for row in range(len(bits)):
        most = np.int16(-32768)
        for at in range(bits.shape[1]):
            key = _key(bits[row, at])
            most = key if key > most else most
        for at in range(bits.shape[1]):
            if _key(bits[row, at]) == most:
                found[row] = at
                break


@kernel
def count_from(values: NDArray[np.number], floor: float) -> int:
    """How many are at least `floor`: counting takes no branch, and so many at once."""
    found = 0
    for at in range(len(values)):
        found += values[at] >= floor
    return found


@kernel
def _add(query: int, key: np.int16, text: int, k: int, error: float, pool: Pool) -> None:
    """Adds one to a query's candidates; where there is no room, the worst of them go first."""
    if pool.counts[query] == pool.ids.shape[1]:
        _thin(query, k, error, pool)
    count = pool.counts[query]
    if count >= 0 and key >= pool.floors[query]:
        pool.keys[query, count], pool.ids[query, count] = key, text
        pool.counts[query] = count + 1


@kernel
def _thin(query: int, k: int, error: float, pool: Pool) -> None:
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
