"""Which pairs of texts can be near copies at all, found without comparing them letter by letter.

rapidfuzz's ``token_set_ratio`` of two texts is bounded from above by what each text has by itself:
the set of its words, and how often its pairs of letters occur. Hardly any two texts reach a bound
of 95, so that only those few are given to rapidfuzz.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.fuzzy import copy_ratio
from synth.algorithms.hashing import xxh64
from synth.algorithms.kernel import Bytes, Index, kernel
from synth.algorithms.text_buffer import normalized_texts

# Kinds of pairs of letters that are told apart: more tell more, and take longer to compare.
_BINS = 128
_MOST_COUNT = np.iinfo(np.uint16).max
_SPACE = 32


class WordSets(NamedTuple):
    """The distinct words of texts.

    Attributes:
        words: Hash of each distinct word, in rising order within a text, shape (words,).
        lengths: Characters of each, shape (words,).
        begins: Where each text's words begin, and the end of the last, shape (texts + 1,).
        characters: Of each text's distinct words, a space before every one, shape (texts,).
        pairs: How often each kind of two neighbouring letters occurs in the distinct words of a
            text, shape (texts, 128).
    """

    words: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    begins: Index
    characters: Index
    pairs: NDArray[np.uint16]


def word_sets(texts: pa.Array) -> WordSets:
    """The distinct words of each text; a null has none.

    Args:
        texts: Strings of any Arrow type; case, spacing and Unicode form make no difference.
    """
    buffer = normalized_texts(texts)
    most = _most_words(buffer.data, buffer.starts, buffer.ends)
    count = int(most.sum())
    found = WordSets(
        np.empty(count, np.uint32),
        np.empty(count, np.uint32),
        np.zeros(len(most) + 1, np.int64),
        np.zeros(len(most), np.int64),
        np.zeros((len(most), _BINS), np.uint16),
    )
    scratch = np.empty((2, int(most.max(initial=0))), np.uint64)
    used = _read_words(buffer.data, buffer.starts, buffer.ends, scratch, found)
    return found._replace(words=found.words[:used].copy(), lengths=found.lengths[:used].copy())


def may_be_copies(
    one: WordSets, at: Index, other: WordSets, other_at: Index, min_ratio: float
) -> NDArray[np.bool_]:
    """Which pairs of texts may have a ``token_set_ratio`` of `min_ratio` or more.

    A pair of False has not; one of True may have less too.

    Args:
        one: Some texts.
        at: The first text of each pair, shape (pairs,).
        other: Other texts, or the same.
        other_at: The second text of each pair, shape (pairs,).
        min_ratio: In (0, 100].
    """
    # Rounding must not exclude a pair that just reaches the ratio.
    share = min(1.0, (1 - min_ratio / 100) + 1e-9)
    return _screened(one, np.asarray(at, np.int64), other, np.asarray(other_at, np.int64), share)


def near_copies(
    texts: pa.Array, at: Index, others: pa.Array, other_at: Index, min_ratio: float
) -> NDArray[np.bool_]:
    """Which pairs of texts have a ``token_set_ratio`` of `min_ratio` or more.

    Args:
        texts: Strings.
        at: The first text of each pair, shape (pairs,).
        others: Other strings, or the same.
        other_at: The second text of each pair, shape (pairs,).
        min_ratio: In (0, 100].
    """
    # Only texts that are compared are read.
    used, at_used = np.unique(at, return_inverse=True)
    other_used, other_at_used = np.unique(other_at, return_inverse=True)
    texts, others = texts.take(pa.array(used)), others.take(pa.array(other_used))
    one, other = word_sets(texts), word_sets(others)
    found = may_be_copies(one, at_used, other, other_at_used, min_ratio)
    for pair in np.flatnonzero(found).tolist():
        both = texts[at_used[pair]].as_py(), others[other_at_used[pair]].as_py()
        found[pair] = copy_ratio(*both) >= min_ratio
    return found


@kernel
def _most_words(data: Bytes, starts: Index, ends: Index) -> Index:
    most = np.zeros(len(starts), np.int64)
    for text in range(len(starts)):
        count = np.int64(ends[text] > starts[text])
        for at in range(starts[text], ends[text]):
            count += data[at] == _SPACE
        most[text] = count
    return most


@kernel
def _read_words(
    data: Bytes, starts: Index, ends: Index, scratch: NDArray[np.uint64], sets: WordSets
) -> int:
    """Fills in the arrays; how many words there are."""
    used = 0
    for text in range(len(starts)):
        count = _split(data, starts[text], ends[text], scratch)
        order = np.argsort(scratch[0, :count])
        sets.begins[text] = used
        for place in range(count):
            key = scratch[0, order[place]]
            word = np.uint32(key >> np.uint64(32))
            if used > sets.begins[text] and sets.words[used - 1] == word:
                continue
            first = starts[text] + np.int64(key & np.uint64(0xFFFFFFFF))
            behind = first + np.int64(scratch[1, order[place]])
            length = _count_pairs(data, first, behind, sets.pairs[text])
            sets.words[used], sets.lengths[used] = word, length
            sets.characters[text] += 1 + length
            used += 1
    sets.begins[len(starts)] = used
    return used


@kernel
def _split(data: Bytes, start: int, end: int, scratch: NDArray[np.uint64]) -> int:
    """Writes the words of a text; how many.

    Each has its hash in the high half of a number, so that sorting brings equal words together, and
    in the low half where it begins; then its length in bytes.
    """
    count, at = 0, start
    while at < end:
        behind = at
        while behind < end and data[behind] != _SPACE:
            behind += 1
        hashed = xxh64(data, at, behind, 0) << np.uint64(32)
        scratch[0, count] = hashed | np.uint64(at - start)
        scratch[1, count] = np.uint64(behind - at)
        count += 1
        at = behind + 1
    return count


@kernel
def _count_pairs(data: Bytes, first: int, behind: int, counts: NDArray[np.uint16]) -> int:
    """Counts the pairs of neighbouring characters of a word in spaces; its characters."""
    length, before, code = 0, np.uint32(_SPACE), np.uint32(0)
    for at in range(first, behind + 1):
        byte = np.uint32(_SPACE) if at == behind else np.uint32(data[at])
        if byte & 0xC0 == 0x80:
            code = np.uint32((code << np.uint32(6)) | (byte & np.uint32(0x3F)))
            continue
        if at > first:
            length += 1
            _count(before, code, counts)
            before = code
        code = byte
    _count(before, np.uint32(_SPACE), counts)
    return length


@kernel
def _count(before: np.uint32, code: np.uint32, counts: NDArray[np.uint16]) -> None:
    mixed = np.uint32((before * np.uint32(0x9E3779B1)) ^ (code * np.uint32(0x85EBCA77)))
    kind = np.int64(np.uint32(mixed * np.uint32(0xC2B2AE3D)) >> np.uint32(25))
    if counts[kind] < _MOST_COUNT:
        counts[kind] += np.uint16(1)


@kernel
def _screened(
    one: WordSets, at: Index, other: WordSets, other_at: Index, share: float
) -> NDArray[np.bool_]:
    found = np.zeros(len(at), np.bool_)
    for pair in range(len(at)):
        mine, theirs = at[pair], other_at[pair]
        both = one.characters[mine] + other.characters[theirs]
        least = min(one.characters[mine], other.characters[theirs])
        if least == 0:
            continue
        # Edits that the words which are not shared may differ by, whichever comparison counts.
        if _fewest_edits(one.pairs[mine], other.pairs[theirs]) <= share * both:
            found[pair] = True
            continue
        # One text's words against those it shares: the rest must be deleted.
        shared = _shared(one, mine, other, theirs)
        found[pair] = shared > 0 and least - shared <= share * (shared + least)
    return found


@kernel
def _shared(one: WordSets, mine: int, other: WordSets, theirs: int) -> int:
    """Characters of the words that two texts share, a space before every one."""
    place, end = one.begins[mine], one.begins[mine + 1]
    other_place, other_end = other.begins[theirs], other.begins[theirs + 1]
    shared = 0
    while place < end and other_place < other_end:
        if one.words[place] == other.words[other_place]:
            shared += 1 + int(one.lengths[place])
            place += 1
            other_place += 1
        elif one.words[place] < other.words[other_place]:
            place += 1
        else:
            other_place += 1
    return shared


@kernel
def _fewest_edits(one: NDArray[np.uint16], other: NDArray[np.uint16]) -> float:
    """A letter put in or taken out takes one pair of letters for two, or two for one."""
    differ = np.int32(0)
    for kind in range(_BINS):
        differ += abs(np.int32(one[kind]) - np.int32(other[kind]))
    return differ / 3
