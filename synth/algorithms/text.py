"""When two texts count as the same, and the shingles that say how alike they are."""

from __future__ import annotations

import unicodedata
from typing import Literal

Unit = Literal["word", "char"]


def normalized(text: str) -> str:
    """The text without what a reader would not call a difference: case, spacing, Unicode form."""
    return unicodedata.normalize("NFC", " ".join(text.casefold().split()))


def shingles(text: str, ngram: int, unit: Unit) -> frozenset[str]:
    """Every run of `ngram` words or characters.

    Args:
        text: A normalised text.
        ngram: Words or characters in a shingle, at least 1.
        unit: What a shingle is made of. Words are what stands between white space, so scripts
            that are written without it need ``char``.

    Returns:
        At least one shingle: a text shorter than `ngram` is one shingle as a whole.
    """
    parts, joint = (text.split(" "), " ") if unit == "word" else (text, "")
    return frozenset(
        joint.join(parts[at : at + ngram]) for at in range(max(1, len(parts) - ngram + 1))
    )


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared shingles over all shingles of two texts, in [0, 1]."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
