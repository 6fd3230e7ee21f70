"""Classes of texts by what the classes are called, without one labelled text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Classes(NamedTuple):
    """The class of each text.

    Attributes:
        labels: Index of the nearest label, shape (texts,).
        scores: Cosine to it, shape (texts,).
        margins: By how much it is nearer than the next one; infinite where there is one label.
        members: Texts that each label's vector is the mean of, shape (labels,).
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    margins: NDArray[np.float32]
    members: NDArray[np.int64]


def pseudo_labels(
    texts: Vectors, labels: Vectors, threshold: float, least: int, most: int | None
) -> Classes:
    """The nearest label of each text, labels standing where the texts near them do.

    A label's vector is the mean of the texts whose cosine to its description is `threshold` or
    more; at least the `least` nearest ones, at most the `most` nearest.

    Args:
        texts: L2-normalised, shape (texts, dim), at least one.
        labels: Of the descriptions, likewise, at least one.
        threshold: In [-1, 1].
        least: At least 1.
        most: No less than `least`; None is no limit.
    """
    near = labels @ texts.T
    centres = np.empty_like(labels)
    members = np.empty(len(labels), np.int64)
    for at, cosines in enumerate(near):
        order = np.argsort(-cosines, kind="stable")
        count = max(least, int(np.count_nonzero(cosines >= threshold)))
        chosen = order[: count if most is None else min(count, most)]
        mean = texts[chosen].mean(axis=0)
        centres[at], members[at] = mean / max(float(np.linalg.norm(mean)), 1e-12), len(chosen)
    scores = texts @ centres.T
    order = np.argsort(-scores, axis=1, kind="stable")
    best = np.take_along_axis(scores, order[:, :1], axis=1)[:, 0]
    margins = np.full(len(texts), np.inf, np.float32)
    if len(labels) > 1:
        margins = best - np.take_along_axis(scores, order[:, 1:2], axis=1)[:, 0]
    return Classes(order[:, 0].astype(np.int64), best, margins, members)
