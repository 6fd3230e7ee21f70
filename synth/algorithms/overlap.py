"""Which texts share a run of words or characters with the texts of another collection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, Words, kernel
from synth.algorithms.shingling import Shingling, most_shingles, shingle_hashes
from synth.algorithms.text import Unit
from synth.algorithms.text_buffer import TextBuffer, character_counts, normalized_texts

_SPANS = 512


@dataclass(frozen=True, slots=True)
class Phrases:
    """The runs of words or characters of a collection, by how many they have.

    Attributes:
        hashes: Hashes in rising order, by length.
        owners: The first text that has each, likewise.
        unit: What runs are made of.
        texts: Texts of the collection that have a run.
        short: Texts that are too short to say anything.
    """

    hashes: dict[int, Words]
    owners: dict[int, Index]
    unit: Unit
    texts: int
    short: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """What each text shares with the collection.

    Attributes:
        of: The text there that has the first run that is shared, -1 for none, shape (texts,).
        share: Share of the text's own runs that are shared, shape (texts,).
    """

    of: Index
    share: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of words of some texts, one behind the other.

    Attributes:
        hashes: One for each run.
        owners: The text that each is in, in rising order.
    """

    hashes: Words
    owners: Index


def word_runs(texts: pa.Array, words: int) -> Runs:
    """All runs of so many words; a shorter text has none.

    Args:
        texts: Arrow strings.
        words: Words of a run.
    """
    clean = _plain(texts, "word")
    lengths = _lengths(clean, "word")
    chosen = np.flatnonzero(clean.valid & (lengths >= words))
    shingling = Shingling(words, False)  # noqa: FBT003  (compiled code)
    hashes, of = _all_hashes(clean.data, clean.starts[chosen], clean.ends[chosen], shingling)
    return Runs(hashes, chosen[of])


def phrases(texts: pa.Array, ngram: int, fewest: int, unit: Unit = "word") -> Phrases:
    """All runs of `ngram` words or characters; a shorter text is one run as a whole.

    Args:
        texts: Arrow strings.
        ngram: Words or characters of a run.
        fewest: Below so many a text is too short to say anything, and is left out.
        unit: What runs are made of; ``char`` for scripts without spaces, white space left out.
    """
    clean = _plain(texts, unit)
    lengths = np.where(clean.valid, _lengths(clean, unit), 0)
    hashes, owners = {}, {}
    for length in range(min(fewest, ngram), ngram + 1):
        chosen = np.flatnonzero(clean.valid & (np.minimum(lengths, ngram) == length))
        if not len(chosen):
            continue
        shingling = Shingling(length, unit == "char")
        found, of = _all_hashes(clean.data, clean.starts[chosen], clean.ends[chosen], shingling)
        hashes[length], first = np.unique(found, return_index=True)
        owners[length] = chosen[of[first]]
    long_enough = int((lengths >= min(fewest, ngram)).sum())
    return Phrases(hashes, owners, unit, long_enough, len(lengths) - long_enough)


def overlap(texts: pa.Array, known: Phrases) -> Overlap:
    """What texts share with a collection.

    Args:
        texts: Arrow strings.
        known: The collection's runs.
    """
    clean = _plain(texts, known.unit)
    of, share = np.full(len(texts), -1, np.int64), np.zeros(len(texts))
    for length in sorted(known.hashes, reverse=True):
        hashes, owners = known.hashes[length], known.owners[length]
        shingling = Shingling(length, known.unit == "char")
        first, part = _shared(clean.data, clean.starts, clean.ends, shingling, hashes)
        of = np.where((of < 0) & (first >= 0), owners[np.maximum(first, 0)], of)
        share = np.maximum(share, part)
    return Overlap(of, share)


def _plain(texts: pa.Array, unit: Unit) -> TextBuffer:
    """Texts without punctuation, which authors and extractors set as they like."""
    if unit == "char":
        return normalized_texts(pc.replace_substring_regex(texts, r"[\p{P}\p{S}\p{Z}\s]+", ""))
    return normalized_texts(pc.replace_substring_regex(texts, r"[\p{P}\p{S}]+", " "))


def _lengths(texts: TextBuffer, unit: Unit) -> Index:
    if unit == "char":
        return character_counts(texts.data, texts.starts, texts.ends)
    return _word_counts(texts.data, texts.starts, texts.ends)


@kernel
def _word_counts(data: NDArray[np.uint8], starts: Index, ends: Index) -> Index:
    """Words of each normalised text: one more than it has spaces, none if it is empty."""
    counts = np.zeros(len(starts), np.int64)
    for text in range(len(starts)):
        if ends[text] > starts[text]:
            counts[text] = 1
        for at in range(starts[text], ends[text]):
            counts[text] += data[at] == 32
    return counts


@kernel
def _all_hashes(
    data: NDArray[np.uint8], starts: Index, ends: Index, shingling: Shingling
) -> tuple[Words, Index]:
    """Hashes of all runs of all texts, and the text of each."""
    room = 0
    for text in range(len(starts)):
        room += most_shingles(ends[text] - starts[text], shingling)
    out, owners = np.empty(room, np.uint64), np.empty(room, np.int64)
    ring, spans = np.empty(shingling.ngram, np.int64), np.empty((2, _SPANS), np.int64)
    used = 0
    for text in range(len(starts)):
        count = shingle_hashes(data, starts[text], ends[text], shingling, ring, spans, out[used:])
        owners[used : used + count] = text
        used += count
    return out[:used], owners[:used]


@kernel
def _shared(
    data: NDArray[np.uint8], starts: Index, ends: Index, shingling: Shingling, hashes: Words
) -> tuple[Index, NDArray[np.float64]]:
    """Place among `hashes` of the first shared run of each text, -1 for none; their share."""
    first, share = np.full(len(starts), -1, np.int64), np.zeros(len(starts))
    room = 1
    for text in range(len(starts)):
        room = max(room, most_shingles(ends[text] - starts[text], shingling))
    out = np.empty(room, np.uint64)
    ring, spans = np.empty(shingling.ngram, np.int64), np.empty((2, _SPANS), np.int64)
    for text in range(len(starts)):
        count = shingle_hashes(data, starts[text], ends[text], shingling, ring, spans, out)
        hits = 0
        for one in out[:count]:
            at = np.searchsorted(hashes, one)
            if at < len(hashes) and hashes[at] == one:
                hits += 1
                if first[text] < 0:
                    first[text] = at
        share[text] = hits / count
    return first, share
