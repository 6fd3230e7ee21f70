"""Where sentences, paragraphs and words of a text begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

Span = tuple[int, int]
Unit = Literal["paragraph", "sentence", "word"]

# The end of a sentence in most scripts, with a closing quote or bracket after it.
SENTENCE_END = re.compile(
    r"[.!?…。！？।]['\"”’)\]]*(?=\s|\Z)|[。！？]"  # noqa: RUF001  (Chinese and Japanese write these)
)
_BLANK_LINE = re.compile(r"\n[ \t]*\n\s*")
_WORD = re.compile(r"\S+")


def spans(text: str, unit: Unit) -> list[Span]:
    """Where each paragraph, sentence or word begins and ends, white space around it left out.

    All but white space is in exactly one of them, in the order of the text.
    """
    if unit == "word":
        return [match.span() for match in _WORD.finditer(text)]
    cut = _BLANK_LINE if unit == "paragraph" else SENTENCE_END
    return list(_between(text, (match.end() for match in cut.finditer(text))))


def _between(text: str, ends: Iterable[int]) -> Iterator[Span]:
    begin = 0
    for end in (*ends, len(text)):
        piece = text[begin:end]
        if stripped := piece.strip():
            first = begin + len(piece) - len(piece.lstrip())
            yield first, first + len(stripped)
        begin = end
