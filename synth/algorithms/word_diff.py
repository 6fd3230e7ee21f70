"""What differs between two texts, word by word."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

# A word, or the white space behind it, or one other sign: joined they are the text again.
_PART = re.compile(r"\w+|\s+|[^\w\s]")


class Piece(NamedTuple):
    """A run of words.

    Attributes:
        what: ``same`` in both texts, ``gone`` from the first, or ``new`` in the second.
        text: The words.
    """

    what: Literal["same", "gone", "new"]
    text: str


def word_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces of two texts: `same` and `gone` are the first, `same` and `new` the other.

    The fewest words are gone and new.
    """
    from rapidfuzz.distance import Indel

    one, other = _PART.findall(before), _PART.findall(after)
    found: list[Piece] = []
    gone, new = "", ""
    for step in Indel.opcodes(one, other):
        if step.tag == "equal":
            found += [
                *_changed(gone, new),
                Piece("same", "".join(one[step.src_start : step.src_end])),
            ]
            gone, new = "", ""
            continue
        gone += "".join(one[step.src_start : step.src_end])
        new += "".join(other[step.dest_start : step.dest_end])
    return (*found, *_changed(gone, new))


def _changed(gone: str, new: str) -> list[Piece]:
    pieces = (Piece("gone", gone), Piece("new", new))
    return [piece for piece in pieces if piece.text]


def kept_share(pieces: tuple[Piece, ...]) -> float:
    """Share of the characters of both texts that are the same in both, in [0, 1]."""
    same = 2 * sum(len(one.text) for one in pieces if one.what == "same")
    total = same + sum(len(one.text) for one in pieces if one.what != "same")
    return same / total if total else 1.0
