"""What may not be mined for a row, whatever finds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.rows import Table
from synth.steps.copies import joined
from synth.steps.entry_lists import begins

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bans:
    """Groups of equal texts that may not be mined, those of a row together.

    Attributes:
        groups: Shape (bans,).
        begins: Where each row's begin, and the end of the last, shape (rows + 1,).
    """

    groups: Ids
    begins: Ids

    def of(self, at: Ids) -> Bans:
        """Those of some of the rows."""
        sizes = np.diff(self.begins)[at]
        groups = slices(self.groups, self.begins[at], self.begins[at + 1])
        return Bans(groups, np.concatenate([[0], np.cumsum(sizes)]))


def groups_and_bans(table: Table, ids: pa.Array, texts: pa.Array) -> tuple[Ids, Bans]:
    """The texts of the corpus by equality, and which groups each row may not have.

    Args:
        table: Rows with query, positives, negatives and source document.
        ids: Of the corpus.
        texts: Of the corpus, null where there is none.
    """
    from synth.algorithms.exact import exact_duplicates

    flat: list[tuple[Ids, pa.Array, pa.Array]] = []
    everyone = np.arange(table.num_rows)
    nothing = pa.nulls(table.num_rows, pa.string())
    flat.append((everyone, nothing, table.column("query").combine_chunks()))
    if "source_id" in table.column_names:
        flat.append((everyone, table.column("source_id").combine_chunks(), nothing))
    for name in ("positives", "negatives"):
        if name in table.column_names:
            entries = table.column(name).combine_chunks()
            row = np.repeat(everyone, np.diff(begins(entries)))
            found = pc.list_flatten(entries)
            flat.append((row, pc.struct_field(found, "id"), pc.struct_field(found, "text")))
    row = np.concatenate([one for one, _, _ in flat])
    every, size = joined(texts, *(one for _, _, one in flat)), len(texts)
    groups = exact_duplicates(every, np.arange(len(every)))
    by_text = np.where(groups[size:] < size, groups[size:], -1)
    named = joined(*(one for _, one, _ in flat))
    places = pc.fill_null(pc.index_in(named, ids.cast(pa.large_string())), -1)
    held = places.to_numpy(zero_copy_only=False)
    by_id = np.where(held >= 0, groups[held], -1)
    banned = np.concatenate([by_text, by_id])
    owner = np.concatenate([row, row])[banned >= 0]
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=table.num_rows)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    return groups[:size], Bans(banned[banned >= 0][order], bounds)


def slices(values: Ids, first: Ids, behind: Ids) -> Ids:
    """``values[first:behind]`` of every pair, one behind the other."""
    sizes = behind - first
    ends = np.cumsum(sizes)
    at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - sizes), sizes)
    return np.asarray(values[at])
