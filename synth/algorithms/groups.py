"""Documents gathered into groups of similar ones, and the groups brought into an order."""

from __future__ import annotations

import numpy as np

from synth.algorithms.directions import mean_directions
from synth.algorithms.graph import Graph, Ids, edges_of, symmetric
from synth.algorithms.kernel import Index, kernel
from synth.algorithms.neighbors import Vectors
from synth.algorithms.paths import Near, edge_path, heaviest_first, once
from synth.algorithms.spans import Spans
from synth.algorithms.union import join, point_to_roots, root
from synth.algorithms.window_order import nearest_first


def grouped_order(graph: Graph, vectors: Vectors, tokens: Index, most: int, near: Near) -> Index:
    """An order in which documents stand in groups, beside groups that are like theirs.

    Groups grow along the heaviest edges first, as trees do in Kruskal's algorithm, but to no more
    than `most` tokens: unlike on a path, any number of documents may gather around one. Their mean
    vectors are put on a path. In a group each document stands behind one that it is most like.

    Args:
        graph: Documents that are near each other.
        vectors: Theirs, of length 1, shape (documents, dim).
        tokens: Of each document, shape (documents,).
        most: Tokens of a group, but for documents that are longer.
        near: Finds the groups that are nearest to each.

    Returns:
        Every index once, shape (documents,).
    """
    roots = np.arange(len(vectors))
    _gather(*heaviest_first(once(graph)), roots, tokens + 1, most)
    point_to_roots(roots)
    first, group = np.unique(roots, return_inverse=True)
    means = mean_directions(vectors, group, vectors[first])
    found = symmetric(edges_of(near(means)), len(means))
    place = np.empty(len(first), np.int64)
    place[edge_path(found, means, near)] = np.arange(len(first))
    order = np.argsort(place[group], kind="stable")
    starts = np.zeros(len(order), np.int64)
    return nearest_first(
        Spans(place[group][order], order, starts, tokens[order]), vectors
    ).documents


@kernel
def _gather(ones: Ids, others: Ids, roots: Index, sizes: Index, most: int) -> None:
    """Joins the groups of both ends of each edge where they fit together.

    Args:
        ones: One end of each edge.
        others: The other end.
        roots: For each document one of its group that is not higher, its own at the start.
        sizes: Of each document.
        most: The size that no join may exceed.
    """
    filled = sizes.copy()
    for edge in range(len(ones)):
        one, other = root(roots, ones[edge]), root(roots, others[edge])
        if one != other and filled[one] + filled[other] <= most:
            join(roots, one, other)
            filled[min(one, other)] += filled[max(one, other)]
