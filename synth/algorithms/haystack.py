"""A text hidden in others, in a document of so many tokens."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from synth.algorithms.sentences import spans

# A document may be so much shorter than asked, as in LongEmbed; never longer.
TOLERANCE = 0.02


class Hidden(NamedTuple):
    """A document in which a text is hidden.

    Attributes:
        text: The document.
        tokens: Its length.
        depth: Share of its other tokens that stand before the hidden text: 0 at the beginning, 1 at
            the end.
    """

    text: str
    tokens: int
    depth: float


class Hay:
    """The sentences of some texts, to be read from anywhere and over again."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.sentences = [text[a:b].split() for text in texts for a, b in spans(text, "sentence")]
        self._sizes = [len(words) for words in self.sentences]

    def words(self, start: int, count: int) -> tuple[list[str], list[int]]:
        """The first words from a sentence on, and where sentences end among them, 0 included."""
        found: list[str] = []
        ends = [0]
        cycle = itertools.cycle([*self.sentences[start:], *self.sentences[:start]])
        while len(found) < count:
            found += next(cycle)
            ends.append(len(found))
        return found[:count], [end for end in ends if end <= count]

    @property
    def total(self) -> int:
        """All words."""
        return sum(self._sizes)


def hidden(
    text: str, hay: Hay, start: int, target: int, depth: float, count: Callable[[str], int]
) -> Hidden | None:
    """A document of `target` tokens with the text between two sentences of the hay.

    Args:
        text: What is hidden.
        hay: What it is hidden in; it has a sentence.
        start: The sentence of the hay that the document begins with.
        target: Tokens of the document at most, and but for `TOLERANCE` at least.
        depth: Share of the document that is to stand before the text, in [0, 1].
        count: Tokens of a text.

    Returns:
        None if the text has more tokens than the document, or if no number of words comes near
        enough to its length.
    """
    words, ends = hay.words(start, target)  # no word has less than one token

    def halves(number: int) -> tuple[str, str]:
        possible = ends[: bisect.bisect_right(ends, number)]
        place = min(possible, key=lambda end: (abs(end - depth * number), end))
        return " ".join(words[:place]), " ".join(words[place:number])

    def document(number: int) -> str:
        before, behind = halves(number)
        return " ".join(part for part in (before, text, behind) if part)

    low, high = 0, target
    while low < high:
        middle = (low + high + 1) // 2
        if count(document(middle)) <= target:
            low = middle
        else:
            high = middle - 1
    made = document(low)
    tokens = count(made)
    if not (1 - TOLERANCE) * target <= tokens <= target:
        return None
    before, behind = (count(part) if part else 0 for part in halves(low))
    return Hidden(made, tokens, before / max(1, before + behind))
