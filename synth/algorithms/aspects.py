"""Pairs of documents that share a label, and pairs that share none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

# Draws for each pair wanted: with labels shared by half of all documents one in 2 ** 20 is missed.
_TRIES = 20


class Partners(NamedTuple):
    """The documents that each document is paired with.

    Attributes:
        alike: Those that share a label with it, each pair at the lower of its two documents.
        unlike: Those that share none, for documents with a like; no pair of documents comes twice,
            in whatever order.
    """

    alike: list[list[int]]
    unlike: list[list[int]]


def aspect_partners(
    labels: Sequence[frozenset[str]],
    max_documents: int,
    most: int,
    negative_ratio: float,
    draw: Random,
) -> Partners:
    """Pairs of labelled documents.

    Args:
        labels: Of each document; one without any is in no pair.
        max_documents: Labels of more documents make no pair of likes: they say little. Documents
            that share one are no pair of unlikes either.
        most: Documents that one is paired with as a like, drawn at random from those above it.
        negative_ratio: Unlike pairs for each like pair, over all documents.
        draw: Draws the partners.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for at, own in enumerate(labels):
        for label in sorted(own):
            members[label].append(at)
    rare = {label for label, of in members.items() if len(of) <= max_documents}
    labelled = [at for at, own in enumerate(labels) if own]
    alike: list[list[int]] = [[] for _ in labels]
    unlike: list[list[int]] = [[] for _ in labels]
    used: set[tuple[int, int]] = set()
    owed = 0.0
    for at, own in enumerate(labels):
        others = {other for label in own & rare for other in members[label] if other > at}
        alike[at] = sorted(draw.sample(sorted(others), min(most, len(others))))
        owed += negative_ratio * len(alike[at])
        wanted = int(owed + 0.5) if alike[at] else 0
        for _ in range(_TRIES * wanted):
            if len(unlike[at]) == wanted:
                break
            other = draw.choice(labelled)
            pair = (min(at, other), max(at, other))
            if other != at and pair not in used and not own & labels[other]:
                used.add(pair)
                unlike[at].append(other)
        owed -= len(unlike[at])
    return Partners(alike, [sorted(one) for one in unlike])
