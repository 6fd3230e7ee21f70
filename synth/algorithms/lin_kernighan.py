"""Paths along which similarity adds up to more: chained Lin-Kernighan.

The path is held as a ring, closed by one node more, the gap, which is like nothing: wherever pieces
of the ring turn round, what is left when the gap is taken out is a path of all documents.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synth.algorithms.graph import Graph
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
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
    """A ring of nodes, and what is looked for on it.

    Attributes:
        graph: Documents that are near each other.
        vectors: Theirs.
        nodes: Every document and the gap, as they follow each other, shape (documents + 1,).
        places: Where each of them stands, shape (documents + 1,).
        turns: First and last place of each piece that was turned, shape (turns, 2).
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
    nodes: Index
    places: Index
    turns: Index
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
        nodes=nodes,
        places=np.argsort(nodes),
        turns=np.empty((_MOST_TURNS, 2), np.int64),
        added=np.empty((_DEPTH, 2), np.int64),
        joined=np.empty(_WIDTH, np.int64),
        ends=np.empty(_WIDTH, np.int64),
        gains=np.empty(_WIDTH, np.float32),
        queue=nodes.copy(),
        waits=np.ones(count + 1, np.int64),
        waiting=np.array([0, count + 1]),
        scratch=np.empty(16, np.float32),
    )
    _improve(search, kicks)
    gap = search.places[count]
    return np.concatenate([nodes[gap + 1 :], nodes[:gap]])


@kernel
def _improve(search: _Search, kicks: int) -> None:
    """Makes all chains that gain, then kicks."""
    _make_chains(search, 0, _MOST_TURNED)
    longest = min(_KICKED, (len(search.vectors) - 1) // 2)
    for kick in range(kicks if longest > 0 else 0):
        lost = -_kick(search, kick, longest)
        gain, turned = _make_chains(search, 3, _MOST_TURNED_BY_KICKS)
        if gain < lost:
            _undo(search, turned, 0)


@kernel
def _make_chains(search: _Search, turned: int, most_turned: int) -> tuple[float, int]:
    """Makes chains that gain until there is none from any node that waits.

    Args:
        search: Changed in place.
        turned: Turns that are remembered; where there are none, none need be.
        most_turned: Nodes of a piece that is turned, at most.

    Returns:
        The gain, and the turns that are remembered now.
    """
    total, forget = 0.0, turned == 0
    while search.waiting[1] > 0:
        base = search.queue[search.waiting[0]]
        while turned + _DEPTH <= len(search.turns):
            gain, made = _chain(search, base, turned, most_turned)
            if made == 0:
                break
            total += gain
            turned = 0 if forget else turned + made
            for step in range(made):
                _wait(search, search.added[step, 0])
                _wait(search, search.added[step, 1])
        search.waits[base] = 0
        search.waiting[0] = (search.waiting[0] + 1) % len(search.queue)
        search.waiting[1] -= 1
    return total, turned


@kernel
def _chain(search: _Search, base: int, turned: int, most_turned: int) -> tuple[float, int]:
    """Makes the first chain found that gains; its gain, and how many steps it has."""
    for side in (1, -1):
        loose = _beside(search.nodes, search.places, base, side)
        held = _cosine(search.vectors, search.scratch, base, loose)
        found = _best_steps(search, base, loose, -held, 0, _WIDTH, most_turned)
        firsts = search.joined[:found].copy(), search.ends[:found].copy(), search.gains.copy()
        for choice in range(found):
            joined, end, gain = firsts[0][choice], firsts[1][choice], firsts[2][choice] - held
            best, kept, made, before = _LEAST_GAIN, 0, 0, loose
            while True:
                _take(search, base, before, end, turned + made)
                search.added[made, 0], search.added[made, 1] = before, joined
                made += 1
                closed = gain + _cosine(search.vectors, search.scratch, base, end)
                if closed > best:
                    best, kept = closed, made
                if made == _DEPTH:
                    break
                if _best_steps(search, base, end, gain - best, made, 1, most_turned) == 0:
                    break
                gain += search.gains[0]
                before, joined, end = end, search.joined[0], search.ends[0]
            _undo(search, turned + made, turned + kept)
            if kept > 0:
                return best, kept
    return 0.0, 0


@kernel
def _best_steps(
    search: _Search, base: int, loose: int, gain: float, made: int, width: int, most_turned: int
) -> int:
    """Finds the best steps on from the loose end, and writes them, best first.

    Args:
        search: The ring, as it is when the base and the loose end are joined.
        base: Where it is open; the loose end stands beside it.
        loose: The loose end.
        gain: A document is joined to it only where that adds more than this lacks.
        made: Steps made before: what these have joined stays so.
        width: How many are wanted.
        most_turned: Nodes of the piece that a step turns, at most.

    Returns:
        How many there are.
    """
    graph, vectors, nodes, places = search.graph, search.vectors, search.nodes, search.places
    joined, ends, gains = search.joined, search.ends, search.gains
    if loose == len(vectors):
        return 0
    found = 0
    side = 1 if _beside(nodes, places, base, 1) == loose else -1
    behind = _beside(nodes, places, loose, side)
    for edge in range(graph.starts[loose], graph.starts[loose + 1]):
        other, cosine = graph.targets[edge], graph.weights[edge]
        if gain + cosine <= 0:
            break
        if other in (base, behind):
            continue
        end = _beside(nodes, places, other, -side)
        apart = abs(places[loose] - places[end])
        if min(apart, len(nodes) - apart) > most_turned or _was_added(search, made, other, end):
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
def _was_added(search: _Search, made: int, one: int, other: int) -> bool:
    """Whether one of the steps made has joined two nodes."""
    for step in range(made):
        first, last = search.added[step, 0], search.added[step, 1]
        if (first == one and last == other) or (first == other and last == one):
            return True
    return False


@kernel
def _take(search: _Search, base: int, loose: int, end: int, turned: int) -> None:
    """Turns the piece from the loose end to the next one, so that this stands beside the base."""
    first, last = search.places[loose], search.places[end]
    if _beside(search.nodes, search.places, base, 1) != loose:
        first, last = last, first
    _turn(search, first, last, turned)


@kernel
def _kick(search: _Search, kick: int, longest: int) -> float:
    """Two pieces that follow each other change places; what that gains, mostly less than 0."""
    nodes, count = search.nodes, len(search.nodes)
    drawn = _mixed(kick)
    size = int(drawn % np.uint64(longest)) + 1
    size_behind = int((drawn >> np.uint64(8)) % np.uint64(longest)) + 1
    before = int((drawn >> np.uint64(16)) % np.uint64(count))
    middle = (before + size) % count
    end = (middle + size_behind) % count
    a, b = nodes[before], nodes[(before + 1) % count]
    c, d = nodes[middle], nodes[(middle + 1) % count]
    e, f = nodes[end], nodes[(end + 1) % count]
    vectors, scratch = search.vectors, search.scratch
    gain = _cosine(vectors, scratch, a, d) - _cosine(vectors, scratch, a, b)
    gain += _cosine(vectors, scratch, e, b) - _cosine(vectors, scratch, c, d)
    gain += _cosine(vectors, scratch, c, f) - _cosine(vectors, scratch, e, f)
    # Both together, then each by itself: each stands as it did, in the place of the other.
    _turn(search, (before + 1) % count, end, 0)
    _turn_between(search, e, d, size_behind, 1)
    _turn_between(search, c, b, size, 2)
    for node in (a, b, c, d, e, f):
        _wait(search, node)
    return gain


@kernel
def _turn_between(search: _Search, one: int, other: int, size: int, turned: int) -> None:
    """Turns the piece of so many nodes that has these ends, whichever of them comes first."""
    first, last = search.places[one], search.places[other]
    if (last - first) % len(search.nodes) != size - 1:
        first, last = last, first
    _turn(search, first, last, turned)


@kernel
def _turn(search: _Search, first: int, last: int, turned: int) -> None:
    """Turns the piece from one place to another round, or all the rest where that is shorter."""
    search.turns[turned, 0], search.turns[turned, 1] = first, last
    nodes, places, count = search.nodes, search.places, len(search.nodes)
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
def _undo(search: _Search, turned: int, kept: int) -> None:
    """Takes turns back, the last one first, until so many are kept."""
    while turned > kept:
        turned -= 1
        _turn(search, search.turns[turned, 0], search.turns[turned, 1], turned)


@kernel
def _beside(nodes: Index, places: Index, node: int, side: int) -> int:
    """The node after another one (side 1) or before it (side -1)."""
    at = places[node] + side
    return int(nodes[at if at < len(nodes) else 0])


@kernel
def _wait(search: _Search, node: int) -> None:
    """Puts a node last in the queue, unless it waits already."""
    if search.waits[node] == 0:
        search.waits[node] = 1
        search.queue[(search.waiting[0] + search.waiting[1]) % len(search.queue)] = node
        search.waiting[1] += 1


@kernel
def _mixed(number: int) -> np.uint64:
    """A number that looks drawn, the same each time (SplitMix64)."""
    mixed = np.uint64(number + 1) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@kernel
def _cosine(vectors: Vectors, scratch: Vectors, one: int, other: int) -> float:
    """The inner product of two vectors, 0 where one is the gap's."""
    if one == len(vectors) or other == len(vectors):
        return 0.0
    return float(inner_product(vectors[one], vectors[other], scratch))
