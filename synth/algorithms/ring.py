"""A ring of numbers whose pieces turn round, and turn back."""

from __future__ import annotations

from typing import NamedTuple

from synth.algorithms.kernel import Index, kernel


class Ring(NamedTuple):
    """Nodes from 0 on that stand in a ring.

    Attributes:
        nodes: Each of them once, as they follow each other, shape (nodes,).
        places: Where each of them stands, shape (nodes,).
        turns: First and last place of each piece that was turned round, shape (turns, 2).
        turned: How many turns are remembered, shape (1,).
    """

    nodes: Index
    places: Index
    turns: Index
    turned: Index


@kernel
def side_of(ring: Ring, base: int, other: int) -> int:
    """1 where a node stands after another one that it is beside, -1 where before."""
    after = ring.places[base] + 1
    return 1 if ring.nodes[after if after < len(ring.nodes) else 0] == other else -1


@kernel
def turn(ring: Ring, first: int, last: int) -> None:
    """Turns a piece round, and remembers it."""
    at = ring.turned[0]
    ring.turns[at, 0], ring.turns[at, 1] = first, last
    ring.turned[0] = at + 1
    _reverse(ring.nodes, ring.places, first, last)


@kernel
def undo(ring: Ring, kept: int) -> None:
    """Takes turns back, the last one first, until so many are kept."""
    while ring.turned[0] > kept:
        at = ring.turned[0] - 1
        ring.turned[0] = at
        _reverse(ring.nodes, ring.places, ring.turns[at, 0], ring.turns[at, 1])


@kernel
def _reverse(nodes: Index, places: Index, first: int, last: int) -> None:
    """Turns the piece from one place to another round, or all the rest where that is shorter."""
    count = len(nodes)
    size = (last - first) % count + 1
    if 2 * size > count:
        first, last = (last + 1) % count, (first - 1) % count
        size = count - size
    for _ in range(size // 2):
        one, other = nodes[first], nodes[last]
        nodes[first], nodes[last] = other, one
        places[other], places[one] = first, last
        first = first + 1 if first + 1 < count else 0
        last = last - 1 if last > 0 else count - 1


@kernel
def beside(ring: Ring, node: int, side: int) -> int:
    """The node after another one (side 1) or before it (side -1)."""
    at = ring.places[node] + side
    return int(ring.nodes[at if at < len(ring.nodes) else 0])
