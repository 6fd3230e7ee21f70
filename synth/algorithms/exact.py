"""Which texts are equal, and in what order duplicates are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Keep = Literal["first", "longest"]


def visiting_order(texts: Sequence[str], keep: Keep) -> list[int]:
    """Every index once; the text visited first is the one that stays of a set of duplicates.

    Args:
        texts: Texts in the order of their ids.
        keep: ``first`` visits them as they come, ``longest`` by falling length in characters;
            texts of one length stay as they come.
    """
    if keep == "first":
        return list(range(len(texts)))
    return sorted(range(len(texts)), key=lambda at: -len(texts[at]))


def exact_duplicates(texts: Sequence[str], order: Sequence[int]) -> NDArray[np.int64]:
    """For each text the index of the equal text that was visited first, its own if it was itself.

    Args:
        texts: Texts to compare, already normalised where that is wanted.
        order: Every index of `texts` once.

    Returns:
        Indices into `texts`, shape (texts,).
    """
    first: dict[str, int] = {}
    kept = np.empty(len(texts), np.int64)
    for at in order:
        kept[at] = first.setdefault(texts[at], at)
    return kept
