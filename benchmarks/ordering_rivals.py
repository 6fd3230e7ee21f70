"""What the orders of `synth` are compared with: plain Python, from descriptions alone."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Literal

# What the public code has fixed: documents of a cluster, and neighbours that it looks at.
_CLUSTER, _LOOKED_AT = 21, 9

Edges = list[dict[int, float]]


def edges_of(ids: Sequence[Sequence[int]], similarities: Sequence[Sequence[float]]) -> Edges:
    """For each document its neighbours and all that have it among theirs, with their similarity."""
    found: Edges = [{} for _ in ids]
    for one, (others, scores) in enumerate(zip(ids, similarities, strict=True)):
        for other, score in zip(others, scores, strict=True):
            if other not in (one, -1) and score > 0:
                best = max(score, found[one].get(other, 0.0))
                found[one][other] = found[other][one] = best
    return found


def algorithm_1(edges: Edges, counted: Literal["left", "once"] = "left") -> list[int]:
    """Algorithm 1 of In-Context Pretraining (arXiv:2310.10638); ties go to the lower index.

    Args:
        edges: The graph.
        counted: Whether the edges of a document are counted among what is left, or once.
    """
    degree = [len(own) for own in edges]
    heap = [(count, at) for at, count in enumerate(degree)]
    heapq.heapify(heap)
    visited: set[int] = set()
    path: list[int] = []
    while heap:
        count, at = heapq.heappop(heap)
        if at in visited or count != degree[at]:
            continue
        while True:
            path.append(at)
            visited.add(at)
            left = {other: score for other, score in edges[at].items() if other not in visited}
            if counted == "left":
                for other in left:
                    degree[other] -= 1
                    heapq.heappush(heap, (degree[other], other))
            if not left:
                break
            at = min(left, key=lambda other: (-left[other], other))
    return path


def public_code(ids: Sequence[Sequence[int]]) -> list[int]:
    """The rule of the code published with the paper, its crashes mended.

    Chains of neighbours by rank, in the order of the documents, are broken off at 21; then each
    document of a shorter chain goes just before its first neighbour in another one. A document
    whose neighbours all are in its own chain, for which that code ends with an error, stays last.

    Args:
        ids: Neighbours of each document, the nearest first, without itself.
    """
    clusters, of = _chains(ids)
    alone: list[int] = []
    for number, members in enumerate(clusters):
        if len(members) >= _CLUSTER:
            continue
        for one in list(members):
            members.remove(one)
            beside = next(
                (other for other in ids[one][:_LOOKED_AT] if of.get(other, number) != number), None
            )
            if beside is None:
                alone.append(one)
                del of[one]
                continue
            of[one] = of[beside]
            target = clusters[of[beside]]
            target.insert(target.index(beside), one)
    return [one for members in clusters for one in members] + alone


def _chains(ids: Sequence[Sequence[int]]) -> tuple[list[list[int]], dict[int, int]]:
    left = dict.fromkeys(range(len(ids)))
    clusters: list[list[int]] = []
    of: dict[int, int] = {}
    at: int | None = None
    while left:
        if at is None or len(clusters[-1]) >= _CLUSTER:
            at = next(iter(left))
            clusters.append([])
        clusters[-1].append(at)
        of[at] = len(clusters) - 1
        del left[at]
        at = next((other for other in ids[at][:_LOOKED_AT] if other in left), None)
    return clusters, of
