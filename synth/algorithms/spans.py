"""Which part of which document stands in which training window."""

from __future__ import annotations

from typing import Literal, NamedTuple, assert_never

import numpy as np

from synth.algorithms.kernel import Index, kernel

# What becomes of a document that is longer than a window: it goes on in the next one, loses what is
# too much, gets windows that it shares with nobody, or is left out.
Overflow = Literal["split", "truncate", "own_window", "drop"]


class Spans(NamedTuple):
    """Parts of documents, window by window, in the order in which they stand there.

    Attributes:
        windows: Number of the window of each part, rising, shape (parts,).
        documents: Index of its document.
        starts: Its first token in the document.
        ends: The token behind its last one.
    """

    windows: Index
    documents: Index
    starts: Index
    ends: Index

    @property
    def tokens(self) -> Index:
        """Tokens of each part."""
        return self.ends - self.starts

    def behind(self, other: Spans) -> Spans:
        """The other's windows, and these numbered on behind them."""
        first = other.windows[-1] + 1 if len(other.windows) else 0
        return Spans(
            np.concatenate([other.windows, first + self.windows]),
            *(np.concatenate(pair) for pair in zip(other[1:], self[1:], strict=True)),
        )


def window_begins(spans: Spans) -> Index:
    """Where the parts of each window begin, and the end of the last, shape (windows + 1,).

    Windows without a part are left out.
    """
    return np.append(np.flatnonzero(np.diff(spans.windows, prepend=-1)), len(spans.windows))


def cut_spans(
    order: Index, tokens: Index, window_tokens: int, least_part: int = 1, free: int = 0
) -> Spans:
    """Windows cut from documents that follow each other, one separator between each two of one.

    A document goes on in the next window where it does not fit into what is left of one.

    Args:
        order: The documents to pack, as they follow each other.
        tokens: Of each document, 0 for one to leave out, shape (documents,).
        window_tokens: Tokens of a window with its separators.
        least_part: Documents are cut into parts of so many tokens or more; less than half of
            what a window may hold.
        free: Tokens of each window that stay free.
    """
    most = int((2 + tokens[order] // max(1, window_tokens - free - least_part)).sum())
    spans = Spans(*(np.empty(most, np.int64) for _ in Spans._fields))
    count = _cut(order, tokens, window_tokens - free, least_part, spans)
    return Spans(*(one[:count].copy() for one in spans))


@kernel
def _cut(order: Index, tokens: Index, size: int, least: int, spans: Spans) -> int:
    """Writes the parts to `spans`; how many."""
    count, window, room = 0, 0, size
    for document in order:
        start, left = 0, tokens[document]
        while left > 0:
            part = left if left <= room else min(room, left - least)
            if part < min(left, least):
                window, room = window + 1, size
                continue
            spans.windows[count], spans.documents[count] = window, document
            spans.starts[count], spans.ends[count] = start, start + part
            count += 1
            start, left = start + part, left - part
            room -= part + 1
    return count


def packed(order: Index, tokens: Index, window_tokens: int, overflow: Overflow) -> Spans:
    """Windows over documents in their order, those with too long documents of their own last.

    Args:
        order: The documents to pack, as they follow each other.
        tokens: Of each document, 0 for one to leave out, shape (documents,).
        window_tokens: Tokens of a window with its separators.
        overflow: What becomes of a document that is longer than a window.
    """
    tokens = fitting(tokens, window_tokens, overflow)
    if overflow != "own_window":
        return cut_spans(order, tokens, window_tokens)
    long = tokens > window_tokens
    spans = cut_spans(order, np.where(long, 0, tokens), window_tokens)
    return own_spans(order[long[order]], tokens, window_tokens).behind(spans)


def fitting(tokens: Index, window_tokens: int, overflow: Overflow) -> Index:
    """Tokens of each document that stand in windows."""
    match overflow:
        case "split" | "own_window":
            return tokens
        case "truncate":
            return np.minimum(tokens, window_tokens)
        case "drop":
            return np.where(tokens > window_tokens, 0, tokens)
        case _:
            assert_never(overflow)


def own_spans(documents: Index, tokens: Index, window_tokens: int) -> Spans:
    """Windows that no two documents share: each document has as many as it fills.

    Args:
        documents: The documents to pack.
        tokens: Of each document, shape (documents,).
        window_tokens: Tokens of a window.
    """
    sizes = tokens[documents]
    parts = -(-sizes // window_tokens)
    starts = places(parts) * window_tokens
    ends = np.minimum(np.repeat(sizes, parts), starts + window_tokens)
    return Spans(np.arange(len(starts)), np.repeat(documents, parts), starts, ends)


def neighbor_spans(ids: Index, tokens: Index, window_tokens: int, seed: int) -> Spans:
    """Windows of a document with its nearest neighbours, whatever stands in other windows.

    As many windows as all documents fill are drawn; documents may stand in several or in none.

    Args:
        ids: Neighbours of each document, the nearest first, -1 for none, shape (documents, k).
        tokens: Of each document, all above 0, shape (documents,).
        window_tokens: Tokens of a window.
        seed: Draws the documents that windows are made of.

    Source:
        The kNN baseline of In-Context Pretraining (arXiv:2310.10638), as retrieval-augmented
        training such as RETRO arranges documents.
    """
    count = min(len(tokens), -(-int(tokens.sum()) // window_tokens))
    drawn = np.random.default_rng(seed).permutation(len(tokens))[:count]
    members = np.concatenate([drawn[:, None], ids[drawn]], axis=1)
    sizes = np.where(members < 0, 0, tokens[members])
    begins = np.cumsum(sizes + (members >= 0), axis=1) - sizes - (members >= 0)
    stands = (members >= 0) & (begins < window_tokens)
    windows = np.nonzero(stands)[0]
    ends = np.minimum(sizes, window_tokens - begins)[stands]
    return Spans(windows, members[stands], np.zeros(len(windows), np.int64), ends)


def distinct_tokens(spans: Spans) -> int:
    """Tokens of documents that stand in windows, each counted once however often it is there."""
    if not len(spans.windows):
        return 0
    order = np.lexsort((spans.starts, spans.documents))
    documents, starts, ends = (one[order] for one in spans[1:])
    # Documents one behind the other on one line, so that how far each is covered only rises.
    line = documents * (int(ends.max()) + 1)
    covered = np.maximum.accumulate(np.append(0, line + ends))
    return int(np.maximum(line + ends - np.maximum(line + starts, covered[:-1]), 0).sum())


def places(sizes: Index) -> Index:
    """The place of each member in its group, for groups of so many members each."""
    begins = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) - np.repeat(begins, sizes)
