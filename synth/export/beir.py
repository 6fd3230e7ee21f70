"""Queries and relevance judgements, as BEIR and MTEB evaluate retrieval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.core.rows import Table
from synth.export.entries import Entries, Sides, joined
from synth.export.shaped import SPLIT_KEY, Shaped, column, counted, shaped, split_keys
from synth.formats import BeirExport

QRELS = "qrels"


def beir_rows(spec: BeirExport, batch: Table) -> Shaped:
    """``_id, text`` of each query; the judgements are a table of their own.

    A row is left out as ``no_query`` or ``no_positive``.
    """
    sides = Sides.of(batch)
    dropped, used = counted(sides.missing)
    row = np.flatnonzero(used)
    at = pa.array(row)
    queries = {
        "_id": column(batch, "id").cast(pa.string()).take(at),
        "text": column(batch, "query").cast(pa.string()).take(at),
    }
    positives, negatives = sides.positives.of_rows(used), sides.negatives.of_rows(used)
    judged = joined(positives, negatives if spec.negatives else negatives.taken(row[:0]))
    done = replace(shaped(pa.table(queries), batch, row), dropped=dropped)
    return replace(done, others={QRELS: _judgements(*judged, batch)})


def _judgements(passages: Entries, labels: np.ndarray, batch: Table) -> Table:
    """``query-id, corpus-id, score``; a passage that a row names twice is judged once.

    What is positive and negative at once is positive.
    """
    passage = pc.rank(passages.ids, tiebreaker="dense").to_numpy(zero_copy_only=False)
    order = np.lexsort((-labels, passage, passages.row))
    pairs = np.stack([passages.row[order], passage[order]])
    first = np.ones(len(order), np.bool_)
    first[1:] = np.any(pairs[:, 1:] != pairs[:, :-1], axis=0)
    kept = np.sort(order[first])
    row = pa.array(passages.row[kept])
    return pa.table(
        {
            "query-id": column(batch, "id").cast(pa.string()).take(row),
            "corpus-id": passages.ids.take(pa.array(kept)),
            "score": pa.array(labels[kept], pa.int32()),
            SPLIT_KEY.name: split_keys(batch).take(row),
        }
    )
