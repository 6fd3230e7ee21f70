"""How lengths, scores and clusters of copies are distributed over the rows of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.errors import SynthError
from synth.core.rows import Table
from synth.figures.classes import histogram
from synth.html.figure import Bars, Figure, Series
from synth.step_rows import StepRows
from synth.style_leak import style_leaks

if TYPE_CHECKING:
    from synth.view import Run

Values = NDArray[np.float64]

# Rows from which a distribution is known to a percent: 0.5/sqrt(20,000) = 0.004.
SAMPLE = 20_000
_LISTS = ("positives", "negatives", "rejected_negatives")
_SIZES = ((2, "2 rows"), (3, "3 rows"), (4, "4 rows"), (9, "5 to 9 rows"), (99, "10 to 99 rows"))
_LARGEST = "100 rows and more"


def lengths(run: Run) -> list[Figure]:
    """Characters of the first source's texts, and of each kind of text in the last step's rows."""
    if not run.steps:
        return []
    first, last = run[run.steps[0]], run[run.steps[-1]]
    values: dict[str, Values] = {}
    if "text" in first.schema.names and first is not last:
        values["source text"] = _characters(first.sample(["text"], SAMPLE), "text")
    is_retrieval = "query" in last.schema.names
    names = ("query", "positives", "negatives") if is_retrieval else ("text",)
    wanted = [name if name in ("query", "text") else f"{name}.text" for name in names]
    rows = last.sample(wanted, SAMPLE)
    for name in names:
        if name in rows.column_names:
            values["text of the last step" if name == "text" else name] = _characters(rows, name)
    looked_at = (rows.num_rows, len(last))
    title = f"Lengths of the texts of {last.record.name}"
    return [*histogram("lengths", title, "characters", values, looked_at, by_ratio=True)]


def _characters(rows: Table, name: str) -> Values:
    column = rows.column(name)
    texts = _field(column, "text") if pa.types.is_list(column.type) else column
    return np.asarray(pc.drop_null(pc.utf8_length(texts)).to_numpy(), np.float64)


def _field(lists: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    return pc.struct_field(pc.list_flatten(lists), name)


def scores(run: Run) -> list[Figure]:
    """Scores of positives, of kept and rejected negatives, and what negatives had to stay below."""
    having = [name for name in run.steps if {"positives", "negatives"} <= {*run[name].schema.names}]
    if not having:
        return []
    step = run[having[-1]]
    wanted = [f"{name}.score" for name in _LISTS]
    rows = step.sample([*wanted, "rejected_negatives.ceiling"], SAMPLE)
    kinds = {"positives": "positives", "negatives": "negatives kept"}
    values = {kind: _floats(_field(rows.column(name), "score")) for name, kind in kinds.items()}
    if "rejected_negatives" in rows.column_names:
        lists = rows.column("rejected_negatives")
        values["negatives rejected"] = _floats(_field(lists, "score"))
        if lists.type.value_type.get_field_index("ceiling") >= 0:
            first = pc.list_element(lists.filter(pc.greater(pc.list_value_length(lists), 0)), 0)
            values["margin: ceiling of a row"] = _floats(pc.struct_field(first, "ceiling"))
    title = f"Scores of positives and negatives in {step.record.name}"
    return [*histogram("scores", title, "score", values, (rows.num_rows, len(step)))]


def _floats(values: pa.ChunkedArray) -> Values:
    return np.asarray(pc.drop_null(values).to_numpy(), np.float64)


def cluster_sizes(run: Run) -> list[Figure]:
    """How many rows were copies of one another, for each step that drops copies."""
    found = []
    for name in run.steps:
        step = run[name]
        if step.record.rows_dropped and "duplicate_of" in step.schema.names:
            sizes = _cluster_sizes(step)
            if len(sizes):
                found.append(_size_bars(name, sizes))
    return [*found]


def _cluster_sizes(step: StepRows) -> NDArray[np.int64]:
    """Rows of each cluster of copies: the one that stays, and those that name it.

    Eight bytes are held of each dropped row, however long its id.
    """
    from synth.steps.entry_lists import text_keys

    keys = [
        text_keys(batch.column("duplicate_of").combine_chunks().drop_null())
        for batch in step.batches(["duplicate_of"], "dropped")
    ]
    _, counts = np.unique(np.concatenate(keys or [np.zeros(0, np.uint64)]), return_counts=True)
    return np.asarray(counts + 1, np.int64)


def _size_bars(name: str, sizes: NDArray[np.int64]) -> Bars:
    ends = [most for most, _ in _SIZES]
    counts = np.bincount(np.searchsorted(ends, sizes), minlength=len(_SIZES) + 1)
    return Bars(
        name="clusters",
        title=f"{name}: clusters of copies by their size",
        of="size",
        labels=(*(label for _, label in _SIZES), _LARGEST),
        series=(Series("clusters", tuple(counts.tolist())),),
        told=f"{len(sizes):,} clusters; the largest has {int(sizes.max()):,} rows. Of all rows.",
    )


def style(run: Run) -> list[Figure]:
    """How well generated negatives are told from other texts by how they are written."""
    try:
        leaks = style_leaks(run)
    except SynthError:  # there are none, or too few: the figure is left out, as others are
        return []
    tells = "; ".join(
        f"from {one.others} by {', '.join(name for name, _ in one.leak.tells)}" for one in leaks
    )
    return [
        Bars(
            name="style",
            title=f"{leaks[0].step}: how well generated negatives are told by their style",
            of="told from",
            labels=tuple(one.others for one in leaks),
            series=(Series("AUC", tuple(round(one.leak.auc, 3) for one in leaks)),),
            beside=(
                Series("from", tuple(round(one.leak.low, 3) for one in leaks)),
                Series("to (95 %)", tuple(round(one.leak.high, 3) for one in leaks)),
                Series("generated", tuple(one.generated for one in leaks)),
                Series("others", tuple(one.compared for one in leaks)),
            ),
            told="0.5 is no leak; above 0.8 a model can learn the style instead of the meaning. "
            f"Told most of all {tells}.",
        )
    ]
