"""Which texts are equal, and in what order duplicates are looked for."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.minhash import Order

Keep = Literal["first", "longest", "max"]


def visiting_order(
    texts: pa.Array, keep: Keep, numbers: NDArray[np.float64] | None = None
) -> NDArray[np.int64]:
    """Every index once; the text visited first is the one that stays of a set of duplicates.

    Args:
        texts: Arrow strings in the order of their ids.
        keep: ``first`` visits them as they come, ``longest`` by falling length in characters,
            ``max`` by falling number; equals stay as they come, and what has no length or number
            comes last.
        numbers: One for each text, for ``max``; not a number where there is none.

    Raises:
        ValueError: If ``max`` has no numbers, or not one for each text.
    """
    if keep == "first":
        return np.arange(len(texts))
    if keep == "longest":
        lengths = pc.fill_null(pc.cast(pc.utf8_length(texts), pa.float64()), np.nan)
        numbers = lengths.to_numpy(zero_copy_only=False)
    if numbers is None or len(numbers) != len(texts):
        raise ValueError(f"keep 'max' takes one number for each of {len(texts)} texts")
    # Negated, so that a stable sort leaves equals as they come; NaN sorts last.
    return np.argsort(-numbers, kind="stable")


def exact_duplicates(texts: pa.Array, order: Order, *, normalize: bool) -> NDArray[np.int64]:
    """For each text the index of the equal text that was visited first, its own if it was itself.

    Two texts are equal if 128 bits of hash are: two of a billion texts that differ are taken for
    equal with a probability of about 1e-21. A null equals nothing.

    Args:
        texts: Arrow strings.
        order: Every index of `texts` once.
        normalize: Whether case, white space and Unicode form make no difference.

    Returns:
        Indices into `texts`, shape (texts,).

    Raises:
        ValueError: If `order` is no permutation.
    """
    # Compiled code takes most of a second to import.
    from synth.algorithms.near_duplicates import first_copies
    from synth.algorithms.text_buffer import normalized_texts, text_buffer

    read = normalized_texts if normalize else text_buffer
    return first_copies(read(texts), np.asarray(order, np.int64))
