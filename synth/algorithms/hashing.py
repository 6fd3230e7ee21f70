"""Hashes for kernels: xxHash of a part of a byte array, and of a word.

Source:
    https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
"""

from __future__ import annotations

import numpy as np

from synth.algorithms.kernel import Bytes, Index, Words, kernel, load8, load32, load64

_A1, _A2, _A3, _A4, _A5 = (
    np.uint32(prime) for prime in (2654435761, 2246822519, 3266489917, 668265263, 374761393)
)
_B1, _B2, _B3, _B4, _B5 = (
    np.uint64(prime)
    for prime in (
        0x9E3779B185EBCA87,
        0xC2B2AE3D27D4EB4F,
        0x165667B19E3779F9,
        0x85EBCA77C2B2AE63,
        0x27D4EB2F165667C5,
    )
)


@kernel
def _turn32(word: np.uint32, bits: int) -> np.uint32:
    return np.uint32((word << np.uint32(bits)) | (word >> np.uint32(32 - bits)))


@kernel
def _round32(lane: np.uint32, word: np.uint32) -> np.uint32:
    return np.uint32(_turn32(np.uint32(lane + np.uint32(word * _A2)), 13) * _A1)


@kernel
def xxh32(data: Bytes, start: int, end: int) -> np.uint32:
    """XXH32 with seed 0 of ``data[start:end]``."""
    at, total = start, np.uint32(_A5)
    if end - start >= 16:
        one, two = np.uint32(_A1 + _A2), np.uint32(_A2)
        three, four = np.uint32(0), np.uint32(np.uint32(0) - _A1)
        while at + 16 <= end:
            one, two = _round32(one, load32(data, at)), _round32(two, load32(data, at + 4))
            three, four = (
                _round32(three, load32(data, at + 8)),
                _round32(four, load32(data, at + 12)),
            )
            at += 16
        total = np.uint32(
            _turn32(one, 1) + _turn32(two, 7) + _turn32(three, 12) + _turn32(four, 18)
        )
    total = np.uint32(total + np.uint32(end - start))
    while at + 4 <= end:
        total = np.uint32(_turn32(np.uint32(total + np.uint32(load32(data, at) * _A3)), 17) * _A4)
        at += 4
    while at < end:
        total = np.uint32(_turn32(np.uint32(total + np.uint32(load8(data, at) * _A5)), 11) * _A1)
        at += 1
    total = np.uint32((total ^ (total >> np.uint32(15))) * _A2)
    total = np.uint32((total ^ (total >> np.uint32(13))) * _A3)
    return np.uint32(total ^ (total >> np.uint32(16)))


@kernel
def _turn64(word: np.uint64, bits: int) -> np.uint64:
    return (word << np.uint64(bits)) | (word >> np.uint64(64 - bits))


@kernel
def _round64(lane: np.uint64, word: np.uint64) -> np.uint64:
    return _turn64(lane + word * _B2, 31) * _B1


@kernel
def xxh64(data: Bytes, start: int, end: int, seed: int) -> np.uint64:
    """XXH64 of ``data[start:end]``."""
    at, base = start, np.uint64(seed)
    total = base + _B5
    if end - start >= 32:
        one, two, three, four = base + _B1 + _B2, base + _B2, base, base - _B1
        while at + 32 <= end:
            one, two = _round64(one, load64(data, at)), _round64(two, load64(data, at + 8))
            three = _round64(three, load64(data, at + 16))
            four = _round64(four, load64(data, at + 24))
            at += 32
        total = _turn64(one, 1) + _turn64(two, 7) + _turn64(three, 12) + _turn64(four, 18)
        for lane in (one, two, three, four):
            total = (total ^ _round64(np.uint64(0), lane)) * _B1 + _B4
    total += np.uint64(end - start)
    while at + 8 <= end:
        total = _turn64(total ^ _round64(np.uint64(0), load64(data, at)), 27) * _B1 + _B4
        at += 8
    if at + 4 <= end:
        total = _turn64(total ^ (np.uint64(load32(data, at)) * _B1), 23) * _B2 + _B3
        at += 4
    while at < end:
        total = _turn64(total ^ (np.uint64(load8(data, at)) * _B5), 11) * _B1
        at += 1
    total = (total ^ (total >> np.uint64(33))) * _B2
    total = (total ^ (total >> np.uint64(29))) * _B3
    return total ^ (total >> np.uint64(32))


@kernel
def hashes_64(data: Bytes, starts: Index, ends: Index, seed: int) -> Words:
    """XXH64 of each part of `data`, shape (parts,)."""
    hashes = np.empty(len(starts), np.uint64)
    for part in range(len(starts)):
        hashes[part] = xxh64(data, starts[part], ends[part], seed)
    return hashes


@kernel
def finalized(word: np.uint64) -> np.uint64:
    """A word that looks drawn at random: SplitMix64's finaliser."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))
