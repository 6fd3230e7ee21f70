"""The formats a dataset is written in: what rows become, and the files that hold them."""

from __future__ import annotations

from typing import assert_never

from synth.core.rows import Table
from synth.export.beir import beir_rows
from synth.export.documents import document_rows, whole_rows
from synth.export.flag_embedding import flag_embedding_rows
from synth.export.labeled import labeled_list_rows, labeled_pair_rows
from synth.export.layout import FileSet, file_sets, metadata_files
from synth.export.listwise import listwise_rows
from synth.export.nemotron import nemotron_rows
from synth.export.shaped import ORDER, SPLIT_KEY, Shaped
from synth.export.shards import write_tables
from synth.export.tuples import n_tuple_rows, pair_rows, triplet_rows
from synth.export.written import Written, written
from synth.formats import (
    BeirExport,
    DocumentsExport,
    ExportSpec,
    FlagEmbeddingExport,
    LabeledListExport,
    LabeledPairExport,
    ListwiseExport,
    NemotronExport,
    NTupleExport,
    PairExport,
    RowsExport,
    TripletExport,
)

__all__ = [
    "ORDER",
    "SPLIT_KEY",
    "FileSet",
    "Shaped",
    "Written",
    "file_sets",
    "metadata_files",
    "shape",
    "write_tables",
    "written",
]


def shape(spec: ExportSpec, batch: Table) -> Shaped:  # noqa: C901, PLR0911, PLR0912  (one per format)
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
        case LabeledPairExport():
            return labeled_pair_rows(spec, batch)
        case LabeledListExport():
            return labeled_list_rows(spec, batch)
        case FlagEmbeddingExport():
            return flag_embedding_rows(spec, batch)
        case ListwiseExport():
            return listwise_rows(spec, batch)
        case NemotronExport():
            return nemotron_rows(spec, batch)
        case BeirExport():
            return beir_rows(spec, batch)
        case DocumentsExport():
            return document_rows(spec, batch)
        case RowsExport():
            return whole_rows(spec, batch)
        case _:
            assert_never(spec)
