"""MinHash: bands that find what they should, signatures, and near-duplicate texts.

The compiled kernels behind it are imported when they are first needed.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.text import Unit

Verify = Literal["none", "jaccard"]
Order = Sequence[int] | NDArray[np.int64]

# A pair exactly at the threshold is found with at least this probability. datasketch's own choice
# for 128 permutations at 0.8, 9 bands of 13 rows, finds it with 0.40: it weighs false candidates
# as heavily as missed pairs, although verification removes every false candidate.
DETECTION = 0.99
# datasketch's default. Signatures of different seeds cannot be compared.
_SEED = 1


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What each text repeats. A null repeats nothing and is repeated by nothing.

    Attributes:
        of: Index of the kept text that it duplicates, -1 where it is kept itself, shape (texts,).
        jaccard: Exact Jaccard similarity to that text, 0 where it is kept, not a number where it
            was not verified, shape (texts,).
        estimated: Share of equal values in their signatures, 0 where it is kept, shape (texts,).
        equal: Whether it equals that text once both are normalised, shape (texts,).
        cluster: Index of the first visited text of its cluster, its own if it is alone, shape
            (texts,). Clusters are the connected components of pairs that were compared and reach
            the threshold, so two kept texts may be in one through a text near to both.
    """

    of: NDArray[np.int64]
    jaccard: NDArray[np.floating]
    estimated: NDArray[np.floating]
    equal: NDArray[np.bool_]
    cluster: NDArray[np.int64]

    @property
    def shared_cluster(self) -> NDArray[np.int64]:
        """`cluster`, -1 for a text that is alone in its own."""
        sizes = np.bincount(self.cluster, minlength=len(self.cluster))
        return np.where(sizes[self.cluster] < 2, -1, self.cluster)


def bands(threshold: float, num_perm: int) -> tuple[int, int]:
    """The most selective (bands, rows) that find a pair at the threshold with `DETECTION`.

    A pair of Jaccard similarity t shares a band with probability ``1 - (1 - t**rows)**bands``.

    Args:
        threshold: Jaccard similarity in (0, 1].
        num_perm: Hash values in a signature; ``bands * rows`` is at most this.

    Raises:
        ValueError: If so few permutations cannot find so unlike a pair.

    Source:
        Mining of Massive Datasets, section 3.4; 21 bands of 6 rows for 128 at 0.8.
    """
    # datasketch's index has at least two bands.
    for rows in range(num_perm // 2, 0, -1):
        count = num_perm // rows
        if 1 - (1 - threshold**rows) ** count >= DETECTION:
            return count, rows
    raise ValueError(
        f"num_perm={num_perm} cannot find {DETECTION:.0%} of the pairs at threshold={threshold}; "
        "raise num_perm or threshold"
    )


@functools.cache
def permutations(num_perm: int) -> NDArray[np.uint32]:
    """Factors and summands of datasketch's scheme affine32 with its default seed.

    Returns:
        Shape (2, num_perm); the factors are odd.
    """
    # The generator is datasketch's: another one would make other signatures.
    draw = np.random.RandomState(_SEED)
    factors = draw.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return np.stack([factors, draw.randint(0, 1 << 32, num_perm, dtype=np.uint32)])


def signatures(
    texts: pa.Array, num_perm: int = 128, ngram: int = 5, unit: Unit = "word"
) -> NDArray[np.uint32]:
    """The MinHash signature of each normalised text.

    Each equals ``datasketch.MinHash(num_perm, hashfunc=xxhash.xxh32_intdigest)`` updated with the
    UTF-8 of the text's shingles. That of a null is that of an empty text.

    Args:
        texts: Arrow strings.
        num_perm: Hash values in a signature.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of.

    Returns:
        Hash values, shape (texts, num_perm).
    """
    from synth.algorithms.near_duplicates import known_texts

    return known_texts(texts, num_perm, ngram, unit).signatures


def near_duplicates(  # noqa: PLR0913  (each is a setting)
    texts: pa.Array,
    order: Order,
    threshold: float,
    num_perm: int = 128,
    ngram: int = 5,
    unit: Unit = "word",
    verify: Verify = "jaccard",
    given: int = 0,
) -> Duplicates:
    """Which texts are near copies of a text that is kept.

    Texts are visited in `order`. One is dropped only if its own similarity to a text kept before it
    reaches the threshold, so a chain of small changes never merges strangers. It duplicates the
    most similar such text, of equals the one visited first. Equal normalised texts are found
    beforehand, by 128 bits of hash, so that a million copies of one text cost a million look-ups.

    Time grows linearly even where most texts share a long passage: each is compared with a bounded
    number of others (see `candidates`), so pairs may then be missed, the least similar first.

    Args:
        texts: Arrow strings.
        order: Every index of `texts` once, the ones to keep first.
        threshold: Jaccard similarity of shingle sets, in (0, 1].
        num_perm: Hash values in a signature.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of.
        verify: ``jaccard`` compares the shingle sets; ``none`` goes by the share of equal values
            in the signatures, whose standard error is at most ``0.5 / sqrt(num_perm)``.
        given: Texts visited first that are kept whatever they repeat: those of another collection.

    Raises:
        ValueError: If `num_perm` is too small for the threshold, or `order` is no permutation.

    Source:
        Broder, On the resemblance and containment of documents (1997).
    """
    from synth.algorithms.near_duplicates import Settings, found_duplicates

    settings = Settings(threshold, bands(threshold, num_perm), num_perm, ngram, unit, verify)
    return found_duplicates(texts, np.asarray(order, np.int64), settings, given=given)
