"""Pairs, triplets and n-tuples: retrieval rows laid flat, each list entry in a row or a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.core.rows import Table
from synth.export.shaped import Mask, Rows, Shaped, column, counted, is_text, shaped, split_keys
from synth.formats import NTupleExport, PairExport, TripletExport


def pair_rows(spec: PairExport, batch: Table) -> Shaped:
    """``query, positive``: one row for each positive; else ``no_query`` or ``no_positive``."""
    queries, positives = _sides(batch)
    dropped, used = counted(_missing(queries, positives))
    at = np.flatnonzero(used[positives.row])
    columns = {"positive": positives.texts.take(pa.array(at))}
    return _flat(batch, columns, positives, at, spec.ids, dropped)


def triplet_rows(spec: TripletExport, batch: Table) -> Shaped:
    """``query, positive, negative``: one row for each positive with each negative.

    A row without them is left out as ``no_query``, ``no_positive`` or ``no_negative``.
    """
    queries, positives = _sides(batch)
    negatives = _entries(batch, "negatives").hardest_first()
    rules = _missing(queries, positives) | {"no_negative": negatives.count == 0}
    dropped, used = counted(rules)
    kept = np.flatnonzero(used[positives.row])
    times = negatives.count[positives.row[kept]]
    at = np.repeat(kept, times)
    nth = np.arange(len(at)) - np.repeat(np.cumsum(times) - times, times)
    negative = negatives.start[positives.row[at]] + nth
    columns = {
        "positive": positives.texts.take(pa.array(at)),
        "negative": negatives.texts.take(pa.array(negative)),
    }
    return _flat(batch, columns, positives, at, spec.ids, dropped)


def n_tuple_rows(spec: NTupleExport, batch: Table) -> Shaped:
    """``query, positive, negative_1 ... negative_n``: one row for each positive.

    A row is left out as ``no_query``, ``no_positive`` or ``short_of_negatives``.
    """
    queries, positives = _sides(batch)
    negatives = _entries(batch, "negatives").hardest_first()
    short = {"short_of_negatives": negatives.count < spec.negatives}
    dropped, used = counted(_missing(queries, positives) | short)
    at = np.flatnonzero(used[positives.row])
    first = negatives.start[positives.row[at]]
    columns = {"positive": positives.texts.take(pa.array(at))}
    for number in range(spec.negatives):
        columns[f"negative_{number + 1}"] = negatives.texts.take(pa.array(first + number))
    return _flat(batch, columns, positives, at, spec.ids, dropped)


@dataclass(frozen=True, slots=True)
class _Entries:
    """The entries with a text of all rows, in the order of the rows.

    Attributes:
        texts: Their texts.
        scores: Their scores, NaN where there is none.
        row: The row that each belongs to, ascending, shape (entries,).
        count: Entries of each row, shape (rows,).
    """

    texts: pa.Array
    scores: np.ndarray[tuple[int], np.dtype[np.float32]]
    row: Rows
    count: Rows

    @property
    def start(self) -> Rows:
        """The first entry of each row, shape (rows,)."""
        return np.cumsum(self.count) - self.count

    def hardest_first(self) -> _Entries:
        """Those of each row by falling score, those without one last and as they stood."""
        falling = np.where(np.isfinite(self.scores), -self.scores, np.inf)
        order = np.lexsort((falling, self.row))
        return replace(self, texts=self.texts.take(pa.array(order)), scores=self.scores[order])


def _entries(batch: Table, name: str) -> _Entries:
    listed = column(batch, name)
    row = pc.list_parent_indices(listed).to_numpy(zero_copy_only=False).astype(np.int64)
    found = pc.list_flatten(listed)
    texts = pc.struct_field(found, "text").cast(pa.string())
    there = is_text(texts)
    scores = pc.struct_field(found, "score").cast(pa.float32()).to_numpy(zero_copy_only=False)
    return _Entries(
        texts.filter(pa.array(there)),
        scores[there],
        row[there],
        np.bincount(row[there], minlength=batch.num_rows),
    )


def _sides(batch: Table) -> tuple[Mask, _Entries]:
    """Which rows have a query, and their positives."""
    return is_text(column(batch, "query")), _entries(batch, "positives")


def _missing(queries: Mask, positives: _Entries) -> dict[str, Mask]:
    return {"no_query": ~queries, "no_positive": positives.count == 0}


def _flat(
    batch: Table,
    columns: Mapping[str, pa.Array],
    positives: _Entries,
    at: Rows,
    ids: bool,  # noqa: FBT001
    dropped: dict[str, int],
) -> Shaped:
    """Rows of which each holds the positive at `at`, with the query and ids of that one's row."""
    row = positives.row[at]
    taken = pa.array(row)
    named = {"query": column(batch, "query").cast(pa.string()).take(taken), **columns}
    if ids:
        named |= {"id": column(batch, "id").take(taken), "source_id": split_keys(batch).take(taken)}
    return replace(shaped(pa.table(named), batch, row, _index(row)), dropped=dropped)


def _index(row: Rows) -> Rows:
    """The place of each among those of its row, for rows in ascending order."""
    if len(row) == 0:
        return row
    first = np.flatnonzero(np.diff(row, prepend=row[0] - 1))
    return np.arange(len(row)) - np.repeat(first, np.diff(first, append=len(row)))
