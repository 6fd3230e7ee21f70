"""Parts of documents in windows, as lists that kernels change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.scoring import inner_product

Numbers = NDArray[np.float64]


class Packing(NamedTuple):
    """Parts of documents in windows; a document has at most one part in each.

    Attributes:
        vectors: Of the documents, of length 1, shape (documents, dim).
        document: Of each part, shape (room for parts,).
        tokens: Likewise.
        window: Likewise, -1 for room that is not used.
        next_in_window: The next part in the same window, -1 at the end; of unused room the next.
        next_of_document: The next part of the same document, -1 at the end.
        first_in_window: Shape (windows,).
        first_of_document: Shape (documents,).
        unused: The first room that is not used, shape (1,).
        sums: The sum of each window's vectors, weighted by tokens, shape (windows, dim).
        filled: Tokens of the documents in each window.
        free: Tokens that one more part could have in each window, its separator taken off.
        squares: The squared length of each sum, less what own tokens do not count.
        along: The inner product of each part's vector with the sum of its window.
    """

    vectors: Vectors
    document: Index
    tokens: Index
    window: Index
    next_in_window: Index
    next_of_document: Index
    first_in_window: Index
    first_of_document: Index
    unused: Index
    sums: Vectors
    filled: Index
    free: Index
    squares: Numbers
    along: Numbers


class Rule(NamedTuple):
    """What windows must be.

    Attributes:
        window_tokens: Most tokens, separators among them.
        least_part: Fewest tokens of a part of a document that was cut.
        own: What two tokens of one document count as, as a cosine.
        cut_cost: What each cut of a document takes off, as tokens times similarity.
    """

    window_tokens: int
    least_part: int
    own: float
    cut_cost: float


@kernel
def begin(packing: Packing, rule: Rule, parts: int) -> None:
    """Links the first `parts` parts, and fills in what is known of their windows."""
    for part in range(parts - 1, -1, -1):
        window, document = packing.window[part], packing.document[part]
        packing.next_in_window[part] = packing.first_in_window[window]
        packing.first_in_window[window] = part
        packing.next_of_document[part] = packing.first_of_document[document]
        packing.first_of_document[document] = part
    scratch = np.empty(16, np.float32)
    for window in range(len(packing.filled)):
        refresh(packing, rule, window, scratch)


@kernel
def total(packing: Packing) -> float:
    """Tokens times similarity of all windows."""
    found = 0.0
    for window in range(len(packing.filled)):
        found += worth(packing.squares[window], packing.filled[window])
    return found


@kernel
def worth(squares: float, filled: int) -> float:
    """Tokens times similarity of a window."""
    return squares / filled if filled > 0 else 0.0


@kernel
def held(packing: Packing, document: int, window: int) -> int:
    """Tokens of a document in a window."""
    part = packing.first_of_document[document]
    while part >= 0 and packing.window[part] != window:
        part = packing.next_of_document[part]
    return packing.tokens[part] if part >= 0 else 0


@kernel
def take(packing: Packing, part: int, tokens: int) -> None:
    """Takes tokens off a part; one without tokens is no part any more."""
    packing.tokens[part] -= tokens
    if packing.tokens[part] > 0:
        return
    window, document = packing.window[part], packing.document[part]
    _unlink(packing.first_in_window, packing.next_in_window, window, part)
    _unlink(packing.first_of_document, packing.next_of_document, document, part)
    packing.window[part] = -1
    packing.next_in_window[part] = packing.unused[0]
    packing.unused[0] = part


@kernel
def _unlink(first: Index, following: Index, of: int, part: int) -> None:
    """Takes a part out of a list."""
    if first[of] == part:
        first[of] = following[part]
        return
    before = first[of]
    while following[before] != part:
        before = following[before]
    following[before] = following[part]


@kernel
def give(packing: Packing, document: int, tokens: int, window: int) -> None:
    """Puts tokens of a document into a window, to those that it has there."""
    part = packing.first_of_document[document]
    while part >= 0 and packing.window[part] != window:
        part = packing.next_of_document[part]
    if part >= 0:
        packing.tokens[part] += tokens
        return
    part = packing.unused[0]
    packing.unused[0] = packing.next_in_window[part]
    packing.document[part], packing.tokens[part] = document, tokens
    packing.window[part] = window
    packing.next_in_window[part] = packing.first_in_window[window]
    packing.first_in_window[window] = part
    packing.next_of_document[part] = packing.first_of_document[document]
    packing.first_of_document[document] = part


@kernel
def refresh(packing: Packing, rule: Rule, window: int, scratch: Vectors) -> None:
    """Sums up a window anew, so that no rounding is carried along."""
    sums, filled, own, load = packing.sums[window], 0, 0.0, 0
    sums[:] = 0
    part = packing.first_in_window[window]
    while part >= 0:
        tokens = packing.tokens[part]
        vector, weight = packing.vectors[packing.document[part]], np.float32(tokens)
        for dim in range(len(sums)):
            sums[dim] += weight * vector[dim]
        filled, own, load = filled + tokens, own + float(tokens) * tokens, load + tokens + 1
        part = packing.next_in_window[part]
    packing.filled[window], packing.free[window] = filled, rule.window_tokens - load
    square = float(inner_product(sums, sums, scratch))
    packing.squares[window] = square - (1 - rule.own) * own
    part = packing.first_in_window[window]
    while part >= 0:
        vector = packing.vectors[packing.document[part]]
        packing.along[part] = inner_product(sums, vector, scratch)
        part = packing.next_in_window[part]
