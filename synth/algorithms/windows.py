"""Windows of a fixed number of tokens whose documents are as similar as can be.

Similar documents gather in groups, and similar groups follow each other; what they make is cut into
full windows. Then parts in two windows change places wherever that
makes the two more similar: equally many tokens of each, so that of two parts the longer one may be
cut. So windows stay full, and no token is lost.

How similar a window is, is the mean over all pairs of its tokens of the cosine of their documents,
where two tokens of one document count as `_OWN`. But for that, it is the squared length of the
token-weighted mean of the vectors, so that a change is judged by a few inner products. Each cut of
a document costs something, so that cuts grow together again.
"""

from __future__ import annotations

import numpy as np

from synth.algorithms.exchanges import improve
from synth.algorithms.graph import Graph
from synth.algorithms.groups import grouped_order
from synth.algorithms.kernel import Index
from synth.algorithms.neighbors import Vectors
from synth.algorithms.paths import Near
from synth.algorithms.spans import Spans, cut_spans
from synth.algorithms.window_order import nearest_first
from synth.algorithms.window_parts import Packing, Rule, begin, total

# Tokens of a group of similar documents, as a share of a window's.
_GROUP_SHARE = 0.4
# About the cosine of neighbours: at 1 long documents stay whole at the price of strangers beside
# them, whatever a cut costs.
_OWN = 0.7
# Tokens times similarity that a cut costs, and at most this share of a window. The rest of a
# document, without what it goes on from, costs a language model as much as dozens of tokens gain by
# neighbours; at 0 most windows cut a document, from 20 on few do.
_CUT_COST, _CUT_COST_SHARE = 30.0, 0.03
# No document is cut into parts below this, nor below an eighth of a window.
_LEAST_PART = 16
# One token in so many stays free at first, for the separators of parts that are cut later.
_FREE = 256
# A pass that adds a smaller share is the last.
_LEAST_PASS_GAIN = 1e-3


def similar_windows(
    graph: Graph, vectors: Vectors, tokens: Index, window_tokens: int, passes: int, near: Near
) -> Spans:
    """Windows of similar documents, each document behind one that it is most like.

    Args:
        graph: Documents that are near each other.
        vectors: Theirs, of length 1, shape (documents, dim).
        tokens: Of each document, 0 for one to leave out, shape (documents,).
        window_tokens: Tokens of a window with its separators.
        passes: How often each part is tried in other windows, at most.
        near: Finds the groups that are nearest to each.

    Returns:
        Every token of every document once.
    """
    order = grouped_order(graph, vectors, tokens, int(_GROUP_SHARE * window_tokens), near)
    spans = window_spans(order, graph, vectors, tokens, window_tokens, passes)
    return nearest_first(spans, vectors)


def window_spans(
    path: Index, graph: Graph, vectors: Vectors, tokens: Index, window_tokens: int, passes: int
) -> Spans:
    """Windows of similar documents.

    Args:
        path: The documents to pack, in an order in which neighbours are similar.
        graph: Documents that are near each other.
        vectors: Theirs, of length 1, shape (documents, dim).
        tokens: Of each document, 0 for one to leave out, shape (documents,).
        window_tokens: Tokens of a window with its separators.
        passes: How often each part is tried in other windows, at most.

    Returns:
        Every token of every document once; in a window documents stand as on the path.
    """
    least = max(1, min(_LEAST_PART, window_tokens // 8))
    spans = cut_spans(path, tokens, window_tokens, least, window_tokens // _FREE)
    if not passes or not len(spans.windows):
        return spans
    cut_cost = min(_CUT_COST, _CUT_COST_SHARE * window_tokens)
    packing, rule = _packing(vectors, spans), Rule(window_tokens, least, _OWN, cut_cost)
    begin(packing, rule, len(spans.windows))
    similarity = total(packing)
    for _ in range(passes):
        gained = improve(packing, rule, graph)
        similarity += gained
        if gained < _LEAST_PASS_GAIN * similarity:
            break
    return _spans(packing, path)


def _packing(vectors: Vectors, spans: Spans) -> Packing:
    parts, windows = len(spans.windows), int(spans.windows[-1]) + 1
    # An exchange that would need more is not made.
    room = 2 * parts + 64

    def with_room(values: Index, rest: int) -> Index:
        return np.concatenate([values, np.full(room - parts, rest, np.int64)])

    unused = np.arange(1, room + 1)
    unused[-1] = -1
    return Packing(
        vectors=vectors,
        document=with_room(spans.documents, -1),
        tokens=with_room(spans.tokens, 0),
        window=with_room(spans.windows, -1),
        next_in_window=unused,
        next_of_document=np.full(room, -1),
        first_in_window=np.full(windows, -1),
        first_of_document=np.full(len(vectors), -1),
        unused=np.array([parts]),
        sums=np.zeros((windows, vectors.shape[1]), np.float32),
        filled=np.zeros(windows, np.int64),
        free=np.zeros(windows, np.int64),
        squares=np.zeros(windows),
        along=np.zeros(room),
    )


def _spans(packing: Packing, path: Index) -> Spans:
    """The parts as spans: tokens of a document go to its windows in their order."""
    used = packing.window >= 0
    windows, documents = packing.window[used], packing.document[used]
    tokens = packing.tokens[used]
    order = np.lexsort((windows, documents))
    sizes = np.bincount(documents, minlength=len(packing.first_of_document))
    before = np.empty(len(order), np.int64)
    running = np.cumsum(tokens[order]) - tokens[order]
    first = (np.cumsum(sizes) - sizes)[documents[order]]
    before[order] = running - running[first]
    place = np.empty(len(packing.first_of_document), np.int64)
    place[path] = np.arange(len(path))
    order = np.lexsort((place[documents], windows))
    starts = before[order]
    return Spans(windows[order], documents[order], starts, starts + tokens[order])
