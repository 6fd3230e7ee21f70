"""The nearest neighbours of vectors by inner product: exact, and the same on every run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

# Below so many products it takes longer to get ready than to search.
_MANY_PRODUCTS = 2_000_000_000
# How far two float32 sums of one inner product may lie apart, relative to the vectors' norms: about
# ten times the difference seen between BLAS and sums in another order at 384 dimensions.
ROUNDING = 2e-6


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The best matches of each query, best first; equal scores by lower index.

    Attributes:
        ids: Indices into the corpus, shape (queries, k).
        scores: Inner products, shape (queries, k).
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


def unusable(vectors: Vectors) -> NDArray[np.bool_]:
    """Whether the length of each vector is zero or not finite, shape (n,)."""
    squares = np.einsum("nd,nd->n", vectors, vectors)
    found: NDArray[np.bool_] = ~(np.isfinite(squares) & (squares > 0))
    return found


def top_k(queries: Vectors, corpus: Vectors, k: int, memory_mb: int = 256) -> Neighbors:
    """The k corpus vectors with the largest inner product with each query.

    Args:
        queries: Shape (queries, dim).
        corpus: Shape (corpus, dim).
        k: Neighbours wanted, at least 1; the result has ``min(k, corpus)`` columns.
        memory_mb: Working memory beside the arguments and the result, and where the machine
            multiplies bfloat16 faster beside half of the corpus; changes no result.

    Raises:
        ValueError: If the dimensions disagree, or a vector is zero or not finite; its row is
            named.
    """
    for name, vectors in (("query", queries), ("corpus", corpus)):
        if (wrong := unusable(vectors)).any():
            row = int(np.argmax(wrong))
            raise ValueError(f"{name} vector {row} is zero or not finite")
    k = min(k, len(corpus))
    shape = (len(queries), k)
    found = Neighbors(np.empty(shape, np.int64), np.empty(shape, np.float32))
    if not found.ids.size:
        return found
    if queries.shape[1] != corpus.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} dimensions, corpus {corpus.shape[1]}")
    queries, corpus = (np.ascontiguousarray(one, np.float32) for one in (queries, corpus))
    left = np.arange(len(queries))
    if queries.size * len(corpus) > _MANY_PRODUCTS and 2 * k < len(corpus):
        left = _by_rough_products(queries, corpus, k, memory_mb, found)
    # Candidates take 12 bytes each beside their scores.
    rows = max(1, memory_mb * 2**20 // (32 * (k + 1)))
    longest = float(np.linalg.norm(corpus, axis=1).max()) if len(left) else 0.0
    for at in range(0, len(left), rows):
        part = left[at : at + rows]
        block = _block(queries[part], corpus, k, longest)
        found.ids[part], found.scores[part] = block.ids, block.scores
    return found


def _by_rough_products(
    queries: Vectors, corpus: Vectors, k: int, memory_mb: int, found: Neighbors
) -> NDArray[np.int64]:
    """Fills in what is found quickly; the queries that are left."""
    from synth.algorithms.rough_products import candidates
    from synth.algorithms.scoring import best

    among = candidates(queries, corpus, k, memory_mb)
    best(queries, corpus, among.ids, among.counts, k, found.ids, found.scores)
    return np.flatnonzero(among.counts < k)


def nearest_others(vectors: Vectors, k: int) -> Neighbors:
    """The k nearest of all other vectors for each vector, never itself.

    Args:
        vectors: Shape (n, dim).
        k: Neighbours wanted; the result has ``min(k, n - 1)`` columns.

    Raises:
        ValueError: If a vector is zero or not finite (its row is named).
    """
    return without_self(top_k(vectors, vectors, k + 1), np.arange(len(vectors)))


def without_self(found: Neighbors, own: NDArray[np.int64]) -> Neighbors:
    """One neighbour fewer for each query: itself, or the last where it did not find itself.

    Args:
        found: What the queries found, shape (queries, k + 1).
        own: The index of each query in the corpus, shape (queries,).
    """
    other = found.ids != own[:, None]
    # Among more than k equal vectors a vector may miss itself: then the last one is too many.
    other[other.all(axis=1), -1:] = False
    shape = (len(own), max(0, found.ids.shape[1] - 1))
    return Neighbors(found.ids[other].reshape(shape), found.scores[other].reshape(shape))


def _block(queries: Vectors, corpus: Vectors, k: int, longest: float) -> Neighbors:
    """`top_k` for some queries.

    faiss finds the candidates. Its scores differ in the last bits with a row's place in a block and
    it breaks ties as it meets them, so candidates are scored again, one by one, and a query that
    has a tie between its last neighbour and the next is searched in full.
    """
    import faiss  # takes half a second: not at import

    from synth.algorithms.scoring import best

    wide = min(k + 1, len(corpus))
    rough, ids = faiss.knn(queries, corpus, wide, faiss.METRIC_INNER_PRODUCT)
    shape = (len(queries), k)
    found = Neighbors(np.empty(shape, np.int64), np.empty(shape, np.float32))
    counts = np.full(len(queries), wide)
    best(queries, corpus, np.sort(ids, axis=1), counts, k, found.ids, found.scores)
    slack = ROUNDING * longest * np.linalg.norm(queries, axis=1)
    tied = (rough[:, k - 1] - rough[:, -1] <= slack) & (wide < len(corpus))
    for row in np.flatnonzero(tied):
        every = corpus @ queries[row]
        # All that can be among the k best, however their products are summed.
        reaching = np.flatnonzero(every >= np.partition(every, -k)[-k] - slack[row])[None]
        part = slice(row, row + 1)
        count = np.array([reaching.shape[1]])
        best(queries[part], corpus, reaching, count, k, found.ids[part], found.scores[part])
    return found
