"""Which texts are equal, and in what order duplicates are looked for."""

from __future__ import annotations

import unicodedata
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.minhash import Order

Keep = Literal["first", "longest", "max"]
Part = Literal["unicode", "case", "whitespace", "punctuation"]

# What a reader would not call a difference.
READERS_PARTS: frozenset[Part] = frozenset({"unicode", "case", "whitespace"})


def visiting_order(
    texts: pa.Array, keep: Keep, numbers: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Every index once; the text visited first is the one that stays of a set of duplicates.

    Args:
        texts: Arrow strings in the order of their ids.
        keep: ``first`` visits them as they come, ``longest`` by falling length (`lengths`),
            ``max`` by falling number; equals stay as they come, and what has no length or number
            comes last.
        numbers: One for each text, for ``max``, as `falling` takes them.

    Raises:
        ValueError: If ``max`` has no numbers, or not one for each text.
    """
    if keep == "first":
        return np.arange(len(texts))
    if keep == "longest":
        numbers = lengths(texts)
    if numbers is None or len(numbers) != len(texts):
        raise ValueError(f"keep 'max' takes one number for each of {len(texts)} texts")
    return falling(numbers)


def falling(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices by falling number; equals stay as they come, what is not a number comes last.

    Args:
        numbers: Shape (n,), or (n, 2) for numbers in two parts, the higher one first, of integers
            that have more digits than a float.
    """
    # Negated, so that a stable sort leaves equals as they come; NaN sorts last.
    if numbers.ndim == 1:
        return np.argsort(-numbers, kind="stable")
    order: NDArray[np.int64] = np.lexsort((-numbers[:, 1], -numbers[:, 0]))
    return order


def lengths(texts: pa.Array) -> NDArray[np.float64]:
    """Characters of each text, not a number for a null.

    White space between words counts once, at the ends not at all, and a composed character as much
    as a decomposed one: none of it makes a text say more.
    """
    from synth.algorithms.text_buffer import character_counts, normalized_texts

    clean = normalized_texts(texts)
    counts = character_counts(clean.data, clean.starts, clean.ends)
    return np.where(clean.valid, counts, np.nan)


def exact_duplicates(
    texts: pa.Array, order: Order, parts: frozenset[Part] = READERS_PARTS
) -> NDArray[np.int64]:
    """For each text the index of the equal text that was visited first, its own if it was itself.

    Two texts are equal if 128 bits of hash are: two of a billion texts that differ are taken for
    equal with a probability of about 1e-21. A null equals nothing.

    Args:
        texts: Arrow strings.
        order: Every index of `texts` once.
        parts: What makes no difference; see `hashes_of`.

    Returns:
        Indices into `texts`, shape (texts,).

    Raises:
        ValueError: If `order` is no permutation.
    """
    # Compiled code takes most of a second to import.
    from synth.algorithms.near_duplicates import first_copies

    valid = texts.is_valid().to_numpy(zero_copy_only=False)
    return first_copies(hashes_of(texts, parts), valid, np.asarray(order, np.int64))


def hashes_of(texts: pa.Array, parts: frozenset[Part]) -> NDArray[np.uint64]:
    """128 bits of each text, equal where texts differ only in what makes no difference.

    Args:
        texts: Arrow strings.
        parts: ``unicode`` is the form of a character (NFC), ``case`` is folded, ``whitespace`` is
            one space between words and none at the ends, ``punctuation`` is left out, with symbols;
            a text of nothing else stays as it is.

    Returns:
        Shape (texts, 2).
    """
    from synth.algorithms.near_duplicates import text_hashes
    from synth.algorithms.text_buffer import normalized_texts, text_buffer

    if "punctuation" in parts:
        left = pc.replace_substring_regex(texts, r"[\p{P}\p{S}]+", "")
        blank = pc.or_(pc.equal(pc.binary_length(left), 0), pc.utf8_is_space(left))
        texts = pc.if_else(blank, texts, left)
    if parts >= READERS_PARTS:
        return text_hashes(normalized_texts(texts))
    if parts & READERS_PARTS:
        # Fewer parts are rarer, and as Python has them.
        partly = [None if text is None else _partly(text, parts) for text in texts.to_pylist()]
        texts = pa.array(partly, pa.large_string())
    return text_hashes(text_buffer(texts))


def _partly(text: str, parts: frozenset[Part]) -> str:
    """What `synth.algorithms.text.normalized` does, in part."""
    if "case" in parts:
        text = text.casefold()
    if "whitespace" in parts:
        text = " ".join(text.split())
    return unicodedata.normalize("NFC", text) if "unicode" in parts else text
