"""The stress test LIMIT: queries that are simple, and relevant documents in every combination."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, count, islice
from math import comb
from random import Random
from typing import Literal, NamedTuple

Pattern = Literal["dense", "random", "cycle", "disjoint"]


class Limit(NamedTuple):
    """What each document is about.

    Attributes:
        likes: All things of each document, in random order.
        asked: Those of them that a query asks for.
        things: The thing that each query asks for.
    """

    likes: list[list[str]]
    asked: list[list[str]]
    things: list[str]


def least_documents(queries: int, relevant: int, pattern: Pattern) -> int:
    """The fewest documents with which every query has its own set of relevant ones."""
    match pattern:
        case "dense" | "random":
            return next(n for n in count(relevant) if comb(n, relevant) >= queries)
        case "cycle":
            return max(queries, relevant)
        case "disjoint":
            return queries * relevant


def relevant_documents(
    documents: int, queries: int, relevant: int, pattern: Pattern, draw: Random
) -> list[tuple[int, ...]]:
    """The documents that are relevant to each query, no two sets alike.

    ``dense`` takes every combination of the fewest documents, ``random`` any of all documents,
    ``cycle`` documents that follow each other, ``disjoint`` each document once.

    Args:
        documents: No fewer than `least_documents`.
        queries: Sets.
        relevant: Documents of a set.
        pattern: How sets overlap.
        draw: Draws those of ``random``.
    """
    match pattern:
        case "dense":
            least = least_documents(queries, relevant, pattern)
            return list(islice(combinations(range(least), relevant), queries))
        case "random":
            found: dict[tuple[int, ...], None] = {}
            while len(found) < queries:
                found[tuple(sorted(draw.sample(range(documents), relevant)))] = None
            return list(found)
        case "cycle":
            return [
                tuple(sorted((at + step) % documents for step in range(relevant)))
                for at in range(queries)
            ]
        case "disjoint":
            return [tuple(range(at * relevant, (at + 1) * relevant)) for at in range(queries)]


def check_things(queries: int, likes: int, things: Sequence[str]) -> None:
    """Proves that there is a thing for each query, and others to fill documents with.

    Raises:
        ValueError: If there are too few.
    """
    needed, there = queries + likes, len(set(things))
    if there < needed:
        raise ValueError(
            f"{queries:,} queries and documents of {likes:,} things take {needed:,} different "
            f"things; there are {there:,}"
        )


def limit(
    sets: Sequence[Sequence[int]], documents: int, things: Sequence[str], likes: int, draw: Random
) -> Limit:
    """Documents of `likes` things each; what a query asks for is in its own documents alone.

    Args:
        sets: The relevant documents of each query.
        documents: How many there are.
        things: Distinct; as many as queries, and beside them those that documents are filled with.
        likes: Things of each document.
        draw: Draws who likes what.

    Raises:
        ValueError: If there are too few things, or a document is relevant to too many queries.
    """
    check_things(len(sets), likes, things)
    order = draw.sample(sorted(set(things)), len(set(things)))
    private, filling = order[: len(sets)], sorted(order[len(sets) :])
    asked: list[list[str]] = [[] for _ in range(documents)]
    for thing, of in zip(private, sets, strict=True):
        for at in of:
            asked[at].append(thing)
    most = max(map(len, asked))
    if most > likes:
        raise ValueError(f"a document is relevant to {most} queries, but has only {likes} things")
    every = []
    for own in asked:
        mixed = [*own, *draw.sample(filling, likes - len(own))]
        draw.shuffle(mixed)
        every.append(mixed)
    return Limit(every, asked, private)
