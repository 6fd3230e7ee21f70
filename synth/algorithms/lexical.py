"""BM25: the texts that share the rarest words with a query."""

from __future__ import annotations

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.hashing import xxh64
from synth.algorithms.kernel import Bytes, Index, Words, kernel, load8
from synth.algorithms.neighbors import Neighbors
from synth.algorithms.scoring import rank_sums
from synth.algorithms.text_buffer import decoded, normalized_texts

_POINTS = 0x20000
_APART, _LETTER, _DENSE = 0, 1, 2
# Scripts that are written without spaces: Thai and Lao, Burmese, Khmer, Chinese and Japanese.
_DENSE_SCRIPTS = (
    (0x0E00, 0x0F00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x2E80, 0xA000), (0xF900, 0xFB00),
)  # fmt: skip


class Tokens(NamedTuple):
    """The words of texts, in their order.

    Attributes:
        hashes: Of the words, shape (words,).
        begins: Where each text's words begin, and the end of the last, shape (texts + 1,).
    """

    hashes: Words
    begins: Index

    def of(self, text: int) -> Words:
        """The words of one text."""
        return self.hashes[self.begins[text] : self.begins[text + 1]]


def tokens(texts: pa.Array) -> Tokens:
    """The words of each text: runs of letters and digits, whatever their case.

    Scripts that are written without spaces give every two neighbouring characters, for which search
    engines take them too. Words are not stemmed, and none is left out: BM25 gives words that all
    texts have next to no weight.

    Args:
        texts: Strings of any Arrow type; a null has no words.
    """
    buffer = normalized_texts(texts)
    hashes = np.empty(int((buffer.ends - buffer.starts).sum()), np.uint64)
    begins = np.zeros(len(buffer.starts) + 1, np.int64)
    used = _read(buffer.data, buffer.starts, buffer.ends, _classes(), hashes, begins)
    return Tokens(hashes[:used].copy(), begins)


class Bm25Index(NamedTuple):
    """Scores of all words in all texts.

    Attributes:
        vocabulary: Hashes of the words, in rising order, shape (words,).
        begins: Where each word's texts begin, and the end of the last, shape (words + 1,).
        texts: The texts that have a word, shape (entries,).
        scores: What the word adds to their scores, shape (entries,).
        size: Texts.
        k1: How much more a word counts that a text repeats.
        b: How much less a word counts in a long text.
        mean_words: Words of a text, on average.
    """

    vocabulary: Words
    begins: Index
    texts: NDArray[np.int32]
    scores: NDArray[np.float32]
    size: int
    k1: float
    b: float
    mean_words: float


def bm25_index(texts: pa.Array, k1: float = 1.2, b: float = 0.75) -> Bm25Index:
    """An index by bm25s, in Lucene's variant, whose scores are never negative.

    Args:
        texts: Strings; one without words is never found.
        k1: How much more a word counts that a text repeats, 0 or more.
        b: How much less a word counts in a long text, in [0, 1].

    Source:
        Robertson and Zaragoza, The Probabilistic Relevance Framework (2009); BM25S
        (arXiv:2407.03618).
    """
    import bm25s

    found = tokens(texts)
    vocabulary, ids = np.unique(found.hashes, return_inverse=True)
    if not len(vocabulary):
        nothing, begin = np.zeros(0, np.int32), np.zeros(1, np.int64)
        return Bm25Index(vocabulary, begin, nothing, nothing.astype(np.float32), 0, 0.0, 0.0, 1.0)
    of_texts = [part.tolist() for part in np.split(ids.astype(np.int32), found.begins[1:-1])]
    model = bm25s.BM25(method="lucene", k1=k1, b=b)
    names = {str(number): number for number in range(len(vocabulary))}
    model.index((of_texts, names), create_empty_token=False, show_progress=False)
    made = model.scores
    return Bm25Index(
        vocabulary,
        np.asarray(made["indptr"], np.int64),
        np.asarray(made["indices"], np.int32),
        np.asarray(made["data"], np.float32),
        len(of_texts),
        float(k1),
        float(b),
        len(found.hashes) / len(of_texts),
    )


def bm25_top_k(index: Bm25Index, queries: pa.Array, k: int) -> Neighbors:
    """The k texts with the highest BM25 score for each query, equal scores by lower index.

    Args:
        index: The texts.
        queries: Strings; a null finds nothing. A word that a query repeats counts as often.
        k: At least 1.

    Returns:
        ``min(k, texts)`` columns; an index of -1 where fewer texts share a word with the query.
    """
    asked = tokens(queries)
    words = _known(asked.hashes, index)
    shape = (len(queries), min(k, index.size))
    found = Neighbors(np.full(shape, -1, np.int64), np.full(shape, -np.inf, np.float32))
    _rank(words, asked.begins, index, found.ids, found.scores)
    return found


def bm25_scores(index: Bm25Index, queries: pa.Array, texts: pa.Array) -> NDArray[np.float32]:
    """The BM25 score of each pair of a query and a text that the index need not have.

    How rare a word is and how long a text, is measured by the texts of the index.

    Args:
        index: The texts.
        queries: Strings.
        texts: As many strings.

    Returns:
        NaN where they share no word that the index knows, shape (pairs,).
    """
    asked, told = tokens(queries), tokens(texts)
    scores = np.zeros(len(queries), np.float32)
    _score(_known(asked.hashes, index), asked.begins, told, index, scores)
    return np.where(scores > 0, scores, np.float32(np.nan))


def _known(hashes: Words, index: Bm25Index) -> Index:
    """Where words are in the vocabulary, -1 where they are not, shape (words,)."""
    if not len(index.vocabulary):
        return np.full(len(hashes), -1, np.int64)
    at = np.searchsorted(index.vocabulary, hashes)
    at[at == len(index.vocabulary)] = 0
    return np.where(index.vocabulary[at] == hashes, at, -1)


@functools.cache
def _classes() -> NDArray[np.uint8]:
    """What each character is to a word."""
    found = np.zeros(_POINTS, np.uint8)
    for code in range(_POINTS):
        if unicodedata.category(chr(code))[0] in "LNM":
            found[code] = _LETTER
    for first, behind in _DENSE_SCRIPTS:
        part = found[first:behind]
        part[part == _LETTER] = _DENSE
    return found


@kernel
def _read(
    data: Bytes,
    starts: Index,
    ends: Index,
    classes: NDArray[np.uint8],
    hashes: Words,
    begins: Index,
) -> int:
    """Writes the words of each text; how many there are."""
    used = 0
    for text in range(len(starts)):
        begins[text] = used
        at, end = starts[text], ends[text]
        # Where the word at hand began and of what kind it is; where its last character began.
        began, kind, last = at, _APART, at
        while at < end:
            size, found = _classified(data, at, classes)
            if kind == _DENSE and found == _DENSE:
                hashes[used] = xxh64(data, last, at + size, 0)
                used += 1
            if found != kind:
                used += _ended(data, began, last, at, kind, hashes[used:])
                began, kind = at, found
            last = at
            at += size
        used += _ended(data, began, last, end, kind, hashes[used:])
    begins[len(starts)] = used
    return used


@kernel
def _ended(data: Bytes, began: int, last: int, behind: int, kind: int, hashes: Words) -> int:
    """Writes the word that ended, unless its pairs of characters are written; how many."""
    if kind == _LETTER or (kind == _DENSE and began == last):
        hashes[0] = xxh64(data, began, behind, 0)
        return 1
    return 0


@kernel
def _classified(data: Bytes, at: int, classes: NDArray[np.uint8]) -> tuple[int, int]:
    """Bytes and class of the character at a byte."""
    byte = int(load8(data, at))
    if byte < 128:
        return 1, int(classes[byte])
    size = 2 + (byte >= 0xE0) + (byte >= 0xF0)
    code = decoded(data, at, size)
    return size, int(classes[code]) if code < len(classes) else _DENSE


@kernel
def _rank(
    words: Index, begins: Index, index: Bm25Index, ids: Index, best: NDArray[np.float32]
) -> None:
    """Fills in the texts with the highest sums for each query."""
    sums, touched = np.zeros(index.size, np.float32), np.empty(index.size, np.int64)
    for query in range(len(ids)):
        found = _sum_up(words[begins[query] : begins[query + 1]], index, sums, touched)
        rank_sums(touched[:found], sums, ids[query], best[query])
        sums[touched[:found]] = 0


@kernel
def _sum_up(words: Index, index: Bm25Index, sums: NDArray[np.float32], touched: Index) -> int:
    """Adds up what each word gives to its texts; how many texts there are."""
    found = 0
    for word in words:
        if word < 0:
            continue
        for entry in range(index.begins[word], index.begins[word + 1]):
            text = index.texts[entry]
            if sums[text] == 0:
                touched[found] = text
                found += 1
            sums[text] += index.scores[entry]
    return found


@kernel
def _score(
    words: Index,
    begins: Index,
    told: Tokens,
    index: Bm25Index,
    scores: NDArray[np.float32],
) -> None:
    """Fills in the score of each pair, in Lucene's variant."""
    for pair in range(len(scores)):
        first, behind = told.begins[pair], told.begins[pair + 1]
        length = (behind - first) / index.mean_words
        for word in words[begins[pair] : begins[pair + 1]]:
            if word < 0:
                continue
            times = 0
            for at in range(first, behind):
                times += told.hashes[at] == index.vocabulary[word]
            texts = index.begins[word + 1] - index.begins[word]
            rarity = np.log(1 + (index.size - texts + 0.5) / (texts + 0.5))
            saturation = index.k1 * (1 - index.b + index.b * length)
            scores[pair] += rarity * times / (times + saturation) if times else 0.0
