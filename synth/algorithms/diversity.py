"""How much the texts of a collection repeat themselves and each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from synth.algorithms.overlap import Runs, word_runs


@dataclass(frozen=True, slots=True)
class Repeats:
    """What texts repeat.

    Attributes:
        distinct: Share of runs of words that are the first of their kind, by their length.
        looked_at: Runs that were looked at, likewise.
        shared: Share of the texts that have a run of words which another text has too.
    """

    distinct: dict[int, float]
    looked_at: dict[int, int]
    shared: float


def repeats(
    texts: pa.Array, ngrams: tuple[int, ...], most: dict[int, int], shared_words: int
) -> Repeats:
    """Distinct-n of a collection, and how many of its texts share a long run of words.

    Distinct-n falls as a collection grows: collections are compared over the same number of runs.

    Args:
        texts: Arrow strings.
        ngrams: Words of the runs counted.
        most: Runs looked at, by their length; all where it says nothing.
        shared_words: Words of a run that no two texts share by chance.

    Source:
        Li et al., A Diversity-Promoting Objective Function (arXiv:1510.03055).
    """
    distinct, looked_at = {}, {}
    for words in ngrams:
        hashes = word_runs(texts, words).hashes
        hashes = hashes[: most.get(words, len(hashes))]
        looked_at[words] = len(hashes)
        distinct[words] = len(np.unique(hashes)) / len(hashes) if len(hashes) else float("nan")
    long = word_runs(texts, shared_words)
    return Repeats(distinct, looked_at, _shared(long, len(texts)))


def _shared(runs: Runs, texts: int) -> float:
    """The share of texts that have a run which another one has."""
    if not texts:
        return float("nan")
    order = np.lexsort((runs.owners, runs.hashes))
    hashes, owners = runs.hashes[order], runs.owners[order]
    begins = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))
    ends = np.append(begins[1:], len(hashes))
    several = owners[begins] != owners[ends - 1] if len(hashes) else np.zeros(0, np.bool_)
    hit = np.repeat(several, ends - begins) if len(hashes) else np.zeros(0, np.bool_)
    return len(np.unique(owners[hit])) / texts
