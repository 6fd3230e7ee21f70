"""What is near a row: by an embedding or by the words of a text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.minhash import signatures
from synth.algorithms.projection import cosines, principal_plane
from synth.explore import parts
from synth.step_rows import StepRows

# Points that the page draws.
MAP_ROWS = 50_000
# Rows that the plane of a map is found from; more of them turn it by less than one can see.
_PLANE_ROWS = 10_000
# 128 values: the standard error of the estimated Jaccard similarity is at most 0.044.
_NUM_PERM = 128
# Runs of 5 characters tell short queries apart as well as long texts.
_NGRAM = 5

Scores = NDArray[np.float32]


class Embeddings:
    """A column of embeddings, held in memory once it is asked for."""

    def __init__(self, step: StepRows, column: str) -> None:
        self._step, self._column = step, column

    @cached_property
    def _all(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Places of the rows that have a usable vector, and their vectors."""
        places, vectors = [], []
        for first, table in _with_first(self._step, self._column):
            column = table.column(0).combine_chunks()
            at = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            flat = pc.list_flatten(column).to_numpy(zero_copy_only=False)
            matrix = np.asarray(flat, np.float32).reshape(len(at), -1)
            usable = np.isfinite(matrix).all(axis=1)
            if usable.any():
                places.append(first + at[usable])
                vectors.append(matrix[usable])
        if not vectors:
            return np.empty(0, np.int64), np.empty((0, 1), np.float32)
        return np.concatenate(places), np.concatenate(vectors)

    def near(self, place: int, k: int) -> tuple[list[int], list[float]]:
        """The rows whose cosine with a row is largest, without itself; exact."""
        places, vectors = self._all
        own = np.flatnonzero(places == place)
        if not len(own):
            return [], []
        return _best(cosines(vectors[own[0]], vectors), places, place, k)

    def on_map(self) -> pa.Table:
        """Place and coordinates of every row that has a vector, on their principal plane."""
        places, vectors = self._all
        spread = np.linspace(0, len(places) - 1, min(len(places), _PLANE_ROWS)).astype(np.int64)
        mean, axes = principal_plane(vectors[spread])
        flat = vectors @ axes - mean @ axes
        return pa.table({"n": places, "x": flat[:, 0], "y": flat[:, 1]})


class Words:
    """A column of texts as MinHash signatures, made once they are asked for."""

    def __init__(self, step: StepRows, column: str) -> None:
        self._step, self._column = step, column

    @cached_property
    def _signatures(self) -> NDArray[np.uint32]:
        found = [
            signatures(table.column(0), _NUM_PERM, _NGRAM, "char")
            for _, table in _with_first(self._step, self._column)
        ]
        return np.concatenate(found) if found else np.empty((0, _NUM_PERM), np.uint32)

    def near(self, place: int, k: int) -> tuple[list[int], list[float]]:
        """The rows whose text has most in common with a row's: the estimated Jaccard similarity."""
        found = self._signatures
        share = (found == found[place]).mean(axis=1, dtype=np.float32)
        return _best(share, np.arange(len(found)), place, k, least=1 / _NUM_PERM)


def _with_first(step: StepRows, column: str) -> Iterator[tuple[int, pa.Table]]:
    first = 0
    for table in parts.columns(step, [column]):
        yield first, table
        first += table.num_rows


def _best(
    scores: Scores, places: NDArray[np.int64], own: int, k: int, least: float = -np.inf
) -> tuple[list[int], list[float]]:
    """The places with the k best scores, best first, equal ones by place; never `own`."""
    usable = (places != own) & (scores >= least)
    scores, places = scores[usable], places[usable]
    if k < len(scores):
        kth = np.partition(scores, -k)[-k]
        some = scores >= kth
        scores, places = scores[some], places[some]
    order = np.lexsort((places, -scores))[:k]
    return places[order].tolist(), [round(float(one), 4) for one in scores[order]]
