"""Documents of a window put behind those that they are most like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.scoring import inner_product
from synth.algorithms.spans import Spans, window_begins

Flags = NDArray[np.bool_]


def nearest_first(spans: Spans, vectors: Vectors) -> Spans:
    """The same windows, with each part behind the one that it is most like.

    A window begins with the rest of a document that another window begins, if it has one: such a
    rest lacks what it goes on from wherever it stands, and so no second part lacks what could stand
    before it. Of several, or without one, it is the part that has least to gain from the others.
    Then always that part follows which is most like one that stands already. No order that begins
    so has a higher sum of the cosines of each part and the most similar one before it: it is the
    weight of the heaviest tree that spans the window (Prim's algorithm). Ties keep the order that
    was.

    Args:
        spans: The windows.
        vectors: Of all documents, of length 1, shape (documents, dim).
    """
    order = np.empty(len(spans.windows), np.int64)
    rests = spans.starts > 0
    _place(window_begins(spans), spans.documents, spans.tokens, rests, vectors, order)
    return Spans(*(one[order] for one in spans))


@kernel
def _place(
    begins: Index, documents: Index, tokens: Index, rests: Flags, vectors: Vectors, order: Index
) -> None:
    """Writes the places of the parts, window by window, in their new order."""
    scratch = np.empty(16, np.float32)
    for window in range(len(begins) - 1):
        begin, count = begins[window], begins[window + 1] - begins[window]
        inside = slice(begin, begin + count)
        own = vectors[documents[inside]]
        at = _first(own, tokens[inside], rests[inside], scratch)
        nearest = np.full(count, -2.0, np.float32)
        stands = np.zeros(count, np.bool_)
        for place in range(count):
            order[begin + place] = begin + at
            stands[at] = True
            follow = -1
            for one in range(count):
                if stands[one]:
                    continue
                nearest[one] = max(nearest[one], inner_product(own[one], own[at], scratch))
                if follow < 0 or nearest[one] > nearest[follow]:
                    follow = one
            at = follow


@kernel
def _first(own: Vectors, tokens: Index, rests: Flags, scratch: Vectors) -> int:
    """The part whose tokens, times the cosine of the most similar other part, are fewest.

    A rest of a document comes before all others.
    """
    count = len(own)
    nearest = np.full(count, -2.0, np.float32)
    for one in range(count):
        for other in range(one):
            cosine = inner_product(own[one], own[other], scratch)
            nearest[one], nearest[other] = max(nearest[one], cosine), max(nearest[other], cosine)
    first = 0
    for one in range(1, count):
        if rests[one] != rests[first]:
            first = one if rests[one] else first
        elif tokens[one] * nearest[one] < tokens[first] * nearest[first]:
            first = one
    return first
