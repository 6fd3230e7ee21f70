"""Clusters of vectors by direction, and clusters brought into an order and into equal shares."""

from __future__ import annotations

import numpy as np

from synth.algorithms.directions import mean_directions
from synth.algorithms.graph import edges_of, symmetric
from synth.algorithms.kernel import Index
from synth.algorithms.neighbors import Vectors, nearest_others, top_k
from synth.algorithms.paths import edge_path

# More vectors for each centroid move it no further than another draw would.
_LEARNED_FROM = 256
_ROUNDS = 10
_NEIGHBORS = 10


def centroids(vectors: Vectors, count: int, seed: int) -> Vectors:
    """Directions around which vectors gather, by spherical k-means on some of the vectors.

    Args:
        vectors: Of length 1, shape (n, dim).
        count: Centroids wanted; there are no more than vectors.
        seed: Draws the vectors it learns from and starts with.

    Returns:
        Of length 1, shape (centroids, dim).

    Source:
        Dhillon and Modha, Concept decompositions for large sparse text data (2001).
    """
    draw = np.random.default_rng(seed)
    count = min(count, len(vectors))
    learned = draw.permutation(len(vectors))[: count * _LEARNED_FROM]
    found = vectors[learned[:count]].copy()
    # In the order of their index, so that sums are the same whatever was drawn first.
    sample = vectors[np.sort(learned)]
    for _ in range(_ROUNDS if count > 1 else 0):
        found = mean_directions(sample, nearest(sample, found), found)
    return found


def nearest(vectors: Vectors, centers: Vectors) -> Index:
    """The centroid that is most similar to each vector, of equal ones the first."""
    return top_k(vectors, centers, 1).ids[:, 0]


def cluster_order(vectors: Vectors, count: int, seed: int) -> Index:
    """Documents cluster by cluster, clusters and documents in each at random.

    Args:
        vectors: Of length 1, shape (n, dim).
        count: Clusters.
        seed: Draws all that is random.

    Returns:
        Every index once.
    """
    if not len(vectors):
        return np.arange(0)
    draw = np.random.default_rng(seed)
    of = nearest(vectors, centroids(vectors, count, seed))
    clusters = draw.permutation(int(of.max()) + 1)
    order: Index = np.lexsort((draw.permutation(len(vectors)), clusters[of]))
    return order


def chained(centers: Vectors) -> Index:
    """Centroids in an order in which each is like the one before it."""
    found = nearest_others(centers, min(_NEIGHBORS, len(centers) - 1) or 1)
    graph = symmetric(edges_of(found), len(centers))
    return edge_path(graph, centers, lambda ends: nearest_others(ends, _NEIGHBORS))


def shares(sizes: Index, most: int) -> Index:
    """Clusters that follow each other, cut into shares of about equal size.

    Args:
        sizes: Members of each cluster, in the order of the clusters.
        most: Members of a share, but for what whole clusters add.

    Returns:
        The share of each cluster, rising from 0; each has a member, if there is any.
    """
    total = int(sizes.sum())
    count = max(1, -(-total // most))
    middles = np.cumsum(sizes) - sizes / 2
    found = np.minimum((middles * count / max(1, total)).astype(np.int64), count - 1)
    # A share without members is none.
    present = np.unique(found[sizes > 0])
    numbers: Index = np.searchsorted(present, np.minimum(found, present.max(initial=0)))
    return numbers
