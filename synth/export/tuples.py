"""Pairs, triplets and n-tuples: retrieval rows laid flat, each entry in a row or a column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from synth.core.rows import Table
from synth.export.entries import Entries, Scores, Sides, row_by_row
from synth.export.shaped import Rows, Shaped, counted
from synth.formats import NTupleExport, PairExport, TripletExport


def pair_rows(spec: PairExport, batch: Table) -> Shaped:
    """``query, positive``: one row for each positive; else ``no_query`` or ``no_positive``."""
    sides = Sides.of(batch)
    dropped, used = counted(sides.missing)
    positives = sides.positives.of_rows(used)
    columns = {"positive": positives.texts}
    return row_by_row(batch, dropped, positives.row, columns, ids=spec.ids)


def triplet_rows(spec: TripletExport, batch: Table) -> Shaped:
    """``query, positive, negative``: one row for each positive with each negative.

    A row is left out as ``no_query``, ``no_positive``, ``no_negative`` or ``no_score``.
    """
    sides = Sides.of(batch)
    dropped, used = counted(sides.missing | sides.no_negative | sides.no_score(spec.scores))
    kept = np.flatnonzero(used[sides.positives.row])
    times = sides.negatives.count[sides.positives.row[kept]]
    positive = np.repeat(kept, times)
    nth = np.arange(len(positive)) - np.repeat(np.cumsum(times) - times, times)
    row = sides.positives.row[positive]
    negative = sides.negatives.start[row] + nth
    columns = {
        "positive": sides.positives.texts.take(pa.array(positive)),
        "negative": sides.negatives.texts.take(pa.array(negative)),
    }
    if spec.scores:
        columns["scores"] = _scores(sides.positives.scores[positive], sides.negatives, [negative])
    return row_by_row(batch, dropped, row, columns, ids=spec.ids)


def n_tuple_rows(spec: NTupleExport, batch: Table) -> Shaped:
    """``query, positive, negative_1 ... negative_n``: one row for each positive.

    A row is left out as ``no_query``, ``no_positive``, ``short_of_negatives`` or ``no_score``; for
    the last only what would be written counts.
    """
    sides = Sides.of(batch)
    negatives = sides.negatives.taken(np.flatnonzero(sides.negatives.place < spec.negatives))
    short = {"short_of_negatives": negatives.count < spec.negatives}
    shown = Sides(sides.queries, sides.positives, negatives)
    dropped, used = counted(sides.missing | short | shown.no_score(spec.scores))
    positives = sides.positives.of_rows(used)
    first = negatives.start[positives.row]
    places = [first + number for number in range(spec.negatives)]
    columns = {"positive": positives.texts}
    for number, place in enumerate(places, start=1):
        columns[f"negative_{number}"] = negatives.texts.take(pa.array(place))
    if spec.scores:
        columns["scores"] = _scores(positives.scores, negatives, places)
    return row_by_row(batch, dropped, positives.row, columns, ids=spec.ids)


def _scores(positive: Scores, negatives: Entries, places: Sequence[Rows]) -> pa.Array:
    """Of each row the positive's score, then those of its negatives."""
    table = np.stack([positive, *(negatives.scores[place] for place in places)], axis=1)
    offsets = np.arange(len(table) + 1) * table.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(table.reshape(-1)))
