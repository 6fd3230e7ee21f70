"""Which texts are kept: each is compared with the kept ones visited before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.candidates import MOST_COMPARED, Buckets
from synth.algorithms.kernel import Bytes, Index, Words, kernel
from synth.algorithms.shingling import (
    Shingling,
    Signatures,
    most_shingles,
    shingle_hashes,
    sort_distinct,
    sort_room,
)
from synth.algorithms.union import join, point_to_roots

# Exact comparisons for one text; of more candidates the most similar by their signatures. Only a
# collection made of texts just below the threshold has more.
_MOST_VERIFIED = 64
_SPANS = 512
_LOW_BITS = 0xFFFFFFFF

Floats = NDArray[np.float64]


class Corpus(NamedTuple):
    """Normalised texts in the order in which they are visited.

    Attributes:
        data: UTF-8 and `PADDING` bytes more.
        starts: First byte of each text, shape (texts,).
        ends: Byte behind each text, shape (texts,).
        signatures: Hash values, shape (texts, num_perm).
        given: Texts at the front that are kept whatever they repeat.
        textless: Texts at the front of which only the signature is known.
    """

    data: Bytes
    starts: Index
    ends: Index
    signatures: Signatures
    given: int
    textless: int


class Rule(NamedTuple):
    """When a text is a near copy of another.

    Attributes:
        threshold: Least similarity.
        least_equal: Least equal values of two signatures.
        verifies: Whether similarity is that of the shingle sets, else of the signatures.
    """

    threshold: float
    least_equal: int
    verifies: bool


class _Kept(NamedTuple):
    """The kept texts in each bucket.

    Attributes:
        members: Room for the members of each bucket, shape (room,).
        filled: How many each has, shape (buckets,).
        seen: The last text that each was compared with, shape (texts,).
    """

    members: NDArray[np.int32]
    filled: NDArray[np.int32]
    seen: NDArray[np.int32]


class _Scratch(NamedTuple):
    ring: Index
    spans: Index
    table: Words


@kernel
def keep(
    corpus: Corpus, buckets: Buckets, rule: Rule, shingling: Shingling
) -> tuple[Index, Floats, Floats, Index]:
    """What each text repeats.

    Returns:
        The kept text that each text duplicates, or -1; its similarity to that; the share of equal
        values in their signatures; the first text of its cluster. All of shape (texts,).
    """
    count, num_perm = corpus.signatures.shape
    of, parents = np.full(count, -1, np.int64), np.arange(count)
    similarity, estimate = np.zeros(count), np.zeros(count)
    kept = _Kept(
        np.empty(buckets.begins[-1], np.int32),
        np.zeros(len(buckets.begins) - 1, np.int32),
        np.full(count, -1, np.int32),
    )
    found = np.empty(buckets.of_text.shape[1] * MOST_COMPARED, np.int64)
    scratch = _scratch(corpus, shingling)
    # Shingle sets one behind the other, and where that of each text lies, -1 for none.
    pool, used, sets = np.empty(4096, np.uint64), 0, np.full((count, 2), -1, np.int64)
    for at in range(corpus.given):
        _insert(at, buckets, kept)
    for at in range(corpus.given, count):
        candidates = found[: _candidates(at, corpus, buckets, kept, found, rule.least_equal)]
        before = used
        if rule.verifies and len(candidates):
            for one in candidates:
                other = one & _LOW_BITS
                if other >= corpus.textless:
                    pool, used = _add_set(other, corpus, shingling, scratch, sets, pool, used)
            before = used
            pool, used = _add_set(at, corpus, shingling, scratch, sets, pool, used)
        best = -1.0
        for one in candidates:
            other = one & _LOW_BITS
            alike = (num_perm - (one >> 32)) / num_perm
            compares = rule.verifies and other >= corpus.textless
            score = _jaccard(pool, sets[at], sets[other]) if compares else alike
            if score >= rule.threshold:
                join(parents, at, other)
                if score > best or (score == best and other < of[at]):
                    best, of[at], similarity[at], estimate[at] = score, other, score, alike
        if of[at] < 0:
            _insert(at, buckets, kept)
        else:
            # The set of a text that is not kept is not needed again.
            used = before
    point_to_roots(parents)
    return of, similarity, estimate, parents


@kernel
def _scratch(corpus: Corpus, shingling: Shingling) -> _Scratch:
    longest = 0
    for text in range(len(corpus.starts)):
        longest = max(longest, corpus.ends[text] - corpus.starts[text])
    return _Scratch(
        np.empty(shingling.ngram, np.int64),
        np.empty((2, _SPANS), np.int64),
        np.empty(sort_room(most_shingles(longest, shingling)), np.uint64),
    )


@kernel
def _candidates(
    at: int, corpus: Corpus, buckets: Buckets, kept: _Kept, found: Index, least_equal: int
) -> int:
    """Writes the kept texts that may be similar enough to `found`, the likeliest first; how many.

    Each is its unequal signature values, shifted by 32 bits, and its place in the order of visits.
    """
    count = 0
    num_perm = corpus.signatures.shape[1]
    for table in range(buckets.of_text.shape[1]):
        bucket = buckets.of_text[at, table]
        if bucket < 0:
            continue
        begin = buckets.begins[bucket]
        for slot in range(begin, begin + kept.filled[bucket]):
            other = kept.members[slot]
            if kept.seen[other] == at:
                continue
            kept.seen[other] = at
            equal = _equal(corpus.signatures[at], corpus.signatures[other])
            if equal >= least_equal:
                found[count] = ((num_perm - equal) << 32) | other
                count += 1
    return _lowest(found, count, _MOST_VERIFIED)


@kernel
def _lowest(found: Index, count: int, most: int) -> int:
    """Leaves the lowest `most` of the first `count` numbers at the front, in order; how many."""
    kept = 0
    for one in range(count):
        value, slot = found[one], min(kept, most - 1)
        if kept == most and found[slot] <= value:
            continue
        while slot > 0 and found[slot - 1] > value:
            found[slot] = found[slot - 1]
            slot -= 1
        found[slot] = value
        kept = min(kept + 1, most)
    return kept


@kernel
def _equal(one: Signatures, other: Signatures) -> np.int64:
    equal = np.uint32(0)
    for lane in range(len(one)):
        equal += np.uint32(one[lane] == other[lane])
    return np.int64(equal)


@kernel
def _insert(at: int, buckets: Buckets, kept: _Kept) -> None:
    for table in range(buckets.of_text.shape[1]):
        bucket = buckets.of_text[at, table]
        if bucket < 0:
            continue
        slot = buckets.begins[bucket] + kept.filled[bucket]
        if slot < buckets.begins[bucket + 1]:
            kept.members[slot] = at
            kept.filled[bucket] += 1


@kernel
def _add_set(
    text: int,
    corpus: Corpus,
    shingling: Shingling,
    scratch: _Scratch,
    sets: Index,
    pool: Words,
    used: int,
) -> tuple[Words, int]:
    """The pool, with the set of a text behind what is used unless it has one; how much is used."""
    if sets[text, 0] >= 0:
        return pool, used
    start, end = corpus.starts[text], corpus.ends[text]
    pool = _with_room(pool, used, most_shingles(end - start, shingling))
    out = pool[used:]
    count = shingle_hashes(corpus.data, start, end, shingling, scratch.ring, scratch.spans, out)
    sets[text, 0] = used
    sets[text, 1] = used + sort_distinct(out[:count], scratch.table)
    return pool, sets[text, 1]


@kernel
def _with_room(pool: Words, used: int, more: int) -> Words:
    if used + more <= len(pool):
        return pool
    larger = np.empty(max(2 * len(pool), used + more), np.uint64)
    for at in range(used):
        larger[at] = pool[at]
    return larger


@kernel
def _jaccard(pool: Words, one: Index, other: Index) -> float:
    """Jaccard similarity of two sorted sets in the pool, each given by its bounds."""
    left, right, shared = one[0], other[0], 0
    while left < one[1] and right < other[1]:
        low, high = pool[left], pool[right]
        shared += low == high
        left += low <= high
        right += high <= low
    return float(shared / (one[1] - one[0] + other[1] - other[0] - shared))
