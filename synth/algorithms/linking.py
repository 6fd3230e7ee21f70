"""Near-duplicate texts that no single process holds: which of them must be looked at together.

Texts that share a band and whose signatures are similar enough are linked; the connected components
of these links are independent of each other, so each can be searched by itself, wherever its texts
are. `keys` makes the bands of some texts, `linked` links those of one band, `merged` brings the
links of all bands together, and `groups` cuts the components into pieces of work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.candidates import band_keys
from synth.algorithms.kernel import Index, Words
from synth.algorithms.shingling import Signatures
from synth.algorithms.union import join_all, point_to_roots

# Members of a bucket are compared with at most so many that follow them, the nearest first, and
# only as long as nothing links them: a bucket of copies takes one comparison a member.
_MOST_STEPS = 64
# Pairs whose signatures are gathered at once: 2 x 4 MB.
_PAIRS = 8192
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Keys:
    """The bands of some texts in one range of keys.

    Attributes:
        texts: Indices of the texts, band after band, shape (entries,).
        keys: Their keys, shape (entries,).
        begins: Where each band begins, and the end of the last, shape (bands + 1,).
    """

    texts: NDArray[np.int32]
    keys: Words
    begins: Index

    def band(self, number: int) -> tuple[NDArray[np.int32], Words]:
        """Texts and keys of one band."""
        part = slice(self.begins[number], self.begins[number + 1])
        return self.texts[part], self.keys[part]


def keys(signatures: Signatures, bands: int, rows: int, ranges: int) -> list[Keys]:
    """The bands of some texts, cut by the highest bits of their keys.

    Args:
        signatures: Hash values, shape (texts, num_perm).
        bands: How many.
        rows: Hash values in each.
        ranges: Parts of equal width.
    """
    found: list[list[tuple[NDArray[np.int32], Words]]] = [[] for _ in range(ranges)]
    for band in range(bands):
        of_band = band_keys(signatures, band, rows)
        place = (of_band >> _HALF) * np.uint64(ranges) >> _HALF
        for one in range(ranges):
            texts = np.flatnonzero(place == one)
            found[one].append((texts.astype(np.int32), of_band[texts]))
    return [
        Keys(
            np.concatenate([texts for texts, _ in parts]),
            np.concatenate([values for _, values in parts]),
            np.cumsum([0, *(len(texts) for texts, _ in parts)]),
        )
        for parts in found
    ]


def linked(
    texts: Index, of_texts: Words, read: Callable[[Index], Signatures], least_equal: int
) -> tuple[Index, Index]:
    """Links between texts that share a key and have similar signatures, as few as join them all.

    Args:
        texts: Numbers of the texts in the order of visits, shape (entries,).
        of_texts: Their keys, likewise.
        read: Signatures of texts by their numbers.
        least_equal: Least equal values of two signatures.

    Returns:
        The two ends of each link, shape (links,).
    """
    order = np.argsort(of_texts, kind="stable")
    texts, of_texts = texts[order], of_texts[order]
    parents = np.arange(len(texts))
    for step in range(1, min(_MOST_STEPS, len(texts) - 1) + 1):
        same = np.flatnonzero(of_texts[step:] == of_texts[:-step])
        if not len(same):
            break
        point_to_roots(parents)
        pairs = same[parents[same] != parents[same + step]]
        for at in range(0, len(pairs), _PAIRS):
            one, other = pairs[at : at + _PAIRS], pairs[at : at + _PAIRS] + step
            equal = (read(texts[one]) == read(texts[other])).sum(axis=1)
            near = equal >= least_equal
            join_all(parents, one[near], other[near])
    point_to_roots(parents)
    joined = np.flatnonzero(parents != np.arange(len(texts)))
    return texts[joined], texts[parents[joined]]


def merged(links: Iterable[tuple[Index, Index]], count: int) -> Index:
    """The lowest number of the component of each of `count` texts."""
    parents = np.arange(count)
    for one, other in links:
        join_all(parents, one, other)
    point_to_roots(parents)
    return parents


def groups(roots: Index, searched: NDArray[np.bool_], most: int) -> tuple[NDArray[np.int32], int]:
    """The piece of work that each text belongs to, whole components together.

    Args:
        roots: The component of each text.
        searched: Which texts count.
        most: Texts of a piece, but for a component that is larger.

    Returns:
        Numbers of pieces, -1 for a text that has nobody to be compared with; and their number.
    """
    sizes = np.bincount(roots[searched], minlength=len(roots))
    several = np.flatnonzero(sizes > 1)
    piece_of_root = np.full(len(roots), -1, np.int32)
    begins = np.cumsum(sizes[several]) - sizes[several]
    _, piece_of_root[several] = np.unique(begins // most, return_inverse=True)
    pieces = np.where(searched, piece_of_root[roots], -1).astype(np.int32)
    return pieces, int(piece_of_root.max(initial=-1)) + 1
