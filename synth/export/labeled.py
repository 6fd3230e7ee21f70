"""Labeled pairs and lists: each passage of a query with what it is worth."""

from __future__ import annotations

import numpy as np

from synth.core.rows import Table
from synth.export.entries import Sides, joined, row_by_row
from synth.export.shaped import Shaped, counted
from synth.formats import LabeledListExport, LabeledPairExport


def labeled_pair_rows(spec: LabeledPairExport, batch: Table) -> Shaped:
    """``query, passage, label`` or ``query, passage, score``: one row for each passage.

    A row is left out as ``no_query``, ``no_positive`` or ``no_score``.
    """
    sides = Sides.of(batch)
    dropped, used = counted(sides.missing | sides.no_score(spec.scores))
    passages, labels = joined(sides.positives.of_rows(used), sides.negatives.of_rows(used))
    columns = {
        "passage": passages.texts,
        **({"score": passages.scores} if spec.scores else {"label": labels}),
    }
    return row_by_row(batch, dropped, passages.row, columns, ids=spec.ids)


def labeled_list_rows(spec: LabeledListExport, batch: Table) -> Shaped:
    """``query, documents, labels`` or ``query, documents, scores``: one row for each row.

    A row is left out as ``no_query``, ``no_positive``, ``no_negative`` or ``no_score``.
    """
    sides = Sides.of(batch)
    dropped, used = counted(sides.missing | sides.no_negative | sides.no_score(spec.scores))
    passages, labels = joined(sides.positives.of_rows(used), sides.negatives.of_rows(used))
    columns = {
        "documents": passages.lists(used, passages.texts),
        **(
            {"scores": passages.lists(used, passages.scores)}
            if spec.scores
            else {"labels": passages.lists(used, labels)}
        ),
    }
    return row_by_row(batch, dropped, np.flatnonzero(used), columns, ids=spec.ids)
