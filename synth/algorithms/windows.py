"""Windows of a fixed number of tokens whose documents have much in common."""

from __future__ import annotations

from synth.algorithms.graph import Graph
from synth.algorithms.groups import grouped_order
from synth.algorithms.kernel import Index
from synth.algorithms.neighbors import Vectors
from synth.algorithms.paths import Near
from synth.algorithms.spans import Spans, cut_spans
from synth.algorithms.window_order import nearest_first

# Tokens of a group of similar documents, as a share of a window's: at 0.15 and at 0.6, documents of
# `wiki_passages` have some 4 % less in common with those before them in their windows.
_GROUP_SHARE = 0.4


def window_spans(
    graph: Graph, vectors: Vectors, tokens: Index, window_tokens: int, near: Near
) -> Spans:
    """Windows of similar documents.

    Documents gather in groups smaller than a window, similar groups follow each other, and what
    they make is cut into full windows: as few as any order fills. So a window holds some groups,
    and parts of one or two. In it each document stands behind one that it is most like.

    Args:
        graph: Documents that are near each other.
        vectors: Theirs, of length 1, shape (documents, dim).
        tokens: Of each document, 0 for one to leave out, shape (documents,).
        window_tokens: Tokens of a window with its separators.
        near: Finds the groups that are nearest to each.

    Returns:
        Every token of every document once.
    """
    order = grouped_order(graph, vectors, tokens, int(_GROUP_SHARE * window_tokens), near)
    return nearest_first(cut_spans(order, tokens, window_tokens), vectors)
