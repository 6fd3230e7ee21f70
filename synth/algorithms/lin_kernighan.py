"""Paths along which similarity adds up to more: chained Lin-Kernighan.

The path is held as a ring, closed by one node more, the gap, which is like nothing: wherever pieces
of the ring turn round, what is left when the gap is taken out is a path of all documents.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synth.algorithms.graph import Graph
from synth.algorithms.hashing import finalized
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.ring import Ring, beside, side_of, turn, undo
from synth.algorithms.scoring import inner_product

# Less is rounding.
_LEAST_GAIN = 1e-6
# First steps that are tried from one node, and steps that may follow each other. More of either
# gain less than as much time spent on kicks.
_WIDTH, _DEPTH = 3, 6
# Nodes of a piece that is turned round, at most: at first, where far pieces of the path belong
# together, and after a kick, which changes little. A thousand take a microsecond.
_MOST_TURNED, _MOST_TURNED_BY_KICKS = 50_000, 1_000
# Documents of a piece that a kick moves, at most: the fewer, the sooner what it broke is mended.
_KICKED = 10
# Turns that are remembered, to be undone: a kick looks for no more gains once there are as many.
_MOST_TURNS = 10_000


class _Search(NamedTuple):
    """A ring, and what is looked for on it.

    Attributes:
        graph: Documents that are near each other.
        vectors: Theirs.
        ring: These, by their numbers, and the gap behind the last, as they follow each other.
        added: Both nodes of each edge that the steps of a chain have added, shape (depth, 2).
        joined: The best next steps: what is brought beside the loose end, shape (width,).
        ends: What loses its place beside that, and is the next loose end, shape (width,).
        gains: What both changes gain, shape (width,).
        queue: Nodes that chains may start from, as a ring, shape (documents + 1,).
        waits: Whether a node is in the queue, shape (documents + 1,).
        waiting: The place of the first of them, and how many there are, shape (2,).
        scratch: For inner products, shape (16,).
    """

    graph: Graph
    vectors: Vectors
    ring: Ring
    added: Index
    joined: Index
    ends: Index
    gains: Vectors
    queue: Index
    waits: Index
    waiting: Index
    scratch: Vectors


def improve_path(graph: Graph, vectors: Vectors, path: Index, kicks: int) -> Index:
    """A path on which the cosines of neighbours add up to as much or more.

    From each document a chain of steps is looked for: an edge of the path is left out, its loose
    end joined to a nearer document, an edge of that left out, and so on; the steps of most gain are
    kept (Lin and Kernighan, 1973). Then kicks: two short pieces that follow each other change
    places, chains are looked for there, and all of it is undone where it did not gain (Martin, Otto
    and Felten, 1991).

    Args:
        graph: Documents that are near each other: these are brought side by side.
        vectors: Of length 1, shape (documents, dim).
        path: Every document once.
        kicks: How many, at places drawn by a fixed sequence.

    Returns:
        Every document once, shape (documents,).
    """
    count = len(path)
    nodes = np.append(path, count)
    search = _Search(
        graph=graph,
        vectors=vectors,
        ring=Ring(
            nodes, np.argsort(nodes), np.empty((_MOST_TURNS, 2), np.int64), np.zeros(1, np.int64)
        ),
        added=np.empty((_DEPTH, 2), np.int64),
        joined=np.empty(_WIDTH, np.int64),
        ends=np.empty(_WIDTH, np.int64),
        gains=np.empty(_WIDTH, np.float32),
        queue=nodes.copy(),
        waits=np.ones(count + 1, np.int64),
        waiting=np.array([0, count + 1]),
        scratch=np.empty(16, np.float32),
    )
    # Two pieces to change places, and what is around them.
    longest = min(_KICKED, (count - 1) // 2)
    _improve(search, kicks if longest > 0 else 0, longest)
    gap = search.ring.places[count]
    return np.concatenate([nodes[gap + 1 :], nodes[:gap]])


@kernel
def _improve(search: _Search, kicks: int, longest: int) -> None:
    """Makes all chains that gain; then kicks, and after each of them again."""
    for kick in range(-1, kicks):
        search.ring.turned[0] = 0
        lost = _kick(search, kick, longest) if kick >= 0 else 0.0
        if _make_chains(search, kick) < lost:
            undo(search.ring, 0)


@kernel
def _make_chains(search: _Search, kick: int) -> float:
    """Makes chains that gain until there is none from any node that waits; what they gain.

    Args:
        search: Changed in place.
        kick: What they follow; below 0 none, so that no turn need be remembered.
    """
    ring, total = search.ring, 0.0
    most_turned = _MOST_TURNED if kick < 0 else _MOST_TURNED_BY_KICKS
    while search.waiting[1] > 0:
        base = search.queue[search.waiting[0]]
        while ring.turned[0] + _DEPTH <= len(ring.turns):
            before = ring.turned[0]
            total += _chain(search, base, most_turned)
            made = ring.turned[0] - before
            if made == 0:
                break
            for step in range(made):
                for end in range(2):
                    _wait(search.queue, search.waits, search.waiting, search.added[step, end])
            if kick < 0:
                ring.turned[0] = 0
        search.waits[base] = 0
        search.waiting[0] = (search.waiting[0] + 1) % len(search.queue)
        search.waiting[1] -= 1
    return total


@kernel
def _chain(search: _Search, base: int, most_turned: int) -> float:
    """Makes the first chain found that gains; what it gains, 0 where there is none."""
    ring, vectors, scratch = search.ring, search.vectors, search.scratch
    before = ring.turned[0]
    for side in (1, -1):
        first = beside(ring, base, side)
        held = _cosine(vectors, scratch, base, first)
        found = _best_steps(search, base, first, -held, ring.turned[0] - before, most_turned)
        firsts = search.joined[:found].copy(), search.ends[:found].copy(), search.gains.copy()
        for choice in range(found):
            joined, end, gain = firsts[0][choice], firsts[1][choice], firsts[2][choice] - held
            best, kept, loose = _LEAST_GAIN, before, first
            while True:
                made = ring.turned[0] - before
                search.added[made, 0], search.added[made, 1] = loose, joined
                _bring_beside(ring, base, loose, end)
                closed = gain + _cosine(vectors, scratch, base, end)
                if closed > best:
                    best, kept = closed, ring.turned[0]
                made = ring.turned[0] - before
                if made == _DEPTH:
                    break
                if not _best_steps(search, base, end, gain - best, made, most_turned):
                    break
                gain += search.gains[0]
                loose, joined, end = end, search.joined[0], search.ends[0]
            undo(ring, kept)
            if kept > before:
                return best
    return 0.0


@kernel
def _best_steps(
    search: _Search, base: int, loose: int, gain: float, made: int, most_turned: int
) -> int:
    """Finds the best steps on from the loose end, and writes them, best first: later only one.

    Args:
        search: The ring, as it is when the base and the loose end are joined.
        base: Where it is open; the loose end stands beside it.
        loose: The loose end.
        gain: A document is joined to it only where that adds more than this lacks.
        made: Steps made before: what these have joined stays so.
        most_turned: Nodes of the piece that a step turns, at most.

    Returns:
        How many there are.
    """
    graph, vectors, ring = search.graph, search.vectors, search.ring
    joined, ends, gains = search.joined, search.ends, search.gains
    count, found, width = len(vectors), 0, 1 if made else _WIDTH
    if loose == count:
        return 0
    side = side_of(ring, base, loose)
    behind = beside(ring, loose, side)
    for edge in range(graph.starts[loose], graph.starts[loose + 1]):
        other, cosine = int(graph.targets[edge]), graph.weights[edge]
        if gain + cosine <= 0:
            break
        if other in (base, behind):
            continue
        end = beside(ring, other, -side)
        apart = abs(ring.places[loose] - ring.places[end])
        if min(apart, count + 1 - apart) > most_turned or _among(search.added[:made], other, end):
            continue
        more = cosine - _cosine(vectors, search.scratch, other, end)
        if found == width and more <= gains[width - 1]:
            continue
        found = min(found + 1, width)
        at = found - 1
        while at > 0 and gains[at - 1] < more:
            joined[at], ends[at], gains[at] = joined[at - 1], ends[at - 1], gains[at - 1]
            at -= 1
        joined[at], ends[at], gains[at] = other, end, more
    return found


@kernel
def _among(pairs: Index, one: int, other: int) -> bool:
    """Whether two nodes are one of the pairs."""
    for pair in range(len(pairs)):
        first, last = pairs[pair, 0], pairs[pair, 1]
        if (first == one and last == other) or (first == other and last == one):
            return True
    return False


@kernel
def _bring_beside(ring: Ring, base: int, loose: int, end: int) -> None:
    """Turns the piece from the loose end to the next one, so that this stands beside the base."""
    first, last = ring.places[loose], ring.places[end]
    if side_of(ring, base, loose) < 0:
        first, last = last, first
    turn(ring, first, last)


@kernel
def _kick(search: _Search, kick: int, longest: int) -> float:
    """Two pieces that follow each other change places; what that costs, mostly more than 0."""
    ring, vectors, scratch = search.ring, search.vectors, search.scratch
    nodes, count = ring.nodes, len(ring.nodes)
    drawn = finalized(np.uint64(kick + 1) * np.uint64(0x9E3779B97F4A7C15))
    size = int(drawn % np.uint64(longest)) + 1
    size_behind = int((drawn >> np.uint64(8)) % np.uint64(longest)) + 1
    before = int((drawn >> np.uint64(16)) % np.uint64(count))
    middle = (before + size) % count
    end = (middle + size_behind) % count
    # The ends of both pieces, each behind what it stands beside.
    pairs = np.array(
        [
            [nodes[before], nodes[(before + 1) % count]],
            [nodes[middle], nodes[(middle + 1) % count]],
            [nodes[end], nodes[(end + 1) % count]],
        ]
    )
    lost = 0.0
    for pair in range(3):
        after = pairs[(pair + 1) % 3, 1]
        lost += _cosine(vectors, scratch, pairs[pair, 0], pairs[pair, 1])
        lost -= _cosine(vectors, scratch, pairs[pair, 0], after)
    # Both together, then each by itself: each stands as it did, in the place of the other.
    turn(ring, (before + 1) % count, end)
    for piece in range(2):
        first, last = ring.places[pairs[piece + 1, 0]], ring.places[pairs[piece, 1]]
        if (last - first) % count != (size_behind if piece else size) - 1:
            first, last = last, first
        turn(ring, first, last)
    for pair in range(3):
        for side in range(2):
            _wait(search.queue, search.waits, search.waiting, pairs[pair, side])
    return lost


@kernel
def _wait(queue: Index, waits: Index, waiting: Index, node: int) -> None:
    """Puts a node last in the queue, unless it waits already."""
    if waits[node] == 0:
        waits[node] = 1
        queue[(waiting[0] + waiting[1]) % len(queue)] = node
        waiting[1] += 1


@kernel
def _cosine(vectors: Vectors, scratch: Vectors, one: int, other: int) -> float:
    """The inner product of two vectors, 0 where one is the gap's."""
    if one == len(vectors) or other == len(vectors):
        return 0.0
    return float(inner_product(vectors[one], vectors[other], scratch))
