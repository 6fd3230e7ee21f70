"""Shuffled documents with their ranking, as listwise rerankers are trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.rows import Table
from synth.export.entries import Entries, Sides, joined, row_by_row
from synth.export.shaped import Rows, Shaped, column, counted
from synth.formats import ListwiseExport
from synth.steps.entry_lists import text_keys


def listwise_rows(spec: ListwiseExport, batch: Table) -> Shaped:
    """``source, query, document, ranking``: `ranking` is a permutation of ``1 ... documents``.

    Documents of one score are ranked as they stand, positives before negatives. Where a document
    stands in the list hangs on the row's id and its own text, not on how good it is.

    A row is left out as ``no_query``, ``no_positive``, ``short_of_documents`` or, where a negative
    has no score, ``no_score``.
    """
    sides = Sides.of(batch)
    number = sides.positives.count + sides.negatives.count
    dropped, used = counted(
        sides.missing
        | {
            "short_of_documents": number < spec.min_documents,
            "no_score": sides.negatives.unscored,
        }
    )
    ranked = _best_first(*joined(sides.positives.of_rows(used), sides.negatives.of_rows(used)))
    ranked = ranked.taken(np.flatnonzero(ranked.place < spec.k))
    shown = np.lexsort((_draws(ranked, batch), ranked.row))
    stands = np.empty(len(shown), np.int64)
    stands[shown] = ranked.place + 1
    row = np.flatnonzero(used)
    columns = {
        "document": ranked.lists(used, ranked.texts.take(pa.array(shown))),
        "ranking": ranked.lists(used, stands),
    }
    done = row_by_row(batch, dropped, row, columns, ids=spec.ids)
    source = pa.array([spec.source], pa.string()).take(pa.array(np.zeros(len(row), np.int64)))
    return replace(done, rows=done.rows.add_column(0, "source", source))


def _best_first(passages: Entries, labels: Rows) -> Entries:
    """Those of each row by falling score, positives without one before all."""
    falling = np.where(np.isfinite(passages.scores), -passages.scores, -np.inf)
    return passages.taken(np.lexsort((-labels, falling, passages.row)))


def _draws(passages: Entries, batch: Table) -> NDArray[np.uint64]:
    """A number for each entry, drawn by the id of its row and its text alone."""
    ids = column(batch, "id").cast(pa.string()).take(pa.array(passages.row))
    return text_keys(pc.binary_join_element_wise(ids, passages.texts, "\0"))
