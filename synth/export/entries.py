"""Positives and negatives of many rows as arrays, from which formats are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.rows import Table
from synth.export.shaped import Mask, Rows, Shaped, column, is_text, shaped, split_keys

Scores: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries with a text of all rows, in the order of the rows.

    Attributes:
        ids: Their ids.
        texts: Their texts.
        scores: Their scores, NaN where there is none, shape (entries,).
        row: The row that each belongs to, ascending, shape (entries,).
        count: Entries of each row, shape (rows,).
    """

    ids: pa.Array
    texts: pa.Array
    scores: Scores
    row: Rows
    count: Rows

    @classmethod
    def of(cls, batch: Table, name: str) -> Entries:
        """Those of the column `name`; a null list has none."""
        listed = column(batch, name)
        row = pc.list_parent_indices(listed).to_numpy(zero_copy_only=False).astype(np.int64)
        found = pc.list_flatten(listed)
        texts = pc.struct_field(found, "text").cast(pa.string())
        scores = pc.struct_field(found, "score").cast(pa.float32()).to_numpy(zero_copy_only=False)
        every = cls(
            pc.struct_field(found, "id").cast(pa.string()),
            texts,
            scores,
            row,
            np.zeros(batch.num_rows, np.int64),
        )
        return every.taken(np.flatnonzero(is_text(texts)))

    @property
    def start(self) -> Rows:
        """The first entry of each row, shape (rows,)."""
        return np.cumsum(self.count) - self.count

    @property
    def place(self) -> Rows:
        """The place of each entry among those of its row, from 0, shape (entries,)."""
        return np.arange(len(self.row)) - self.start[self.row]

    @property
    def unscored(self) -> Mask:
        """The rows that have an entry without a finite score, shape (rows,)."""
        missing = np.bincount(self.row[~np.isfinite(self.scores)], minlength=len(self.count))
        return missing > 0

    def taken(self, at: Rows) -> Entries:
        """The entries at these places, which go from row to row, shape (taken,)."""
        where = pa.array(at)
        return Entries(
            self.ids.take(where),
            self.texts.take(where),
            self.scores[at],
            self.row[at],
            np.bincount(self.row[at], minlength=len(self.count)),
        )

    def hardest_first(self) -> Entries:
        """Those of each row by falling score, those without one last and as they stood."""
        falling = np.where(np.isfinite(self.scores), -self.scores, np.inf)
        return self.taken(np.lexsort((falling, self.row)))

    def of_rows(self, used: Mask) -> Entries:
        """Those of the rows that are used; the others have none left."""
        return self.taken(np.flatnonzero(used[self.row]))

    def lists(self, used: Mask, values: pa.Array | NDArray[np.generic]) -> pa.Array:
        """One list for each row that is used.

        Args:
            used: Which rows, shape (rows,); none of the others has an entry.
            values: What is listed of each entry, shape (entries,).
        """
        offsets = np.concatenate([[0], np.cumsum(self.count[used])])
        listed = values if isinstance(values, pa.Array) else pa.array(values)
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), listed)


def joined(positives: Entries, negatives: Entries) -> tuple[Entries, Rows]:
    """Both in one, the positives of each row before its negatives.

    Returns:
        The entries, and 1 for a positive and 0 for a negative, shape (entries,).
    """
    both = Entries(
        pa.concat_arrays([positives.ids, negatives.ids]),
        pa.concat_arrays([positives.texts, negatives.texts]),
        np.concatenate([positives.scores, negatives.scores]),
        np.concatenate([positives.row, negatives.row]),
        positives.count + negatives.count,
    )
    order = np.argsort(both.row, kind="stable")
    return both.taken(order), np.asarray(order < len(positives.row), np.int64)


@dataclass(frozen=True, slots=True)
class Sides:
    """What a retrieval row has.

    Attributes:
        queries: Which rows have a query, shape (rows,).
        positives: Their positives, as they stand.
        negatives: Their negatives, the hardest first; none where there is no such column.
    """

    queries: Mask
    positives: Entries
    negatives: Entries

    @classmethod
    def of(cls, batch: Table) -> Sides:
        """Those of the rows of `batch`."""
        positives = Entries.of(batch, "positives")
        negatives = (
            Entries.of(batch, "negatives").hardest_first()
            if "negatives" in batch.column_names
            else positives.taken(np.zeros(0, np.int64))
        )
        return cls(is_text(column(batch, "query")), positives, negatives)

    @property
    def missing(self) -> dict[str, Mask]:
        """The rows that no format takes, by reason."""
        return {"no_query": ~self.queries, "no_positive": self.positives.count == 0}

    @property
    def no_negative(self) -> dict[str, Mask]:
        """The rows without a negative, with the reason."""
        return {"no_negative": self.negatives.count == 0}

    def no_score(self, asked: bool) -> dict[str, Mask]:  # noqa: FBT001  (a format's setting)
        """The rows that lack a score, with the reason, where a format asks for scores."""
        return {"no_score": self.positives.unscored | self.negatives.unscored} if asked else {}


def row_by_row(
    batch: Table,
    dropped: Mapping[str, int],
    row: Rows,
    columns: Mapping[str, pa.Array],
    *,
    ids: bool,
) -> Shaped:
    """Rows to publish with the query in front, and the ids of their input rows behind.

    Args:
        batch: The input rows.
        dropped: How many of them are left out, by reason.
        row: The input row that each comes from, ascending, shape (rows to publish,).
        columns: What stands behind the query.
        ids: Whether ids are written.
    """
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
