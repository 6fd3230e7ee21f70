"""What can be told of the rows of an export while they are written, at little cost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.rows import Table
from synth.export.shaped import column, unplaced

# Columns of names, which no one reads.
_IDS = ("id", "_id", "source_id", "parent_id", "question_id", "corpus_id", "source")
# Columns that are measured, the first ones: a table of more is not read.
_COLUMNS = 6
# Longer texts count as this long: a histogram gives exact medians in little memory.
_LONGEST = 1 << 16
_GENERATED = "generated"


class Figures:
    """Adds up figures batch by batch; the result does not depend on the batching."""

    def __init__(self) -> None:
        self._rows = 0
        self._lengths: dict[str, NDArray[np.int64]] = {}
        self._keys: list[NDArray[np.uint64]] = []
        self._key = ""
        self._listed: dict[int, int] = {}
        self._origins: dict[str, int] = {}
        self._scores: dict[str, tuple[int, float]] = {}

    def add(self, rows: Table, read: Table) -> None:
        """Counts a batch.

        Args:
            rows: The rows to publish.
            read: The rows that they were made from.
        """
        published = unplaced(rows)
        self._rows += published.num_rows
        for name, texts in list(_texts(published))[:_COLUMNS]:
            lengths = np.asarray(pc.utf8_length(texts).drop_null(), np.int64)
            counted = np.bincount(np.minimum(lengths, _LONGEST), minlength=_LONGEST + 1)
            self._lengths[name] = self._lengths.get(name, 0) + counted
            if self._key in ("", name) and name in published.column_names:
                self._key = name
                self._keys.append(_hashes(texts))
        for name in ("positives", "negatives"):
            if not any(one.startswith(name[:-1]) for one in published.column_names):
                continue
            if name in read.column_names and pa.types.is_list(read.schema.field(name).type):
                self._add_entries(name, column(read, name))

    def _add_entries(self, name: str, lists: pa.Array) -> None:
        entries = lists.flatten()
        fields = {field.name for field in entries.type} if pa.types.is_struct(entries.type) else ()
        if "score" in fields:
            scores = pc.struct_field(entries, "score").drop_null()
            number, total = self._scores.get(name, (0, 0.0))
            summed = pc.sum(scores.cast(pa.float64())).as_py() or 0.0
            self._scores[name] = (number + len(scores), total + summed)
        if name == "negatives":
            _count(self._listed, pc.fill_null(pc.list_value_length(lists), 0))
            if "origin" in fields:
                _count(self._origins, pc.struct_field(entries, "origin").drop_null())

    def told(self) -> dict[str, str]:
        """Each figure by its name, as text."""
        return dict(self._told())

    def _told(self) -> Iterator[tuple[str, str]]:
        if self._keys:
            distinct = len(np.unique(np.concatenate(self._keys)))
            yield f"different texts in {self._key}", f"{distinct:,} of {self._rows:,}"
        for name, counts in self._lengths.items():
            if counts.any():
                middle, most = (_quantile(counts, share) for share in (0.5, 0.95))
                told = f"{middle:,} in the middle, 95 % have {most:,} at most"
                yield f"characters of {name}", told
        if total := sum(self._listed.values()):
            mean = sum(number * rows for number, rows in self._listed.items()) / total
            few, many = min(self._listed), max(self._listed)
            yield (
                "negatives of a row that it is made from",
                f"{mean:.1f} on average, {few:,} to {many:,}",
            )
        if total := sum(self._origins.values()):
            generated = sum(
                number for origin, number in self._origins.items() if origin.startswith(_GENERATED)
            )
            yield "negatives that a model wrote", f"{generated / total:.0%} of {total:,}"
        for name, (number, summed) in self._scores.items():
            if number:
                yield f"score of {name} there", f"{summed / number:.3f} on average, of {number:,}"


def _texts(rows: Table) -> Iterator[tuple[str, pa.Array]]:
    """The columns of texts, and of lists of texts."""
    for name in rows.column_names:
        if name in _IDS:
            continue
        values = column(rows, name)
        if pa.types.is_list(values.type):
            values = values.flatten()
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            yield name, values


def _hashes(texts: pa.Array) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = pd.util.hash_array(
        pc.fill_null(texts, "").to_numpy(zero_copy_only=False), categorize=False
    )
    return found


def _count(counts: dict[int, int] | dict[str, int], values: pa.Array) -> None:
    for found in pc.value_counts(values).to_pylist():
        counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]


def _quantile(counts: NDArray[np.int64], share: float) -> int:
    """The smallest length that so large a share does not exceed."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
