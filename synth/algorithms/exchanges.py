"""Parts of documents that change places between windows: the kernels of `windows`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synth.algorithms.graph import Graph
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.scoring import inner_product
from synth.algorithms.window_parts import (
    Numbers,
    Packing,
    Rule,
    give,
    held,
    refresh,
    take,
    worth,
)

# Windows that a part is tried in; with 3 they end 3 % less similar, and it takes half the time.
_WINDOWS_TRIED = 8
# Tokens times similarity. Less is rounding.
_LEAST_GAIN = 1e-3


class _Exchange(NamedTuple):
    """Tokens of a part that change places with tokens of a part in another window.

    Attributes:
        gain: Tokens times similarity that both windows gain.
        other: The other part, -1 where there is nothing to gain.
        given: Tokens of the part.
        taken: Tokens of the other part.
    """

    gain: float
    other: int
    given: int
    taken: int


class _Tried(NamedTuple):
    """The windows that a part is tried in, the most similar first.

    Attributes:
        windows: Shape (tried,).
        along: The inner product of the part's vector with each one's sum, shape (tried,).
    """

    windows: Index
    along: Numbers


@kernel
def improve(packing: Packing, rule: Rule, graph: Graph) -> float:
    """Makes the best exchange of each part in turn; tokens times similarity that are gained."""
    scratch = np.empty(16, np.float32)
    seen = np.full(len(packing.filled), -1, np.int64)
    tried = _Tried(np.empty(_WINDOWS_TRIED, np.int64), np.empty(_WINDOWS_TRIED))
    gained = 0.0
    for part in range(len(packing.window)):
        window = packing.window[part]
        # A document that fills a window has nobody to be exchanged with.
        if window < 0 or packing.tokens[part] > rule.window_tokens - rule.least_part:
            continue
        count = _likely_windows(packing, rule, graph, part, seen, tried, scratch)
        best = _Exchange(_LEAST_GAIN, -1, 0, 0)
        for place in range(count):
            best = _best(packing, rule, part, tried, place, best, scratch)
        last = packing.unused[0]
        if best.other < 0 or last < 0 or packing.next_in_window[last] < 0:
            continue
        gained += best.gain
        document, other = packing.document[part], packing.document[best.other]
        beside = packing.window[best.other]
        take(packing, part, best.given)
        take(packing, best.other, best.taken)
        give(packing, document, best.given, beside)
        give(packing, other, best.taken, window)
        refresh(packing, rule, window, scratch)
        refresh(packing, rule, beside, scratch)
    return gained


@kernel
def _likely_windows(
    packing: Packing,
    rule: Rule,
    graph: Graph,
    part: int,
    seen: Index,
    tried: _Tried,
    scratch: Vectors,
) -> int:
    """Writes the windows of near documents that are most similar to a part; how many."""
    document, count = packing.document[part], 0
    vector = packing.vectors[document]
    seen[packing.window[part]] = part
    # The document itself may have parts in other windows.
    for edge in range(graph.starts[document] - 1, graph.starts[document + 1]):
        near = document if edge < graph.starts[document] else np.int64(graph.targets[edge])
        one = packing.first_of_document[near]
        while one >= 0:
            window, fills = packing.window[one], packing.tokens[one]
            one = packing.next_of_document[one]
            if seen[window] == part or fills > rule.window_tokens - rule.least_part:
                continue
            seen[window] = part
            along = float(inner_product(packing.sums[window], vector, scratch))
            count = _insert(packing, tried, count, window, along)
    return count


@kernel
def _insert(packing: Packing, tried: _Tried, count: int, window: int, along: float) -> int:
    """Puts a window among those to be tried, unless as many are more similar; how many."""
    key, slot = along / packing.filled[window], min(count, _WINDOWS_TRIED - 1)
    if count == _WINDOWS_TRIED:
        last = tried.along[slot] / packing.filled[tried.windows[slot]]
        if last >= key:
            return count
    while slot > 0 and tried.along[slot - 1] / packing.filled[tried.windows[slot - 1]] < key:
        tried.along[slot] = tried.along[slot - 1]
        tried.windows[slot] = tried.windows[slot - 1]
        slot -= 1
    tried.along[slot], tried.windows[slot] = along, window
    return min(count + 1, _WINDOWS_TRIED)


@kernel
def _best(
    packing: Packing,
    rule: Rule,
    part: int,
    tried: _Tried,
    place: int,
    best: _Exchange,
    scratch: Vectors,
) -> _Exchange:
    """The best exchange of a part with one of a window, or the one that was best before."""
    here, there = packing.window[part], tried.windows[place]
    document, along = packing.document[part], tried.along[place]
    mine = packing.tokens[part]
    mine_there = held(packing, document, there)
    filled_here, filled_there = packing.filled[here], packing.filled[there]
    squares_here, squares_there = packing.squares[here], packing.squares[there]
    before = worth(squares_here, filled_here) + worth(squares_there, filled_there)
    other = packing.first_in_window[there]
    while other >= 0:
        second, theirs = packing.document[other], packing.tokens[other]
        theirs_here = held(packing, second, here)
        free_here = packing.free[here] + (theirs_here > 0)
        free_there = packing.free[there] + (mine_there > 0)
        given, taken = 0, 0
        # One that fits in there better than this part would is left to its own turn.
        if second != document and packing.along[other] - theirs < along:
            given, taken = _tokens(mine, theirs, free_here, free_there, rule.least_part)
        if given > 0:
            cosine = inner_product(packing.vectors[document], packing.vectors[second], scratch)
            across = inner_product(packing.sums[here], packing.vectors[second], scratch)
            both = given * given + taken * taken - 2.0 * given * taken * cosine
            # (x + y)^2 = x^2 + y^2 + 2xy: what is held already and what comes.
            lost_here = taken * (taken + 2.0 * theirs_here) + given * (given - 2.0 * mine)
            lost_there = given * (given + 2.0 * mine_there) + taken * (taken - 2.0 * theirs)
            new_here = squares_here + both - (1 - rule.own) * lost_here
            new_here += 2.0 * (taken * across - given * packing.along[part])
            new_there = squares_there + both - (1 - rule.own) * lost_there
            new_there += 2.0 * (given * along - taken * packing.along[other])
            gain = worth(new_here, filled_here - given + taken) - before
            gain += worth(new_there, filled_there + given - taken)
            cuts = (given < mine) + (taken < theirs) - (mine_there > 0) - (theirs_here > 0)
            gain -= rule.cut_cost * cuts
            if gain > best.gain:
                best = _Exchange(gain, other, given, taken)
        other = packing.next_in_window[other]
    return best


@kernel
def _tokens(mine: int, theirs: int, free_here: int, free_there: int, least: int) -> tuple[int, int]:
    """Tokens of two parts that can change places: both whole, or all of the shorter; 0 if none.

    Args:
        mine: Tokens of one part.
        theirs: Tokens of the other.
        free_here: Tokens that one more part could have in the window of the first.
        free_there: The same in that of the other.
        least: Fewest tokens that stay of a part that is cut.
    """
    # A part that leaves frees its separator too.
    if theirs <= free_here + mine + 1 and mine <= free_there + theirs + 1:
        return mine, theirs
    if mine < theirs:
        taken = min(theirs - least, free_here + mine + 1)
        return (mine, taken) if taken >= least and mine <= free_there + taken else (0, 0)
    given = min(mine - least, free_there + theirs + 1)
    return (given, theirs) if given >= least and theirs <= free_here + given else (0, 0)
