"""The negatives of many rows at once: which are none, and which of the others are selected."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.hashing import finalized
from synth.algorithms.kernel import Index, Words, kernel
from synth.algorithms.margin import Selection
from synth.algorithms.scoring import Matrix, inner_product

_TOP, _RANDOM, _TOP1_RANDOM, _QUANTILE = range(4)
_MODES: dict[Selection, int] = {
    "top": _TOP,
    "random": _RANDOM,
    "top1_random": _TOP1_RANDOM,
    "quantile": _QUANTILE,
}
NO_REASON, IS_POSITIVE, IS_QUERY, IS_SOURCE, REPEATED = range(5)
SELECTED, NOT_SELECTED, ABOVE_SHARE, NEAR_ANOTHER = range(4)


class Lists(NamedTuple):
    """Entries of all rows, those of a row together; 0 stands for an id that is missing.

    Attributes:
        begins: Where each row's begin, and the end of the last, shape (rows + 1,).
        ids: Hash of each id, shape (entries,).
        texts: Hash of each text, shape (entries,).
    """

    begins: Index
    ids: Words
    texts: Words


@kernel
def identities(negatives: Lists, positives: Lists, queries: Words, sources: Words) -> Index:
    """Why each negative cannot be one, whatever its score; `NO_REASON` if it can.

    Args:
        negatives: Of a row in the order in which a repeated text is looked for.
        positives: Of the same rows.
        queries: Hash of each row's query, shape (rows,).
        sources: Hash of the id of each row's source document, shape (rows,).
    """
    found = np.zeros(len(negatives.ids), np.int64)
    for row in range(len(queries)):
        first, last = negatives.begins[row], negatives.begins[row + 1]
        for at in range(first, last):
            found[at] = _identity(at, first, row, negatives, positives, queries, sources)
    return found


@kernel
def _identity(
    at: int,
    first: int,
    row: int,
    negatives: Lists,
    positives: Lists,
    queries: Words,
    sources: Words,
) -> int:
    name, text = negatives.ids[at], negatives.texts[at]
    for place in range(positives.begins[row], positives.begins[row + 1]):
        if positives.texts[place] == text or (name != 0 and positives.ids[place] == name):
            return IS_POSITIVE
    if text == queries[row]:
        return IS_QUERY
    if name != 0 and name == sources[row]:
        return IS_SOURCE
    for place in range(first, at):
        if negatives.texts[place] == text:
            return REPEATED
    return NO_REASON


def select(
    begins: Index,
    good: NDArray[np.bool_],
    generated: NDArray[np.bool_],
    keep: int | None,
    share: float | None,
    selection: Selection,
    keys: Words,
) -> Index:
    """Which of each row's good negatives are selected, and why the others are not.

    Args:
        begins: Where each row's negatives begin, best first, shape (rows + 1,).
        good: Which may stay, shape (negatives,).
        generated: Which an LLM wrote, shape (negatives,).
        keep: Most that stay of a row; None is no limit.
        share: Largest share of them that may be generated; None is no limit.
        selection: The rule.
        keys: By which a random selection is ordered, shape (negatives,).

    Returns:
        `SELECTED`, `NOT_SELECTED` or `ABOVE_SHARE`, shape (negatives,); whatever where not good.
    """
    most = np.iinfo(np.int64).max if keep is None else keep
    return np.asarray(
        _select(
            begins, good, generated, most, 1.0 if share is None else share, _MODES[selection], keys
        )
    )


@kernel
def _select(
    begins: Index,
    good: NDArray[np.bool_],
    generated: NDArray[np.bool_],
    keep: int,
    share: float,
    mode: int,
    keys: Words,
) -> Index:
    found = np.zeros(len(good), np.int64)
    for row in range(len(begins) - 1):
        places = np.flatnonzero(good[begins[row] : begins[row + 1]]) + begins[row]
        written = 0
        for at in places:
            written += generated[at]
        room = min(keep, len(places))
        room_written = _most_written(written, len(places) - written, room, share)
        for at in _preferred(places, room, mode, keys):
            if room == 0:
                found[at] = NOT_SELECTED
            elif generated[at] and room_written == 0:
                found[at] = ABOVE_SHARE
            else:
                room -= 1
                room_written -= generated[at]
    return found


@kernel
def _most_written(written: int, others: int, room: int, share: float) -> int:
    """How many generated negatives may stay without exceeding their share."""
    for count in range(min(written, room), 0, -1):
        if count / (count + min(room - count, others)) <= share:
            return count
    return 0


@kernel
def _preferred(places: Index, room: int, mode: int, keys: Words) -> Index:
    """The places of good negatives, those first that shall stay."""
    if mode == _TOP or len(places) == 0:
        return places
    if mode == _QUANTILE:
        chosen = np.zeros(len(places), np.bool_)
        if room == 1:
            chosen[0] = True
        for number in range(room if room > 1 else 0):
            chosen[int(np.round(number * (len(places) - 1) / (room - 1)))] = True
        return np.concatenate((places[chosen], places[~chosen]))
    fixed = 1 if mode == _TOP1_RANDOM else 0
    drawn = places[fixed:]
    return np.concatenate((places[:fixed], drawn[np.argsort(keys[drawn], kind="mergesort")]))


@kernel
def diverse(begins: Index, texts: Index, vectors: Matrix, max_cosine: float, keep: int) -> Index:
    """Which of each row's negatives are taken, so that none is near to one taken before it.

    Args:
        begins: Where each row's negatives begin, in the order in which they are taken, shape
            (rows + 1,).
        texts: The vector of each negative, -1 for none, shape (negatives,).
        vectors: Unit vectors, shape (any, dim).
        max_cosine: From this cosine on two are near.
        keep: Most that are taken of a row.

    Returns:
        `SELECTED`, `NEAR_ANOTHER` or `NOT_SELECTED` (beyond `keep`, or without a vector), shape
        (negatives,).
    """
    found = np.full(len(texts), NOT_SELECTED, np.int64)
    sums = np.empty(16, np.float32)
    for row in range(len(begins) - 1):
        taken = 0
        for at in range(begins[row], begins[row + 1]):
            if texts[at] < 0:
                continue
            if taken < keep:
                found[at] = SELECTED
            for other in range(begins[row], at):
                if found[other] != SELECTED:
                    continue
                if inner_product(vectors[texts[at]], vectors[texts[other]], sums) >= max_cosine:
                    found[at] = NEAR_ANOTHER
                    break
            taken += found[at] == SELECTED
    return found


@kernel
def mixed(one: Words, other: Words, seed: int) -> Words:
    """Numbers that look drawn at random, from two arrays of hashes."""
    found = np.empty(len(one), np.uint64)
    for at in range(len(one)):
        word = one[at] ^ (other[at] * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(seed)
        found[at] = finalized(word)
    return found
