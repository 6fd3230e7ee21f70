"""Shingles of normalised texts: MinHash signatures and sets of hashes.

What a shingle is says `synth.algorithms.text.shingles`; in a normalised text it is a run of bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.hashing import xxh32, xxh64
from synth.algorithms.kernel import Bytes, Index, Words, kernel, load8, load64, trailing_zeros

Signatures = NDArray[np.uint32]


class Shingling(NamedTuple):
    """What a shingle is.

    Attributes:
        ngram: Its words or characters.
        by_char: Whether it is made of characters.
    """

    ngram: int
    by_char: bool


# Shingles hashed at a time: their spans and hashes stay in the first-level cache.
_BLOCK = 512
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_SPACES = np.uint64(0x2020202020202020)


@kernel
def minhash(
    data: Bytes, starts: Index, ends: Index, shingling: Shingling, permutations: Signatures
) -> Signatures:
    """The signature that datasketch makes of the XXH32 of the shingles of each text.

    Args:
        data: Normalised UTF-8 and `PADDING` bytes more.
        starts: First byte of each text, shape (texts,).
        ends: Byte behind each text, shape (texts,).
        shingling: What a shingle is.
        permutations: Factors and summands of datasketch's scheme affine32, shape (2, num_perm).

    Returns:
        Hash values, shape (texts, num_perm).
    """
    signatures = np.full((len(starts), permutations.shape[1]), np.uint32(0xFFFFFFFF), np.uint32)
    spans = np.empty((2, _BLOCK), np.int64)
    ring = np.empty(shingling.ngram, np.int64)
    hashes = np.empty(_BLOCK + 3, np.uint32)
    for text in range(len(starts)):
        at, end = starts[text], ends[text]
        passed = 0
        while at >= 0:
            at, passed, found = shingle_spans(data, at, end, passed, shingling, ring, spans)
            for one in range(found):
                hashes[one] = _mixed(xxh32(data, spans[0, one], spans[1, one]))
            # Four hashes to each pass over the signature; a repeated one changes no minimum.
            hashes[found : found + 3] = hashes[found - 1]
            for one in range(0, found, 4):
                _lower(signatures[text], permutations, hashes[one : one + 4])
    return signatures


@kernel
def _lower(signature: Signatures, permutations: Signatures, hashes: Signatures) -> None:
    one, two, three, four = hashes[0], hashes[1], hashes[2], hashes[3]
    factors, summands = permutations[0], permutations[1]
    for lane in range(len(signature)):
        factor, summand = factors[lane], summands[lane]
        low = min(np.uint32(factor * one + summand), np.uint32(factor * two + summand))
        high = min(np.uint32(factor * three + summand), np.uint32(factor * four + summand))
        signature[lane] = min(signature[lane], min(low, high))


@kernel
def _mixed(word: np.uint32) -> np.uint32:
    """MurmurHash3's finaliser, which datasketch applies to a hash before it permutes it."""
    word = np.uint32((word ^ (word >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    word = np.uint32((word ^ (word >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(word ^ (word >> np.uint32(16)))


@kernel
def shingle_hashes(
    data: Bytes, start: int, end: int, shingling: Shingling, ring: Index, spans: Index, out: Words
) -> int:
    """Writes the XXH64 of each shingle of a text to `out`, in their order; how many.

    Args:
        data: Normalised UTF-8 and `PADDING` bytes more.
        start: First byte of the text.
        end: Byte behind the text.
        shingling: What a shingle is.
        ring: Scratch, as long as a shingle has parts.
        spans: Scratch, shape (2, any).
        out: Room for `most_shingles` of the text's bytes.
    """
    count = 0
    at, passed = start, 0
    while at >= 0:
        at, passed, found = shingle_spans(data, at, end, passed, shingling, ring, spans)
        for one in range(found):
            # 0 stands for a free slot in `sort_distinct`.
            out[count] = max(xxh64(data, spans[0, one], spans[1, one], 0), np.uint64(1))
            count += 1
    return count


@kernel
def most_shingles(size: int, shingling: Shingling) -> int:
    """The most shingles that a text of so many bytes can have."""
    return max(1, size if shingling.by_char else (size + 1) // 2)


@kernel
def sort_distinct(hashes: Words, table: Words) -> int:
    """Leaves each distinct hash once at the front of an array, in rising order; how many.

    Hashes are spread evenly, so their highest bits say about where each belongs: linear in time,
    however often one is repeated.

    Args:
        hashes: None is 0; changed in place.
        table: Scratch of `sort_room` of their number.

    Source:
        Amble and Knuth, Ordered hash tables (1974).
    """
    bits = 1
    while 2 * (1 << bits) < 3 * len(hashes):
        bits += 1
    for free in range(sort_room(len(hashes))):
        table[free] = np.uint64(0)
    for one in hashes:
        slot = np.int64(one >> np.uint64(64 - bits))
        while table[slot] != 0 and table[slot] < one:
            slot += 1
        while table[slot] != one:
            one, table[slot] = table[slot], one
            if one == 0:
                break
            slot += 1
    distinct = 0
    for one in table[: sort_room(len(hashes))]:
        hashes[distinct] = one
        distinct += one != 0
        if distinct == len(hashes):
            break
    return distinct


@kernel
def sort_room(count: int) -> int:
    """Slots that `sort_distinct` needs for so many hashes."""
    return 4 * count + 2


@kernel
def shingle_spans(
    data: Bytes, at: int, end: int, passed: int, shingling: Shingling, ring: Index, spans: Index
) -> tuple[int, int, int]:
    """First and last bytes of the next shingles of a text.

    Args:
        data: Normalised UTF-8 and `PADDING` bytes more.
        at: Where the next word or character begins: the text's first byte, then what came back.
        end: Byte behind the text.
        passed: Words or characters before `at`: 0, then what came back.
        shingling: What a shingle is.
        ring: Where the last words or characters began, shape (ngram,); kept between calls.
        spans: Where the shingles go, shape (2, most).

    Returns:
        `at` and `passed` for the next call, `at` being -1 at the end of the text, and how many
        shingles were written, at least one.
    """
    ngram, most = shingling.ngram, spans.shape[1]
    found, slot = 0, passed % ngram
    begin = at
    while True:
        ring[slot] = at
        passed += 1
        slot = slot + 1 if slot + 1 < ngram else 0
        behind = _part_end(data, at, end, shingling)
        is_last = behind >= end
        if passed >= ngram:
            spans[0, found], spans[1, found] = ring[slot], behind
            found += 1
        elif is_last:
            # Shorter than a shingle: one as a whole.
            spans[0, found], spans[1, found] = begin, end
            found += 1
        if is_last:
            return -1, passed, found
        at = behind if shingling.by_char else behind + 1
        if found == most:
            return at, passed, found


@kernel
def _part_end(data: Bytes, at: int, end: int, shingling: Shingling) -> int:
    """The byte behind the word or the character that begins at a byte."""
    if shingling.by_char:
        byte = load8(data, at)
        return int(min(at + 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0), end))
    while at < end:
        # The lowest zero byte of a word without a loop over its bytes: Hacker's Delight, 6-1.
        word = load64(data, at) ^ _SPACES
        zeros = (word - _ONES) & ~word & _HIGHS
        if zeros:
            return min(at + (trailing_zeros(zeros) >> 3), end)
        at += 8
    return end
