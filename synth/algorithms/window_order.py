"""Documents of a window put behind those that they are most like."""

from __future__ import annotations

import numpy as np

from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.scoring import inner_product
from synth.algorithms.spans import Spans, window_begins


def nearest_first(spans: Spans, vectors: Vectors) -> Spans:
    """The same windows, with each part behind the one that it is most like.

    A window begins with the part that has least to gain from what could stand before it; then
    always that part follows which is most like one that stands already. No order of a window has a
    higher sum of the cosines of each part and the most similar one before it: it is the weight of
    the heaviest tree that spans the window (Prim's algorithm). Ties keep the order that was.

    Args:
        spans: The windows.
        vectors: Of all documents, of length 1, shape (documents, dim).
    """
    order = np.empty(len(spans.windows), np.int64)
    _place(window_begins(spans), spans.documents, spans.tokens, vectors, order)
    return Spans(*(one[order] for one in spans))


@kernel
def _place(begins: Index, documents: Index, tokens: Index, vectors: Vectors, order: Index) -> None:
    """Writes the places of the parts, window by window, in their new order."""
    scratch = np.empty(16, np.float32)
    for window in range(len(begins) - 1):
        begin, count = begins[window], begins[window + 1] - begins[window]
        own = vectors[documents[begin : begin + count]]
        at = _first(own, tokens[begin : begin + count], scratch)
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
def _first(own: Vectors, tokens: Index, scratch: Vectors) -> int:
    """The part whose tokens, times the cosine of the most similar other part, are fewest."""
    count = len(own)
    nearest = np.full(count, -2.0, np.float32)
    for one in range(count):
        for other in range(one):
            cosine = inner_product(own[one], own[other], scratch)
            nearest[one], nearest[other] = max(nearest[one], cosine), max(nearest[other], cosine)
    first = 0
    for one in range(1, count):
        if tokens[one] * nearest[one] < tokens[first] * nearest[first]:
            first = one
    return first
