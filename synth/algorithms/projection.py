"""Vectors on a plane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


def principal_plane(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """The plane in which vectors differ most: their mean, and two axes at right angles.

    The axes have length 1, the first one's variance is the largest, and the largest component of
    each is positive, so that the same vectors always give the same plane.

    Args:
        vectors: Shape (n, dim), all finite.

    Returns:
        The mean, shape (dim,), and the axes, shape (dim, 2); axes that no vector needs are zero.
    """
    dim = vectors.shape[1]
    axes = np.zeros((dim, 2), np.float32)
    if not len(vectors):
        return np.zeros(dim, np.float32), axes
    mean = vectors.mean(axis=0, dtype=np.float64)
    moved = vectors - mean.astype(np.float32)
    variances, found = np.linalg.eigh((moved.T @ moved).astype(np.float64))
    for at in range(min(2, dim)):
        axis = found[:, -1 - at]
        if variances[-1 - at] > 0:
            axes[:, at] = axis * np.sign(axis[np.argmax(np.abs(axis))])
    return mean.astype(np.float32), axes


def cosines(vector: Vectors, others: Vectors) -> NDArray[np.float32]:
    """The cosine of a vector with each of others.

    Args:
        vector: Shape (dim,).
        others: Shape (n, dim).

    Returns:
        Shape (n,); not a number where a vector has no direction.
    """
    lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(vector)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(others @ vector / lengths, np.float32)
