"""What FlagEmbedding fine-tunes embedders and rerankers on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synth.core.rows import Table
from synth.export.entries import Sides, row_by_row
from synth.export.shaped import Shaped, column, counted, is_text
from synth.formats import FlagEmbeddingExport


def flag_embedding_rows(spec: FlagEmbeddingExport, batch: Table) -> Shaped:
    """``query, pos, neg`` and, where asked for, ``pos_scores, neg_scores, prompt``.

    A row is left out as ``no_query``, ``no_positive``, ``no_negative`` (FlagEmbedding divides by
    their number), ``no_score`` or ``no_prompt``.
    """
    sides = Sides.of(batch)
    rules = sides.missing | sides.no_negative | sides.no_score(spec.scores)
    if spec.prompt is not None:
        rules |= {"no_prompt": ~is_text(column(batch, spec.prompt))}
    dropped, used = counted(rules)
    row = np.flatnonzero(used)
    positives, negatives = sides.positives.of_rows(used), sides.negatives.of_rows(used)
    columns = {
        "pos": positives.lists(used, positives.texts),
        "neg": negatives.lists(used, negatives.texts),
    }
    if spec.scores:
        columns["pos_scores"] = positives.lists(used, positives.scores)
        columns["neg_scores"] = negatives.lists(used, negatives.scores)
    if spec.prompt is not None:
        columns["prompt"] = column(batch, spec.prompt).cast(pa.string()).take(pa.array(row))
    return row_by_row(batch, dropped, row, columns, ids=spec.ids)
