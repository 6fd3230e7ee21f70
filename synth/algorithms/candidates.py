"""Which texts may be near copies of each other: those that share a band of their signatures.

A band puts each text into the bucket of the values it has there. Buckets are hot where many texts
share a passage. Comparing all pairs of a hot bucket takes time quadratic in its size, so a text is
compared with at most `MOST_COMPARED` texts of it. So that the most similar texts still meet, the
members of a hot bucket get a second one, narrowed by more values until it is small.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.hashing import hashes_64
from synth.algorithms.kernel import Index, Words, kernel
from synth.algorithms.shingling import Signatures
from synth.algorithms.text_buffer import read_only

# Comparing signatures takes about 10 ns a pair: 42 buckets of 256 cost a text at most 0.1 ms.
MOST_COMPARED = 256
# Values that each turn adds to the key of a hot bucket, and the turns: 100,000 texts that share 3/4
# of their shingles are in buckets below MOST_COMPARED after 6.
_NARROWED_BY, _TURNS = 4, 8
# Where a turn leaves so many in hot buckets they share 97 % of their shingles: they are near copies
# of each other, few will be kept, and further turns would only take time.
_FUTILE = 0.9


class Buckets(NamedTuple):
    """Where each text is looked for.

    Attributes:
        of_text: Numbers of the buckets that each text is in, -1 for one that it has to itself,
            shape (texts, tables).
        begins: Where the room for the members of each bucket begins, and the end of all room,
            shape (buckets + 1,).
    """

    of_text: NDArray[np.int32]
    begins: Index


class _Groups(NamedTuple):
    """Texts in the order of their keys, and how many share each key."""

    order: Index
    sizes: Index


def buckets(signatures: Signatures, count: int, rows: int) -> Buckets:
    """The buckets of all texts.

    Args:
        signatures: Hash values, shape (texts, num_perm).
        count: Bands.
        rows: Hash values in a band.
    """
    tables, room, number = [], [np.zeros(1, np.int64)], 0
    for members, (order, sizes) in _groupings(signatures, count, rows):
        shared = sizes > 1
        numbers = np.where(shared, number + np.cumsum(shared) - 1, -1).astype(np.int32)
        table = np.full(len(signatures), -1, np.int32)
        table[members[order]] = np.repeat(numbers, sizes)
        tables.append(table)
        room.append(np.minimum(sizes[shared], MOST_COMPARED))
        number += int(shared.sum())
    return Buckets(np.stack(tables, axis=1), np.cumsum(np.concatenate(room)))


def _groupings(signatures: Signatures, count: int, rows: int) -> Iterator[tuple[Index, _Groups]]:
    """Indices of texts and their groups: all texts for each band, then those in hot buckets."""
    everyone = np.arange(len(signatures))
    for band in range(count):
        keys = band_keys(signatures, band, rows)
        groups = _grouped(keys)
        yield everyone, groups
        if len(hot := _hot(groups)):
            narrow = _narrowed(signatures[hot], keys[hot], (band + 1) * rows)
            yield hot, _grouped(narrow)


def _grouped(keys: Words) -> _Groups:
    order = np.argsort(keys)
    ordered = keys[order]
    is_first = np.append(np.ones(min(1, len(keys)), np.bool_), ordered[1:] != ordered[:-1])
    return _Groups(order, np.diff(np.append(np.flatnonzero(is_first), len(keys))))


def _hot(groups: _Groups) -> Index:
    return np.sort(groups.order[np.repeat(groups.sizes > MOST_COMPARED, groups.sizes)])


def band_keys(signatures: Signatures, band: int, rows: int) -> Words:
    """One key for each text: the XXH64, seeded by the band, of its values there as bytes."""
    return _row_hashes(signatures[:, band * rows : (band + 1) * rows], band)


def _narrowed(signatures: Signatures, keys: Words, row: int) -> Words:
    """The keys of texts in hot buckets, with more values until few share each."""
    keys, wide = keys.copy(), np.arange(len(keys))
    num_perm = signatures.shape[1]
    for turn in range(min(_TURNS, num_perm // _NARROWED_BY)):
        rows = (row + turn * _NARROWED_BY + np.arange(_NARROWED_BY)) % num_perm
        before = keys[wide].view(np.uint32).reshape(len(wide), 2)
        values = signatures[np.ix_(wide, rows)]
        keys[wide] = _row_hashes(np.concatenate([before, values], axis=1), turn)
        narrower = wide[_hot(_grouped(keys[wide]))]
        if len(narrower) > _FUTILE * len(wide) or not len(narrower):
            break
        wide = narrower
    return keys


def _row_hashes(values: NDArray[np.uint32], seed: int) -> Words:
    rows = np.ascontiguousarray(values).view(np.uint8)
    starts = np.arange(len(rows)) * rows.shape[1]
    return hashes_64(read_only(rows.reshape(-1)), starts, starts + rows.shape[1], seed)


@kernel
def first_equal(hashes: Words, order: Index) -> Index:
    """For each text the index of the one visited first that has its hash.

    Args:
        hashes: 128 bits of each text, shape (texts, 2).
        order: Indices of the texts to visit; the others come back as their own.

    Returns:
        Indices, shape (texts,).
    """
    room = 2
    while room < 2 * len(order):
        room *= 2
    slots = np.full(room, -1, np.int64)
    first = np.arange(len(hashes))
    for at in order:
        slot = np.int64(hashes[at, 0] & np.uint64(room - 1))
        while slots[slot] >= 0:
            other = slots[slot]
            if hashes[other, 0] == hashes[at, 0] and hashes[other, 1] == hashes[at, 1]:
                break
            slot = (slot + 1) & (room - 1)
        if slots[slot] < 0:
            slots[slot] = at
        first[at] = slots[slot]
    return first
