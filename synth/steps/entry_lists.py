"""Entries of `positives` and `negatives` as Arrow arrays, without a Python object for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table
from synth.steps.made import NEGATIVES

Mask = NDArray[np.bool_]


def begins(lists: pa.Array) -> NDArray[np.int64]:
    """Where each list's entries begin among all, and the end of the last; a null has none."""
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return np.asarray(np.concatenate([[0], np.cumsum(sizes)]), np.int64)


def listed(entries: pa.Array, sizes: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    """Lists of so many entries each, one behind the other.

    Args:
        entries: Of all lists.
        sizes: How many belong to each list, shape (lists,).
        kind: The lists' type.
    """
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    return pa.ListArray.from_arrays(offsets, entries).cast(kind)


def one_behind_another(lists: Sequence[pa.Array], kind: pa.DataType) -> pa.Array:
    """Several lists of each row as one, those of the first before those of the next.

    Args:
        lists: Each with one list for every row.
        kind: Their type.
    """
    sizes = [np.diff(begins(one)) for one in lists]
    owner = np.concatenate([np.repeat(np.arange(len(one)), one) for one in sizes])
    flat = pa.concat_arrays([pc.list_flatten(one) for one in lists])
    order = np.argsort(owner, kind="stable")
    return listed(flat.take(pa.array(order)), np.sum(sizes, axis=0), kind)


def in_order(parts: Sequence[pa.Array], row: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    """Lists in the order of the rows that they belong to.

    Args:
        parts: The lists, one part behind the other.
        row: The row of each, shape (lists,).
        kind: Their type.
    """
    if len(parts) < 2:
        joined = parts[0] if parts else pa.nulls(0, kind)
    else:
        joined = pa.concat_arrays(parts)
    return joined if (np.diff(row) > 0).all() else joined.take(pa.array(np.argsort(row)))


@dataclass(frozen=True, slots=True)
class EntryLists:
    """The entries of a list column, of all rows one behind the other.

    Attributes:
        entries: What they are.
        row: The row that each belongs to, in rising order, shape (entries,).
        begins: Where each row's begin, and the end of the last, shape (rows + 1,).
        scores: NaN where there is none, shape (entries,).
        text_hashes: Of their texts, shape (entries,).
    """

    entries: pa.StructArray
    row: NDArray[np.int64]
    begins: NDArray[np.int64]
    scores: NDArray[np.float64]
    text_hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, batch: Table, name: str) -> EntryLists:
        """The entries of a column of `positives` or `negatives`."""
        kind = rows.POSITIVES if name == "positives" else rows.NEGATIVES
        lists = batch.column(name).combine_chunks().cast(kind)
        own = begins(lists)
        entries = pc.list_flatten(lists)
        scores = pc.struct_field(entries, "score").to_numpy(zero_copy_only=False)
        return cls(
            entries,
            np.repeat(np.arange(batch.num_rows), np.diff(own)),
            own,
            np.asarray(scores, np.float64),
            text_keys(pc.struct_field(entries, "text")),
        )

    def field(self, name: str) -> pa.Array:
        """One field of all entries."""
        return pc.struct_field(self.entries, name)

    def falling(self) -> NDArray[np.int64]:
        """Indices of each row by falling score and then by id; those without a score last."""
        falling = np.where(np.isfinite(self.scores), -self.scores, np.inf)
        order = np.arange(len(falling))
        same_row = self.row[1:] == self.row[:-1]
        if (same_row & (falling[1:] < falling[:-1])).any():
            order = np.lexsort((falling, self.row))
        falling = falling[order]
        # Ids are texts, which take long to compare: only where scores are equal.
        tied = np.zeros(len(falling) + 1, np.bool_)
        tied[1:-1] = same_row & (falling[1:] == falling[:-1])
        at = np.flatnonzero(tied[1:] | tied[:-1])
        if len(at):
            ids = pc.fill_null(self.field("id").take(pa.array(order[at])), "")
            by_id = pc.rank(ids, tiebreaker="dense").to_numpy(zero_copy_only=False)
            order[at] = order[at][np.lexsort((by_id, falling[at], self.row[at]))]
        return np.asarray(order, np.int64)

    def best_first(self) -> EntryLists:
        """The same entries, those of each row in the order of `falling`."""
        order = self.falling()
        if (np.diff(order) == 1).all():
            return self
        return EntryLists(
            self.entries.take(pa.array(order)),
            self.row,
            self.begins,
            self.scores[order],
            self.text_hashes[order],
        )

    def generated(self) -> Mask:
        """Which an LLM wrote."""
        found = pc.starts_with(pc.fill_null(self.field("origin"), ""), "generated:")
        return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)

    def blank(self) -> Mask:
        """Which have no text, or only white space."""
        texts = pc.fill_null(self.field("text"), "")
        found = pc.equal(pc.utf8_trim_whitespace(texts), "")
        return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)

    def lists(
        self,
        at: NDArray[np.int64],
        field: pa.Field = NEGATIVES,
        more: Mapping[str, pa.Array] | None = None,
    ) -> pa.Array:
        """Some of the entries as a list for each row.

        Args:
            at: Which, in rising order.
            field: The column that it becomes.
            more: Further fields of the entries.
        """
        taken, more = self.entries.take(pa.array(at)), more or {}
        fields = list(field.type.value_type)
        parts = [
            more[one.name] if one.name in more else pc.struct_field(taken, one.name)
            for one in fields
        ]
        entries = pa.StructArray.from_arrays(parts, fields=fields)
        sizes = np.bincount(self.row[at], minlength=len(self.begins) - 1)
        return listed(entries, sizes, field.type)


def text_keys(texts: pa.Array) -> NDArray[np.uint64]:
    """64 bits of each text, never 0; 0 for a null."""
    from synth.algorithms.hashing import hashes_64
    from synth.algorithms.text_buffer import text_buffer

    buffer = text_buffer(texts)
    found = np.maximum(hashes_64(buffer.data, buffer.starts, buffer.ends, 0), np.uint64(1))
    return np.where(buffer.valid, found, np.uint64(0))
