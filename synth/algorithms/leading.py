"""The directions in which vectors differ most, by which most of them can be told apart."""

from __future__ import annotations

import numpy as np

from synth.algorithms.neighbors import Vectors

# Numbers of directions that are tried, of all; beyond the last they save too little.
_SHARES = tuple(twelfth / 12 for twelfth in range(1, 9))
# Queries that they are tried on, and the share of them that must be told apart.
_TRIED, _TOLD_APART = 64, 0.98
# Corpus vectors that are looked at, and how many of the wanted ones must be among them.
_LEAST_SAMPLE, _LEAST_WANTED = 16_384, 16
# The share of a search that looking for directions may take.
_WORTH = 0.05


def leading_directions(queries: Vectors, corpus: Vectors, k: int, most: int) -> Vectors | None:
    """As many directions as it takes to find the k nearest of a corpus among few candidates.

    Products in these directions alone differ from the whole ones by no more than the product of
    the lengths of what is left of both vectors. They are the principal directions of a sample, the
    strongest first: vectors of encoders differ in few of their dimensions.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim).
        k: Neighbours wanted.
        most: Candidates of a query at most.

    Returns:
        Orthogonal directions of length 1 in the columns, shape (dim, kept); None where too many
        would be needed to save anything.
    """
    count, dim = corpus.shape
    size = min(count, max(_LEAST_SAMPLE, -(-_LEAST_WANTED * count // k)))
    if size * dim > _WORTH * len(queries) * count:
        return None
    sample = corpus[np.linspace(0, count - 1, size).astype(np.int64)]
    asked = queries[np.linspace(0, len(queries) - 1, _TRIED).astype(np.int64)]
    strength, directions = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    directions = np.ascontiguousarray(directions[:, np.argsort(-strength)], np.float32)
    turned, asked = sample @ directions, asked @ directions
    share = size / count
    wanted = max(1, round(k * share))
    for kept in (max(1, round(one * dim)) for one in _SHARES):
        products = asked[:, :kept] @ turned[:, :kept].T
        left = np.linalg.norm(turned[:, kept:], axis=1).max()
        error = np.linalg.norm(asked[:, kept:], axis=1) * left
        least = np.partition(products, size - wanted, axis=1)[:, size - wanted] - 2 * error
        candidates = np.count_nonzero(products >= least[:, None], axis=1)
        if np.quantile(candidates, _TOLD_APART) <= most * share:
            return np.ascontiguousarray(directions[:, :kept])
    return None
