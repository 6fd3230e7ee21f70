"""Texts cut into chunks of a bounded size, at the ends of sentences or paragraphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from synth.algorithms.sentences import Span, Unit, spans

# What a piece is cut into that is too long for a chunk.
_FINER: dict[Unit, Unit] = {"paragraph": "sentence", "sentence": "word"}
# How long some pieces are, in whatever unit chunks are measured.
Lengths = Callable[[Sequence[str]], Sequence[int]]


def chunk_spans(text: str, at: Unit, size: int, overlap: int, lengths: Lengths) -> list[Span]:
    """Where each chunk begins and ends.

    A chunk is as many whole pieces as fit into `size`; a piece that does not fit is cut at its
    sentences, and these at their words. Only a single word may be longer. Without overlap every
    piece is in one chunk, otherwise in one or more; no chunk lies within another.

    Args:
        text: Any text.
        at: What is kept whole.
        size: Length of a chunk at most.
        overlap: Length of the end of a chunk with which the next one begins, at most.
        lengths: Length of each of some pieces.
    """
    pieces = list(_pieces(text, [(0, len(text))], at, size, lengths))
    counts = [count for _, count in pieces]
    return [
        (pieces[first][0][0], pieces[behind - 1][0][1])
        for first, behind in gathered(counts, size, overlap)
    ]


def _pieces(
    text: str, within: Sequence[Span], unit: Unit, size: int, lengths: Lengths
) -> Iterator[tuple[Span, int]]:
    found = [
        (begin + first, begin + end)
        for begin, behind in within
        for first, end in spans(text[begin:behind], unit)
    ]
    counts = lengths([text[begin:end] for begin, end in found])
    for span, count in zip(found, counts, strict=True):
        if count > size and unit in _FINER:
            yield from _pieces(text, [span], _FINER[unit], size, lengths)
        else:
            yield span, count


def gathered(counts: Sequence[int], size: int, overlap: int) -> list[Span]:
    """The first piece of each chunk and the one behind its last.

    Args:
        counts: Length of each piece.
        size: Length of a chunk at most, unless it is one piece.
        overlap: Length that two chunks share at most.
    """
    found: list[Span] = []
    begin = 0
    while begin < len(counts):
        end, total = begin + 1, counts[begin]
        while end < len(counts) and total + counts[end] <= size:
            total, end = total + counts[end], end + 1
        found.append((begin, end))
        if end == len(counts):
            break
        begin, shared = end, 0
        # What is shared leaves room for the next piece, or the chunk would lie within this one.
        while (
            begin - 1 > found[-1][0]
            and shared + counts[begin - 1] <= overlap
            and shared + counts[begin - 1] + counts[end] <= size
        ):
            begin, shared = begin - 1, shared + counts[begin - 1]
    return found
