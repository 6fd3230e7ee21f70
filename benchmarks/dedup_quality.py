"""How right a method is: what it dropped against all pairs of near copies there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from dedup_job import NGRAM
from dedup_truth import Pairs

from synth.algorithms.text import jaccard, normalized, shingles

Similarity = Callable[[int, int], float]


def similarity_of(texts: Sequence[str]) -> Similarity:
    """The exact Jaccard similarity of two of the texts."""

    def similarity(one: int, other: int) -> float:
        return jaccard(
            *(shingles(normalized(texts[at]), NGRAM, "word") for at in sorted((one, other)))
        )

    return similarity


def similarity_in(pairs: Pairs) -> Similarity:
    """The same where all pairs that matter are known: 0 for any other."""
    return lambda one, other: pairs.get((min(one, other), max(one, other)), 0.0)


def quality(
    of: Sequence[int], pairs: Pairs, similarity: Similarity, threshold: float
) -> dict[str, float]:
    """How much of the truth was found, and how much of what was found is true.

    Args:
        of: For each document the kept one that it duplicates, -1 where it is kept.
        pairs: Every pair that reaches the threshold.
        similarity: Of any two documents.
        threshold: Jaccard similarity.

    Returns:
        `recall`, the share of pairs of which one at least is dropped; `precision`, the share of
        dropped documents that reach the threshold to the one that they are said to duplicate;
        `f1` of the two; `partnered`, the share of dropped documents that reach it to any other;
        and how many are `dropped`. A share of nothing is 1.
    """
    dropped = [at for at, to in enumerate(of) if to >= 0]
    near = {at for pair in pairs for at in pair}
    missed = sum(of[one] < 0 and of[other] < 0 for one, other in pairs)
    recall = _share(len(pairs) - missed, len(pairs))
    precision = _share(sum(similarity(at, of[at]) >= threshold for at in dropped), len(dropped))
    return {
        "recall": recall,
        "precision": precision,
        "f1": 2 * recall * precision / (recall + precision) if recall + precision else 0.0,
        "partnered": _share(sum(at in near for at in dropped), len(dropped)),
        "dropped": len(dropped),
    }


def together(cluster: Sequence[int], pairs: Pairs) -> float:
    """The share of pairs whose two documents are in one cluster."""
    return _share(sum(cluster[one] == cluster[other] for one, other in pairs), len(pairs))


def chaining(
    of: Sequence[int], cluster: Sequence[int], similarity: Similarity, threshold: float
) -> dict[str, float]:
    """What merging along chains does.

    Returns:
        How many documents are `dropped`; the share of them, `strangers`, that are below the
        threshold to the one kept for them; the least such similarity; the size of the `largest`
        cluster; and the most documents dropped for one.
    """
    scores = [similarity(at, to) for at, to in enumerate(of) if to >= 0]
    return {
        "dropped": len(scores),
        "strangers": 1 - _share(sum(score >= threshold for score in scores), len(scores)),
        "least": min(scores, default=1.0),
        "largest": max(Counter(cluster).values(), default=0),
        "most_for_one": max(Counter(to for to in of if to >= 0).values(), default=0),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
