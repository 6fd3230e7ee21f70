"""Documents and plain rows: one row published for each row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from synth.core.rows import Table
from synth.export.shaped import Shaped, column, counted, is_text, shaped
from synth.formats import DocumentsExport, RowsExport


def document_rows(spec: DocumentsExport, batch: Table) -> Shaped:
    """``id, text`` and the columns named; a row without a text is left out as ``no_text``."""
    has_text = is_text(column(batch, "text"))
    dropped, _ = counted({"no_text": ~has_text})
    row = np.flatnonzero(has_text)
    columns = batch.select(spec.published(batch.column_names))
    return replace(shaped(columns.take(pa.array(row)), batch, row), dropped=dropped)


def whole_rows(spec: RowsExport, batch: Table) -> Shaped:
    """The columns named, or all but embeddings and `drop_reason`; no row is left out."""
    columns = batch.select(spec.published(batch.column_names))
    return shaped(columns, batch, np.arange(batch.num_rows))
