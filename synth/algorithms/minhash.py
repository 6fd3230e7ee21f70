"""Near-duplicate texts by MinHash, found by locality-sensitive hashing and verified exactly."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.exact import exact_duplicates
from synth.algorithms.text import Unit, jaccard, normalized, shingles

# A pair exactly at the threshold is found with at least this probability. datasketch's own choice
# for 128 permutations at 0.8, 9 bands of 13 rows, finds it with 0.40: it weighs false candidates
# as heavily as missed pairs, although verification removes every false candidate.
DETECTION = 0.99
# Shingle sets that stay in memory: the kept text of a cluster is compared many times.
_CACHED_SETS = 4096


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What each text repeats.

    Attributes:
        of: Index of the kept text that it duplicates, -1 where it is kept itself, shape (texts,).
        jaccard: Exact Jaccard similarity to that text, 0 where it is kept, shape (texts,).
    """

    of: NDArray[np.int64]
    jaccard: NDArray[np.float64]


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


def signatures(sets: Iterable[frozenset[str]], num_perm: int) -> Iterator[Any]:
    """One `datasketch.MinHash` for each shingle set, all with datasketch's default seed."""
    from datasketch import MinHash  # takes more than a second: not at import

    encoded = ([shingle.encode() for shingle in one] for one in sets)
    yield from MinHash.generator(encoded, num_perm=num_perm)


def near_duplicates(
    texts: Sequence[str],
    order: Sequence[int],
    threshold: float,
    num_perm: int = 128,
    ngram: int = 5,
    unit: Unit = "word",
) -> Duplicates:
    """Which texts are near copies of a text that is kept.

    Texts are visited in `order`. One is dropped only if its own Jaccard similarity to a text kept
    before it reaches the threshold, so a chain of small changes never merges strangers. It
    duplicates the most similar such text, of equals the one visited first. Equal normalised texts
    are found beforehand, so that a million copies of one text cost a million look-ups.

    Args:
        texts: Texts to compare.
        order: Every index of `texts` once, the ones to keep first.
        threshold: Jaccard similarity of shingle sets, in (0, 1].
        num_perm: Hash values in a signature.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of.

    Raises:
        ValueError: If `num_perm` is too small for the threshold.

    Source:
        Broder, On the resemblance and containment of documents (1997).
    """
    clean = [normalized(text) for text in texts]
    first = exact_duplicates(clean, order)
    distinct = [at for at in order if first[at] == at]

    @functools.lru_cache(_CACHED_SETS)
    def shingled(at: int) -> frozenset[str]:
        return shingles(clean[at], ngram, unit)

    of, similarity = np.full(len(texts), -1, np.int64), np.zeros(len(texts))
    kept: list[int] = []
    index = _empty_index(threshold, num_perm)
    for at, signature in zip(distinct, signatures(map(shingled, distinct), num_perm), strict=True):
        candidates = [kept[visit] for visit in sorted(index.query(signature))]
        scores = [jaccard(shingled(at), shingled(candidate)) for candidate in candidates]
        best = max(scores, default=0.0)
        if best >= threshold:
            of[at], similarity[at] = candidates[scores.index(best)], best
        else:
            index.insert(len(kept), signature)
            kept.append(at)
    # A copy shares the fate of the first of its kind, or repeats that one if it is kept.
    copies = np.flatnonzero(first != np.arange(len(texts)))
    originals = first[copies]
    of[copies] = np.where(of[originals] < 0, originals, of[originals])
    similarity[copies] = np.where(of[originals] < 0, 1.0, similarity[originals])
    return Duplicates(of, similarity)


def _empty_index(threshold: float, num_perm: int) -> Any:  # noqa: ANN401  (datasketch has no types)
    from datasketch import MinHashLSH

    return MinHashLSH(num_perm=num_perm, params=bands(threshold, num_perm))
