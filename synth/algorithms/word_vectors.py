"""Vectors whose cosine says how many rare words two texts share."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synth.algorithms.kernel import Index, Words, kernel
from synth.algorithms.lexical import tokens
from synth.algorithms.neighbors import Vectors

_DIM = 1024


def word_vectors(texts: pa.Array, dim: int = _DIM) -> Vectors:
    """TF-IDF vectors of texts, their words hashed to few dimensions.

    A word counts one and the logarithm of how often a text has it, times the logarithm of how rare
    it is among the texts. Each word goes to one dimension, with a sign, so that words that meet
    there do not add up: cosines are those of all words but for an error with a standard deviation
    of ``1 / sqrt(dim)``.

    Args:
        texts: Strings of any Arrow type.
        dim: Dimensions.

    Returns:
        Of length 1, zero where a text shares no word with another, shape (texts, dim).

    Source:
        Salton and Buckley, Term-weighting approaches in automatic text retrieval (1988); feature
        hashing by Weinberger et al. (arXiv:0902.2206).
    """
    found = tokens(texts)
    vocabulary, words = np.unique(found.hashes, return_inverse=True)
    vectors = np.zeros((len(texts), dim), np.float32)
    _fill(words, found.begins, vocabulary, vectors)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors


def joint_vectors(vectors: Vectors, texts: pa.Array, word_weight: float) -> Vectors:
    """Vectors whose cosine is a mean of that of others and that of the words of texts.

    Args:
        vectors: Of length 1, shape (texts, dim).
        texts: Strings.
        word_weight: The share of the words, below 1. A text that shares none with another has its
            vector alone.

    Returns:
        Of length 1, shape (texts, dim and those of `word_vectors`).
    """
    words = word_vectors(texts) * np.float32(np.sqrt(word_weight))
    rest = vectors * np.float32(np.sqrt(1 - word_weight))
    joint: Vectors = np.concatenate([rest, words], axis=1)
    joint /= np.linalg.norm(joint, axis=1, keepdims=True)
    return joint


@kernel
def _fill(words: Index, begins: Index, vocabulary: Words, vectors: Vectors) -> None:
    """Adds up the words of each text.

    Args:
        words: The place in the vocabulary of each word of each text.
        begins: Where the words of each text begin, and the end of the last.
        vocabulary: A hash of each word.
        vectors: Zero.
    """
    # The texts that have each word, and how often the text at hand has it.
    texts, times = np.zeros(len(vocabulary), np.int64), np.zeros(len(vocabulary), np.int64)
    for text in range(len(begins) - 1):
        own = words[begins[text] : begins[text + 1]]
        for word in own:
            texts[word] += times[word] == 0
            times[word] += 1
        times[own] = 0
    dim = np.uint64(vectors.shape[1])
    for text in range(len(begins) - 1):
        own = words[begins[text] : begins[text + 1]]
        for word in own:
            times[word] += 1
        for word in own:
            if times[word] and texts[word] > 1:
                rare = np.log(len(vectors) / texts[word])
                weight = (1 + np.log(times[word])) * rare
                # The sign by a bit that does not say which dimension.
                sign = 1 if (vocabulary[word] >> np.uint64(40)) & np.uint64(1) else -1
                vectors[text, np.int64(vocabulary[word] % dim)] += np.float32(sign * weight)
            times[word] = 0
