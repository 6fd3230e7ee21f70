"""How near duplicates are found: equal texts, signatures, buckets, comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from synth.algorithms.candidates import buckets, first_equal
from synth.algorithms.hashing import hashes_64
from synth.algorithms.keeping import Corpus, Rule, keep
from synth.algorithms.kernel import Index
from synth.algorithms.minhash import Duplicates, Verify, permutations
from synth.algorithms.shingling import Shingling, minhash
from synth.algorithms.text import Unit
from synth.algorithms.text_buffer import TextBuffer, normalized_texts


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


def found_duplicates(texts: pa.Array, order: Index, settings: Settings) -> Duplicates:
    """Which texts are near copies of a text that is kept.

    Raises:
        ValueError: If `order` is no permutation.
    """
    clean = normalized_texts(texts)
    first = first_copies(clean, order)
    of, cluster = np.full(len(first), -1, np.int64), first.copy()
    jaccard, estimated = np.zeros(len(first)), np.zeros(len(first))

    visited = order[clean.valid[order] & (first[order] == order)]
    starts, ends = clean.starts[visited], clean.ends[visited]
    rule, shingling = settings.rule, Shingling(settings.ngram, settings.unit == "char")
    lanes = permutations(settings.num_perm)
    signatures = minhash(clean.data, starts, ends, shingling, lanes)
    corpus = Corpus(clean.data, starts, ends, signatures)
    place, score, alike, leader = keep(
        corpus, buckets(signatures, *settings.bands), rule, shingling
    )
    of[visited] = np.where(place < 0, -1, visited[place])
    jaccard[visited] = score if rule.verifies else np.where(place < 0, 0.0, np.nan)
    estimated[visited] = alike
    cluster[visited] = visited[leader]

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


def first_copies(clean: TextBuffer, order: Index) -> Index:
    """For each text the index of the equal text that was visited first, its own if it was itself.

    Raises:
        ValueError: If `order` is no permutation.
    """
    if not np.array_equal(np.sort(order), np.arange(len(clean.starts))):
        raise ValueError(f"order must hold each index of the {len(clean.starts)} texts once")
    # 128 bits: XXH64 with two seeds.
    hashes = [hashes_64(clean.data, clean.starts, clean.ends, seed) for seed in (0, 1)]
    return first_equal(np.stack(hashes, axis=1), order[clean.valid[order]])
