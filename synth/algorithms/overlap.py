"""Which texts share a run of words with the texts of another collection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, Words, kernel
from synth.algorithms.shingling import Shingling, most_shingles, shingle_hashes
from synth.algorithms.text_buffer import TextBuffer, normalized_texts

_SPANS = 512


@dataclass(frozen=True, slots=True)
class Phrases:
    """The runs of words of a collection, by how many words they have.

    Attributes:
        hashes: Hashes in rising order, by length.
        owners: The first text that has each, likewise.
    """

    hashes: dict[int, Words]
    owners: dict[int, Index]


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
    clean = _words(texts)
    lengths = _word_counts(clean.data, clean.starts, clean.ends)
    chosen = np.flatnonzero(clean.valid & (lengths >= words))
    hashes, of = _all_hashes(clean.data, clean.starts[chosen], clean.ends[chosen], words)
    return Runs(hashes, chosen[of])


def phrases(texts: pa.Array, ngram: int, fewest: int) -> Phrases:
    """All runs of `ngram` words; a shorter text is one run as a whole.

    Args:
        texts: Arrow strings.
        ngram: Words of a run.
        fewest: Words below which a text is too short to say anything, and is left out.
    """
    clean = _words(texts)
    lengths = _word_counts(clean.data, clean.starts, clean.ends)
    hashes, owners = {}, {}
    for words in range(min(fewest, ngram), ngram + 1):
        chosen = np.flatnonzero(clean.valid & (np.minimum(lengths, ngram) == words))
        if not len(chosen):
            continue
        found, of = _all_hashes(clean.data, clean.starts[chosen], clean.ends[chosen], words)
        hashes[words], first = np.unique(found, return_index=True)
        owners[words] = chosen[of[first]]
    return Phrases(hashes, owners)


def overlap(texts: pa.Array, known: Phrases) -> Overlap:
    """What texts share with a collection.

    Args:
        texts: Arrow strings.
        known: The collection's runs of words.
    """
    clean = _words(texts)
    of, share = np.full(len(texts), -1, np.int64), np.zeros(len(texts))
    for words in sorted(known.hashes, reverse=True):
        hashes, owners = known.hashes[words], known.owners[words]
        first, part = _shared(clean.data, clean.starts, clean.ends, words, hashes)
        of = np.where((of < 0) & (first >= 0), owners[np.maximum(first, 0)], of)
        share = np.maximum(share, part)
    return Overlap(of, share)


def _words(texts: pa.Array) -> TextBuffer:
    """Texts without punctuation, which authors and extractors set as they like."""
    return normalized_texts(pc.replace_substring_regex(texts, r"[\p{P}\p{S}]+", " "))


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
    data: NDArray[np.uint8], starts: Index, ends: Index, ngram: int
) -> tuple[Words, Index]:
    """Hashes of all runs of all texts, and the text of each."""
    shingling, room = Shingling(ngram, False), 0  # noqa: FBT003  (compiled code)
    for text in range(len(starts)):
        room += most_shingles(ends[text] - starts[text], shingling)
    out, owners = np.empty(room, np.uint64), np.empty(room, np.int64)
    ring, spans = np.empty(ngram, np.int64), np.empty((2, _SPANS), np.int64)
    used = 0
    for text in range(len(starts)):
        count = shingle_hashes(data, starts[text], ends[text], shingling, ring, spans, out[used:])
        owners[used : used + count] = text
        used += count
    return out[:used], owners[:used]


@kernel
def _shared(
    data: NDArray[np.uint8], starts: Index, ends: Index, ngram: int, hashes: Words
) -> tuple[Index, NDArray[np.float64]]:
    """Place among `hashes` of the first shared run of each text, -1 for none; their share."""
    first, share = np.full(len(starts), -1, np.int64), np.zeros(len(starts))
    shingling, room = Shingling(ngram, False), 1  # noqa: FBT003  (compiled code)
    for text in range(len(starts)):
        room = max(room, most_shingles(ends[text] - starts[text], shingling))
    out = np.empty(room, np.uint64)
    ring, spans = np.empty(ngram, np.int64), np.empty((2, _SPANS), np.int64)
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
