"""Directions of vectors: the mean ones, a step of spherical k-means, and the principal ones."""

from __future__ import annotations

import numpy as np

from synth.algorithms.kernel import Index
from synth.algorithms.neighbors import Vectors


def mean_directions(vectors: Vectors, of: Index, centers: Vectors) -> Vectors:
    """Centres moved to the direction of the mean of their vectors.

    Args:
        vectors: Shape (n, dim).
        of: The centre that each belongs to, shape (n,).
        centers: One without vectors, or whose vectors have no mean direction, stays where it is;
            shape (centers, dim).

    Source:
        Dhillon and Modha, Concept decompositions for large sparse text data (2001).
    """
    found = centers.copy()
    order = np.argsort(of, kind="stable")
    present, begins = np.unique(of[order], return_index=True)
    sums = np.add.reduceat(vectors[order], begins, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    moved = lengths[:, 0] > 0
    found[present[moved]] = sums[moved] / lengths[moved]
    return found


def principal_directions(vectors: Vectors) -> Vectors:
    """The directions in which vectors are longest, the first one first.

    Args:
        vectors: Shape (n, dim).

    Returns:
        Orthogonal directions of length 1 in the columns, shape (dim, dim).
    """
    strength, directions = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    return np.ascontiguousarray(directions[:, np.argsort(-strength)], np.float32)
