"""All pairs of documents that are near copies, found without MinHash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import ceil

from synth.algorithms.text import jaccard, normalized, shingles

Pairs = dict[tuple[int, int], float]


def near_pairs(texts: Sequence[str], threshold: float, ngram: int = 5) -> Pairs:
    """The Jaccard similarity of every pair of texts that reaches the threshold.

    Two sets of similarity t share one of the ``size - ceil(t * size) + 1`` rarest members of each.

    Source:
        Bayardo, Ma and Srikant, Scaling up all pairs similarity search (2007).
    """
    sets = [shingles(normalized(text), ngram, "word") for text in texts]
    number: dict[str, int] = {}
    often: list[int] = []
    for one in sets:
        for shingle in one:
            at = number.setdefault(shingle, len(number))
            if at == len(often):
                often.append(0)
            often[at] += 1
    holders: defaultdict[int, list[int]] = defaultdict(list)
    pairs: Pairs = {}
    for at, one in enumerate(sets):
        rarest = sorted((often[number[shingle]], number[shingle]) for shingle in one)
        prefix = [name for _, name in rarest[: len(one) - ceil(threshold * len(one) - 1e-9) + 1]]
        for other in {holder for name in prefix for holder in holders[name]}:
            # The smaller set holds at least this share of the larger.
            low, high = sorted((len(one), len(sets[other])))
            if low >= threshold * high - 1e-9 and (
                (score := jaccard(one, sets[other])) >= threshold
            ):
                pairs[other, at] = score
        for name in prefix:
            holders[name].append(at)
    return pairs
