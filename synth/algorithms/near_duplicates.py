"""How near duplicates are found: equal texts, signatures, buckets, comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.candidates import buckets, first_equal
from synth.algorithms.hashing import hashes_64
from synth.algorithms.keeping import Corpus, Rule, keep
from synth.algorithms.kernel import Index, Words
from synth.algorithms.minhash import Duplicates, Verify, permutations
from synth.algorithms.shingling import Shingling, Signatures, minhash
from synth.algorithms.text import Unit
from synth.algorithms.text_buffer import TextBuffer, normalized_texts

Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts as a near duplicate; see `synth.algorithms.minhash.near_duplicates`.

    Attributes:
        threshold: Least similarity.
        bands: Bands and rows.
        num_perm: Hash values in a signature.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of.
        verify: What similarity is measured by.
    """

    threshold: float
    bands: tuple[int, int]
    num_perm: int
    ngram: int
    unit: Unit
    verify: Verify

    @property
    def rule(self) -> Rule:
        """The same for the kernel."""
        verifies, least = self.verify == "jaccard", self.threshold
        if verifies:
            # Estimates scatter: three standard errors below lets 999 of 1000 pairs at the threshold
            # through to the exact comparison.
            least -= 3 * (self.threshold * (1 - self.threshold) / self.num_perm) ** 0.5
        # Not a hair more than the threshold by rounding, where estimates decide.
        least_equal = max(0, int(np.ceil(least * self.num_perm - 1e-9)))
        return Rule(self.threshold, least_equal, verifies)


@dataclass(frozen=True, slots=True)
class Known:
    """Texts by their hashes and signatures alone.

    Attributes:
        hashes: 128 bits of each normalised text, shape (known, 2).
        signatures: Hash values, shape (known, num_perm).
    """

    hashes: Words
    signatures: Signatures


def found_duplicates(
    texts: pa.Array,
    order: Index,
    settings: Settings,
    *,
    given: int = 0,
    known: Known | None = None,
    made: Signatures | None = None,
) -> Duplicates:
    """Which texts are near copies of a text that is kept.

    Args:
        texts: Arrow strings.
        order: Every index of `texts` once, in the order of visits.
        settings: What counts as a near copy.
        given: Texts visited first that are kept whatever they repeat.
        known: Texts before all others, kept too; similarity to them is that of the signatures.
            They come first in the result, and are counted by its indices.
        made: The signatures of `texts`, where they are there already.

    Raises:
        ValueError: If `order` is no permutation.
    """
    clean = normalized_texts(texts)
    before = 0 if known is None else len(known.hashes)
    hashes, valid, starts, ends = text_hashes(clean), clean.valid, clean.starts, clean.ends
    if known is not None:
        nowhere = np.zeros(before, np.int64)
        hashes = np.concatenate([known.hashes, hashes])
        valid = np.concatenate([nowhere == 0, valid])
        starts, ends = np.concatenate([nowhere, starts]), np.concatenate([nowhere, ends])
        order, given = np.concatenate([np.arange(before), before + order]), before + given
    first = first_copies(hashes, valid, order)
    of, cluster = np.full(len(first), -1, np.int64), first.copy()
    jaccard, estimated = np.zeros(len(first)), np.zeros(len(first))

    is_visited = valid[order] & (first[order] == order)
    visited = order[is_visited]
    textless = int(is_visited[:before].sum())
    rule, shingling = settings.rule, Shingling(settings.ngram, settings.unit == "char")
    signatures = _signatures(clean, visited[textless:] - before, settings, shingling, made)
    if known is not None:
        signatures = np.concatenate([known.signatures[visited[:textless]], signatures])
    corpus = Corpus(
        clean.data,
        starts[visited],
        ends[visited],
        signatures,
        int(is_visited[:given].sum()),
        textless,
    )
    place, score, alike, leader = keep(
        corpus, buckets(signatures, *settings.bands), rule, shingling
    )
    of[visited] = np.where(place < 0, -1, visited[place])
    compared = place >= textless if rule.verifies else place < -1
    jaccard[visited] = np.where(compared, score, np.where(place < 0, 0.0, np.nan))
    estimated[visited] = alike
    cluster[visited] = visited[leader]

    return with_copies(first, of, jaccard, estimated, cluster)


def with_copies(
    first: Index, of: Index, jaccard: Floats, estimated: Floats, cluster: Index
) -> Duplicates:
    """What each text repeats, once that is known of the first text of each kind.

    Args:
        first: The equal text that was visited first.
        of: The kept text that each first one duplicates, or -1; changed in place, as the others.
        jaccard: Its similarity to that.
        estimated: That of their signatures.
        cluster: The first text of its cluster.
    """
    # A copy shares the fate of the first of its kind, or repeats that one if it is kept.
    copies = np.flatnonzero(first != np.arange(len(first)))
    originals = first[copies]
    equal = np.zeros(len(first), np.bool_)
    equal[copies] = of[originals] < 0
    of[copies] = np.where(equal[copies], originals, of[originals])
    for values in (jaccard, estimated):
        values[copies] = np.where(equal[copies], 1.0, values[originals])
    cluster[copies] = cluster[originals]
    return Duplicates(of, jaccard, estimated, equal, cluster)


def _signatures(
    clean: TextBuffer,
    at: Index,
    settings: Settings,
    shingling: Shingling,
    made: Signatures | None,
) -> Signatures:
    if made is not None:
        return made[at]
    lanes = permutations(settings.num_perm)
    return minhash(clean.data, clean.starts[at], clean.ends[at], shingling, lanes)


def known_texts(texts: pa.Array, num_perm: int, ngram: int, unit: Unit) -> Known:
    """Hashes and signatures of texts, which are read once.

    Args:
        texts: Arrow strings.
        num_perm: Hash values in a signature.
        ngram: Words or characters in a shingle.
        unit: What a shingle is made of.
    """
    clean = normalized_texts(texts)
    shingling, lanes = Shingling(ngram, unit == "char"), permutations(num_perm)
    signatures = minhash(clean.data, clean.starts, clean.ends, shingling, lanes)
    return Known(text_hashes(clean), signatures)


def text_hashes(clean: TextBuffer) -> Words:
    """128 bits of each text, XXH64 with two seeds, shape (texts, 2)."""
    both = [hashes_64(clean.data, clean.starts, clean.ends, seed) for seed in (0, 1)]
    return np.stack(both, axis=1)


def first_copies(hashes: Words, valid: NDArray[np.bool_], order: Index) -> Index:
    """For each text the index of the equal text that was visited first, its own if it was itself.

    Args:
        hashes: 128 bits of each text, shape (texts, 2).
        valid: Which texts there are, shape (texts,).
        order: Every index once.

    Raises:
        ValueError: If `order` is no permutation.
    """
    if not np.array_equal(np.sort(order), np.arange(len(hashes))):
        raise ValueError(f"order must hold each index of the {len(hashes)} texts once")
    return first_equal(hashes, order[valid[order]])
