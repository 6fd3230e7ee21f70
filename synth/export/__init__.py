"""The formats a dataset is written in: what rows become, and the Parquet files that hold them."""

from __future__ import annotations

from typing import assert_never

from synth.core.rows import Table
from synth.export.documents import document_rows, whole_rows
from synth.export.retrieval import n_tuple_rows, pair_rows, triplet_rows
from synth.export.shaped import ORDER, SPLIT_KEY, Shaped
from synth.export.shards import data_folder, shard_pattern, write_splits
from synth.formats import (
    DocumentsExport,
    ExportSpec,
    NTupleExport,
    PairExport,
    RowsExport,
    TripletExport,
)

__all__ = [
    "ORDER",
    "SPLIT_KEY",
    "Shaped",
    "data_folder",
    "shape",
    "shard_pattern",
    "write_splits",
]


def shape(spec: ExportSpec, batch: Table) -> Shaped:
    """The rows to publish, and why the others are left out; the same whatever the batching.

    Args:
        spec: The format.
        batch: Live rows with the columns of ``spec.needs()``.
    """
    match spec:
        case NTupleExport():
            return n_tuple_rows(spec, batch)
        case TripletExport():
            return triplet_rows(spec, batch)
        case PairExport():
            return pair_rows(spec, batch)
        case DocumentsExport():
            return document_rows(spec, batch)
        case RowsExport():
            return whole_rows(spec, batch)
        case _:
            assert_never(spec)
