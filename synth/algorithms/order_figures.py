"""How coherent an order of documents is, in figures of several parts that can be added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.graph import Graph
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.scoring import inner_product
from synth.algorithms.spans import Spans, window_begins

# Cosines are counted in classes of a thousandth.
_CLASSES = 2000
# Pairs of vectors multiplied at once.
_BLOCK = 16_384


@dataclass(frozen=True, slots=True)
class Spread:
    """Many cosines, each of some weight.

    Attributes:
        weights: Of the cosines in each of equally wide classes from -1 to 1.
        total: Their weighted sum.
    """

    weights: NDArray[np.float64]
    total: float

    @classmethod
    def of(cls, values: NDArray[np.floating], weights: NDArray[np.number]) -> Spread:
        """The spread of some values; those that are no number are left out."""
        there = np.isfinite(values)
        values, weights = values[there], weights[there].astype(np.float64)
        place = np.clip(((values + 1) * (_CLASSES / 2)).astype(np.int64), 0, _CLASSES - 1)
        return cls(
            np.bincount(place, weights, minlength=_CLASSES).astype(np.float64),
            float(values.astype(np.float64) @ weights),
        )

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.weights + other.weights, self.total + other.total)

    @property
    def mean(self) -> float:
        """The weighted mean, not a number without values."""
        weight = float(self.weights.sum())
        return self.total / weight if weight else float("nan")

    def quantile(self, share: float) -> float:
        """The value below which so large a share of the weight lies, to a thousandth."""
        running = np.cumsum(self.weights)
        if not running[-1]:
            return float("nan")
        place = int(np.searchsorted(running, share * running[-1]))
        return (min(place, _CLASSES - 1) + 0.5) / (_CLASSES / 2) - 1


@dataclass(frozen=True, slots=True)
class Figures:
    """An order of documents in figures.

    Attributes:
        documents: How many there are.
        adjacent: Cosine of each document and the one before it.
        jumps: Documents that are no near neighbour of the one before them.
        windows: How many there are.
        parts: Documents in each window, added up.
        within: Mean cosine of two documents of a window, weighted by both documents' tokens, of
            each window with two or more, weighted by its tokens.
        nearest: Cosine of each document of a window and the most similar one before it there,
            weighted by its tokens; the first of a window has none.
        one_source: Windows of two documents or more which are all of one source.
        several: Windows of two documents or more.
        adjacent_by_rule: `adjacent` by the vectors that put documents in order, where these are
            others; else of no weight.
        within_by_rule: `within`, likewise.
    """

    documents: int
    adjacent: Spread
    jumps: int
    windows: int
    parts: int
    within: Spread
    nearest: Spread
    one_source: int
    several: int
    adjacent_by_rule: Spread
    within_by_rule: Spread

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


def figures(
    order: Index,
    vectors: Vectors,
    graph: Graph,
    spans: Spans | None = None,
    sources: Index | None = None,
    by_rule: Vectors | None = None,
) -> Figures:
    """The figures of an order.

    Args:
        order: Documents as they follow each other.
        vectors: Of all documents, of length 1, shape (documents, dim).
        graph: Documents that are near each other.
        spans: The windows that they are packed into.
        sources: A number for the source of each document, shape (documents,).
        by_rule: The vectors that put documents in order, where these are others.
    """
    nothing = Spread.of(np.zeros(0), np.zeros(0))
    adjacent = _adjacent(order, vectors)
    adjacent_by_rule = nothing if by_rule is None else _adjacent(order, by_rule)
    jumps = _jumps(order, graph)
    if spans is None or not len(spans.windows):
        none = (0, 0, nothing, nothing, 0, 0)
        return Figures(len(order), adjacent, jumps, *none, adjacent_by_rule, nothing)
    bounds = window_begins(spans)
    begins, parts = bounds[:-1], np.diff(bounds)
    one_source = 0
    if sources is not None:
        own = sources[spans.documents]
        same = np.minimum.reduceat(own, begins) == np.maximum.reduceat(own, begins)
        one_source = int((same & (parts > 1)).sum())
    tokens = np.add.reduceat(spans.tokens, begins)
    return Figures(
        documents=len(order),
        adjacent=adjacent,
        jumps=jumps,
        windows=len(begins),
        parts=int(parts.sum()),
        within=Spread.of(window_cosines(spans, vectors), tokens),
        nearest=Spread.of(nearest_cosines(spans, vectors), spans.tokens),
        one_source=one_source,
        several=int((parts > 1).sum()),
        adjacent_by_rule=adjacent_by_rule,
        within_by_rule=nothing
        if by_rule is None
        else Spread.of(window_cosines(spans, by_rule), tokens),
    )


def _adjacent(order: Index, vectors: Vectors) -> Spread:
    alike = adjacent_cosines(order, vectors)
    return Spread.of(alike, np.ones(len(alike)))


def adjacent_cosines(order: Index, vectors: Vectors) -> NDArray[np.float32]:
    """The cosine of each document and the one before it, shape (documents - 1,)."""
    found = [np.zeros(0, np.float32)]
    for at in range(0, len(order) - 1, _BLOCK):
        block = order[at : at + _BLOCK + 1]
        found.append(np.einsum("nd,nd->n", vectors[block[1:]], vectors[block[:-1]]))
    return np.concatenate(found)


@kernel
def _jumps(order: Index, graph: Graph) -> int:
    found = 0
    for at in range(1, len(order)):
        before, one, near = order[at - 1], order[at], False
        for edge in range(graph.starts[before], graph.starts[before + 1]):
            if graph.targets[edge] == one:
                near = True
                break
        found += not near
    return found


@kernel
def window_cosines(spans: Spans, vectors: Vectors) -> NDArray[np.float64]:
    """The mean cosine of two documents of each window, weighted by the tokens of both.

    Args:
        spans: The windows; a document has one part in each at most.
        vectors: Of all documents, of length 1, shape (documents, dim).

    Returns:
        Not a number where a window has one document, shape (windows that are not empty,).
    """
    sums = np.zeros(vectors.shape[1], np.float64)
    found = np.empty(len(spans.windows), np.float64)
    count, begin = 0, 0
    for end in range(1, len(spans.windows) + 1):
        if end < len(spans.windows) and spans.windows[end] == spans.windows[begin]:
            continue
        sums[:] = 0
        filled, own = 0.0, 0.0
        for part in range(begin, end):
            tokens = float(spans.ends[part] - spans.starts[part])
            vector = vectors[spans.documents[part]]
            for dim in range(len(sums)):
                sums[dim] += tokens * vector[dim]
            filled += tokens
            own += tokens * tokens
        between = filled * filled - own
        found[count] = ((sums * sums).sum() - own) / between if end - begin > 1 else np.nan
        count += 1
        begin = end
    return found[:count].copy()


def nearest_cosines(spans: Spans, vectors: Vectors) -> NDArray[np.float32]:
    """The cosine of each part of a window and the most similar one before it in the window.

    Args:
        spans: The windows.
        vectors: Of all documents, of length 1, shape (documents, dim).

    Returns:
        Not a number for the first part of a window, shape (parts,).
    """
    found = np.full(len(spans.windows), np.nan, np.float32)
    _nearest(window_begins(spans), spans.documents, vectors, found)
    return found


@kernel
def _nearest(begins: Index, documents: Index, vectors: Vectors, found: NDArray[np.float32]) -> None:
    scratch = np.empty(16, np.float32)
    for window in range(len(begins) - 1):
        for part in range(begins[window] + 1, begins[window + 1]):
            most = np.float32(-2)
            for before in range(begins[window], part):
                one, other = vectors[documents[part]], vectors[documents[before]]
                most = max(most, inner_product(one, other, scratch))
            found[part] = most
