"""Windows filled with the tokens of documents."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.kernel import Index, kernel
from synth.algorithms.spans import Spans, places, window_begins

Ids = NDArray[np.int32]


class Windows(NamedTuple):
    """Training windows.

    Attributes:
        ids: Token ids of all windows, one behind the other, shape (tokens,).
        begins: Where each window's begin, and the end of the last, shape (windows + 1,).
        parts: Where each window's parts of documents begin, likewise.
        starts: Where each part starts in its window, shape (parts,).
    """

    ids: Ids
    begins: Index
    parts: Index
    starts: Index


def filled(
    spans: Spans, ids: Ids, begins: Index, separator: int, size: int | None = None
) -> Windows:
    """The windows, with one separator between each two parts of a window.

    Args:
        spans: Parts of documents.
        ids: Token ids of all documents, one behind the other.
        begins: Where each document's begin, shape (documents,).
        separator: Token id that belongs to no part.
        size: Tokens of a window, filled up with separators behind its last part; by default there
            are none behind it.
    """
    parts = window_begins(spans)
    counts = np.diff(parts)
    loads = spans.tokens + 1
    ends = np.cumsum(loads)
    first = np.repeat(parts[:-1], counts)
    starts = ends - loads - (ends - loads)[first]
    # A window's last part is followed by no separator.
    sizes = np.add.reduceat(loads, parts[:-1]) - 1 if len(counts) else counts
    sizes = sizes if size is None else np.full_like(sizes, size)
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    out = np.full(bounds[-1], separator, np.int32)
    _copy(out, np.repeat(bounds[:-1], counts) + starts, ids, begins[spans.documents], spans)
    return Windows(out, bounds, parts, starts)


@kernel
def _copy(out: Ids, to: Index, ids: Ids, begins: Index, spans: Spans) -> None:
    for part in range(len(to)):
        start = begins[part] + spans.starts[part]
        for token in range(spans.ends[part] - spans.starts[part]):
            out[to[part] + token] = ids[start + token]


def shuffled(spans: Spans, seed: int) -> Spans:
    """The same windows in another order, numbered anew.

    Args:
        spans: Parts of documents, the parts of a window in a row.
        seed: Draws the order.
    """
    counts = np.diff(window_begins(spans))
    drawn = np.random.default_rng(seed).permutation(len(counts))
    sizes = counts[drawn]
    begins = (np.cumsum(counts) - counts)[drawn]
    order = np.repeat(begins, sizes) + places(sizes)
    windows = np.repeat(np.arange(len(counts)), sizes)
    return Spans(windows, *(one[order] for one in spans[1:]))
