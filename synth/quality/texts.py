"""The kinds of text that a run has: those of its source, and those that models wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table
from synth.step_rows import StepRows
from synth.view import Run

# Texts of a kind, evenly spread, from which a share is known to 0.5/sqrt(2,000) = 0.011.
MOST = 2_000
SOURCE = "source text"
_QUERIES, _DOCUMENTS = "written queries", "written documents"
_POSITIVES, _NEGATIVES = "written positives", "written negatives"


@dataclass(frozen=True, slots=True)
class Kind:
    """Texts of one kind.

    Attributes:
        name: What they are.
        texts: A sample of them, shape (texts,).
        groups: The source row that each was made from, itself where it is one, shape (texts,).
        vectors: Their embeddings or those of another sample, where the run has them.
    """

    name: str
    texts: pa.Array
    groups: pa.Array
    vectors: NDArray[np.float32] | None = None

    @property
    def is_source(self) -> bool:
        """Whether no model wrote them."""
        return self.name == SOURCE


def kinds_of(run: Run) -> list[Kind]:
    """The source's texts, if it has any, and those of the last step that models wrote."""
    if not run.steps:
        return []
    found = [*_source(run), *_written(run)]
    return [kind for kind in found if len(kind.texts)]


def _source(run: Run) -> Iterator[Kind]:
    step = run[run.steps[0]]
    if "text" in step.schema.names:
        table = _with_text(step.sample(["id", "text"], MOST), "text")
        vectors = _vectors(run, "embedding_text", written=False)
        yield Kind(SOURCE, _strings(table, "text"), _strings(table, "id"), vectors)


def _written(run: Run) -> Iterator[Kind]:
    step = run[run.steps[-1]]
    names = ("text", "query", "source_id", "provenance", "positives", "negatives")
    table = step.sample(["id", *names], MOST)
    if "source_id" not in table.column_names:
        table = table.append_column("source_id", table.column("id"))
    if "provenance" in table.column_names:
        made = table.filter(pc.is_valid(table.column("provenance")))
        name, kind = ("query", _QUERIES) if "query" in table.column_names else ("text", _DOCUMENTS)
        if name in made.column_names:
            made = _with_text(made, name)
            vectors = _vectors(run, f"embedding_{name}", written=True)
            yield Kind(kind, _strings(made, name), _strings(made, "source_id"), vectors)
    if "negatives" in table.column_names:
        yield _entries(_NEGATIVES, table, "negatives", _generated(table))
    if "positives" in table.column_names:
        yield _entries(_POSITIVES, table, "positives", _second_positives(run, table))


def _with_text(table: Table, name: str) -> Table:
    texts = pc.fill_null(table.column(name), "")
    return table.filter(pc.not_equal(pc.utf8_trim_whitespace(texts), ""))


def _strings(table: Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks().cast(pa.string())


def _entries(kind: str, table: Table, name: str, chosen: NDArray[np.bool_]) -> Kind:
    lists = table.column(name).combine_chunks()
    texts = pc.fill_null(pc.struct_field(pc.list_flatten(lists), "text"), "").cast(pa.string())
    row = pc.list_parent_indices(lists)
    has_text = pc.not_equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
    at = np.flatnonzero(chosen & has_text)
    at = at[np.unique(np.linspace(0, max(0, len(at) - 1), min(MOST, len(at))).astype(np.int64))]
    groups = table.column("source_id").combine_chunks().take(row.take(pa.array(at)))
    return Kind(kind, texts.take(pa.array(at)), groups.cast(pa.string()))


def _generated(table: Table) -> NDArray[np.bool_]:
    origins = pc.struct_field(pc.list_flatten(table.column("negatives").combine_chunks()), "origin")
    found = pc.starts_with(pc.fill_null(origins, ""), "generated:")
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)


def _second_positives(run: Run, table: Table) -> NDArray[np.bool_]:
    """Which positives are neither the first of their row nor a row of a source."""
    lists = table.column("positives").combine_chunks()
    row = pc.list_parent_indices(lists).to_numpy()
    second = np.append(False, row[1:] == row[:-1])[: len(row)]
    if not second.any():
        return second
    ids = pc.struct_field(pc.list_flatten(lists), "id")
    known = [
        run[name].search(["id"], ids.filter(pa.array(second)).to_pylist(), ["id"]).column("id")
        for name in run.steps
        if run[name].record.kind == "source"
    ]
    of_source = pc.is_in(ids, pa.concat_arrays([c for one in known for c in one.chunks]))
    return np.asarray(second & ~of_source.to_numpy(zero_copy_only=False), np.bool_)


def _vectors(run: Run, column: str, *, written: bool) -> NDArray[np.float32] | None:
    """Embeddings of rows that models wrote, or did not; of the last step that has some."""
    for name in reversed(run.steps):
        step = run[name]
        if column in step.schema.names and len(step):
            found = _chosen_vectors(step, column, written=written)
            if found is not None:
                return found
    return None


def _chosen_vectors(step: StepRows, column: str, *, written: bool) -> NDArray[np.float32] | None:
    table = step.sample([column, "provenance.step"], MOST)
    if "provenance" in table.column_names:
        by_model = pc.is_valid(table.column("provenance"))
        table = table.filter(by_model if written else pc.invert(by_model))
    elif written:
        return None
    table = table.filter(pc.is_valid(table.column(column)))
    return rows.vectors(table, column) if table.num_rows else None
