"""Documents cut into windows of a fixed number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Span:
    """The part of one document that stands in one window.

    Attributes:
        document: Index of the document.
        offset: Tokens of the document before this part.
        start: First token of the part in the window.
        end: The token after its last one.
    """

    document: int
    offset: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Window:
    """One training context.

    Attributes:
        tokens: Shape (tokens,), as long as asked for but for the last window of all.
        spans: Its documents' parts in order, at least one.
    """

    tokens: Tokens
    spans: tuple[Span, ...]


def pack(documents: Sequence[Sequence[int]], window_tokens: int, end_of_text: int) -> list[Window]:
    """Windows over all documents in their order, one end-of-text token between each two.

    A document that does not fit into what is left of a window goes on in the next one. No token is
    lost, added or padded: the spans of a document, joined, are the document.

    Args:
        documents: Token ids of each document, none of them empty.
        window_tokens: Tokens in a window, at least 2, so that no window is one end-of-text token.
        end_of_text: Token id that separates documents; it belongs to no span.

    Raises:
        ValueError: If a document is empty or a window too small.
    """
    if window_tokens < 2 or not all(len(document) for document in documents):
        raise ValueError("a window has 2 tokens or more, and a document at least 1")
    if not len(documents):
        return []
    begins = np.cumsum([0, *(len(document) + 1 for document in documents)])
    begins, ends = begins[:-1], begins[1:] - 1
    stream = np.full(ends[-1], end_of_text, np.int32)
    for begin, end, document in zip(begins, ends, documents, strict=True):
        stream[begin:end] = document
    windows = []
    for at in range(0, len(stream), window_tokens):
        tokens = stream[at : at + window_tokens]
        first = int(np.searchsorted(ends, at, side="right"))
        after = int(np.searchsorted(begins, at + len(tokens)))
        parts = (
            (number, max(at, int(begins[number])), min(at + len(tokens), int(ends[number])))
            for number in range(first, after)
        )
        spans = (Span(n, start - int(begins[n]), start - at, end - at) for n, start, end in parts)
        windows.append(Window(tokens, tuple(spans)))
    return windows
