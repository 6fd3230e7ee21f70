"""Drop what a person has listed, rows and texts in their lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from synth.core import rows
from synth.core.drop_list import Listed
from synth.core.rows import Table
from synth.core.step import CorpusStep, Fields
from synth.steps.entry_lists import EntryLists, one_behind_another
from synth.steps.made import NEGATIVES, POSITIVES
from synth.steps.rejected import REJECTED_NEGATIVES, SHORT_BY
from synth.steps.whole import with_facts

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.steps.entry_lists import Mask

LISTED = pa.field("listed", pa.list_(pa.struct([("id", pa.string()), ("note", pa.string())])))
REASON = "listed"
# Columns that say what a row is and what it was made from.
_NAMES = ("id", "parent_id", "source_id", "doc_ids")
_LISTS = ("positives", "negatives")
# Ids that the ledger names.
_TOLD_IDS = 3


class DropListed(CorpusStep):
    """Drop the rows that a drop list names, and take the texts that it names out of others' lists.

    A row drops as ``listed`` if its own id is listed, or that of its parent, of its source document
    or of a document of its window. A text that is listed goes out of the `positives` and
    `negatives` of every row; a line with an `entry` takes that text out of the lists of one row
    only. A negative that goes stays in `rejected_negatives` as ``listed``; a row that loses its
    last positive drops. `listed` tells what the list says of a row, with its notes.

    Ids that are nowhere in the rows are counted in the ledger.

    Attributes:
        path: The drop list, JSON Lines of `id` and `note`; `synth explore` writes one.
    """

    kind: Literal["drop_listed"] = "drop_listed"
    path: Annotated[str, Field(min_length=1)]

    _listed: tuple[Listed, ...] = PrivateAttr(default=())
    _columns: tuple[str, ...] = PrivateAttr(default=())

    def holding(self, listed: Sequence[Listed], columns: Sequence[str] = ()) -> Self:
        """The same step with what its list says.

        Args:
            listed: The lines of the list.
            columns: The columns of the rows that it reads.
        """
        copy = self.model_copy()
        copy._listed, copy._columns = tuple(listed), tuple(columns)
        return copy

    def needs(self) -> Fields:
        """Nothing but ids: any other column is read where it is there."""
        return ()

    def adds(self) -> Fields:
        """What the list says of a row, and the lists that it may take texts out of."""
        lists = {
            "positives": (POSITIVES,),
            "negatives": (NEGATIVES, REJECTED_NEGATIVES),
            "short_by": (SHORT_BY,),
        }
        return (LISTED, *(f for name in lists if name in self._columns for f in lists[name]))

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:  # noqa: ARG002
        """All rows, planned lazily on Ray Data; which ids there are is looked up now."""
        found = dataset.map_batches(
            lambda batch: pa.table({"id": self._present(batch)}), batch_format="pyarrow"
        )
        present = {row["id"] for row in found.iter_rows()}
        return dataset.map_batches(
            lambda batch: with_facts(self._dropped(batch), self._facts(present)),
            batch_format="pyarrow",
        )

    @property
    def whole(self) -> Callable[..., Table]:
        """The same on a whole table."""
        return self._whole

    def _whole(self, table: Table) -> Table:
        present = set(self._present(table).to_pylist())
        return with_facts(self._dropped(table), self._facts(present))

    def _facts(self, present: set[str]) -> dict[str, str]:
        """What of the list there was, for the ledger."""
        ids = dict.fromkeys(one.entry or one.id for one in self._listed)
        missing = [name for name in ids if name not in present]
        facts = {"ids listed": f"{len(ids):,}"}
        if missing:
            more = ", ..." if len(missing) > _TOLD_IDS else ""
            told = ", ".join(missing[:_TOLD_IDS]) + more
            facts["ids listed that name nothing"] = f"{len(missing):,} of {len(ids):,}: {told}"
        return facts

    def _present(self, table: Table) -> pa.Array:
        """The ids of the list that the rows name anywhere."""
        own = pa.array(sorted({one.entry or one.id for one in self._listed}), pa.string())
        named = [ids for name in _NAMES for _, ids in _named(table, name)]
        lists = [name for name in _LISTS if name in table.column_names]
        named += [EntryLists.of(table, name).field("id") for name in lists]
        hit = [one.filter(pc.is_in(one, own)) for one in named]
        return pc.unique(pa.concat_arrays([one.cast(pa.string()) for one in hit]))

    def _dropped(self, table: Table) -> Table:
        """The same rows, those that are listed dropped, and lists without what is listed."""
        of_rows = {one.id: one.note for one in self._listed if one.entry is None}
        pairs = {(one.id, one.entry): one.note for one in self._listed if one.entry is not None}
        said: list[dict[str, str]] = [{} for _ in range(table.num_rows)]
        gone = _rows_named(table, of_rows, said)
        lists = {name: EntryLists.of(table, name) for name in _LISTS if name in table.column_names}
        hits = {
            name: _entries_named(table, found, of_rows, pairs, said)
            for name, found in lists.items()
        }
        if "positives" in lists:
            row, hit = lists["positives"].row, hits["positives"]
            had, left = (np.bincount(row[one], minlength=len(gone)) for one in (hit, ~hit))
            gone |= (had > 0) & (left == 0)
        out = table
        for name, found in lists.items():
            # A row that drops is kept as it was.
            hit = hits[name] & ~gone[found.row]
            out = _taken_out(out, name, found, hit) if hit.any() else out
        for field in self.adds():
            if field.name not in out.column_names:
                out = rows.with_column(out, field, pa.nulls(table.num_rows, field.type))
        told = [[{"id": key, "note": note} for key, note in one.items()] or None for one in said]
        out = rows.with_column(out, LISTED, pa.array(told, LISTED.type))
        return rows.mark_dropped(out, gone, REASON)


def _named(table: Table, column: str) -> list[tuple[NDArray[np.int64], pa.Array]]:
    """The ids in a column of ids or of lists of ids, each with its row; none where it is not."""
    if column not in table.column_names:
        return []
    values = table.column(column).combine_chunks()
    if not pa.types.is_list(values.type):
        return [(np.arange(table.num_rows), values)]
    return [(pc.list_parent_indices(values).to_numpy(), pc.list_flatten(values))]


def _rows_named(table: Table, listed: Mapping[str, str], said: list[dict[str, str]]) -> Mask:
    """Which rows are listed, or made from what is, shape (rows,); says so of each."""
    gone = np.zeros(table.num_rows, np.bool_)
    own = pa.array(list(listed), pa.string())
    for column in _NAMES:
        for row, ids in _named(table, column):
            hit = np.flatnonzero(pc.is_in(ids, own).to_numpy(zero_copy_only=False))
            gone[row[hit]] = True
            for at, name in zip(row[hit], ids.take(pa.array(hit)).to_pylist(), strict=True):
                said[at].setdefault(name, listed[name])
    return gone


def _entries_named(
    table: Table,
    lists: EntryLists,
    of_all: Mapping[str, str],
    of_rows: Mapping[tuple[str, str], str],
    said: list[dict[str, str]],
) -> Mask:
    """Which entries are listed, for all rows or for their own, shape (entries,)."""
    ids = lists.field("id")
    own = pa.array(sorted({*of_all, *(entry for _, entry in of_rows)}), pa.string())
    hit = pc.is_in(ids, own).to_numpy(zero_copy_only=False).copy()
    row_ids = table.column("id")
    for at in np.flatnonzero(hit):
        row, entry = int(lists.row[at]), ids[int(at)].as_py()
        note = of_rows.get((row_ids[row].as_py(), entry), of_all.get(entry))
        if note is None:
            hit[at] = False
        else:
            said[row].setdefault(entry, note)
    return np.asarray(hit, np.bool_)


def _taken_out(table: Table, name: str, lists: EntryLists, hit: Mask) -> Table:
    """The rows without some entries; negatives among them are rejected and counted as lacking."""
    field = POSITIVES if name == "positives" else NEGATIVES
    out = rows.with_column(table, field, lists.lists(np.flatnonzero(~hit), field))
    if name == "positives":
        return out
    gone = np.flatnonzero(hit)
    more = {
        "reason": pa.array([REASON] * len(gone), pa.string()),
        "ceiling": pa.nulls(len(gone), pa.float32()),
        "bound": pa.nulls(len(gone), pa.float32()),
    }
    rejected = lists.lists(gone, REJECTED_NEGATIVES, more)
    if REJECTED_NEGATIVES.name in table.column_names:
        before = table.column(REJECTED_NEGATIVES.name).combine_chunks()
        kind = REJECTED_NEGATIVES.type
        rejected = one_behind_another([before.cast(kind), rejected], kind)
    out = rows.with_column(out, REJECTED_NEGATIVES, rejected)
    if SHORT_BY.name in table.column_names:
        lost = pa.array(np.bincount(lists.row[gone], minlength=table.num_rows), pa.int32())
        out = rows.with_column(out, SHORT_BY, pc.add(table.column(SHORT_BY.name), lost))
    return out
