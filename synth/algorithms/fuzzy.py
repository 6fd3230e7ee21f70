"""How nearly one string copies another."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import fuzz

from synth.algorithms.text import normalized


def copy_ratio(text: str, other: str) -> float:
    """How much of two texts is the same words, whatever their order, repetition, case and spacing.

    Returns:
        rapidfuzz's ``token_set_ratio`` in [0, 100]: 100 for a text whose words are all in the
        other, 0 where either has no words.
    """
    return fuzz.token_set_ratio(normalized(text), normalized(other))


def is_near_copy(text: str, references: Iterable[str], min_ratio: float) -> bool:
    """Whether the text has a `copy_ratio` of `min_ratio` or more with any of the references."""
    return any(copy_ratio(text, reference) >= min_ratio for reference in references)
