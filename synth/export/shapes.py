"""What rows become in each format, chosen by its type."""

from __future__ import annotations

from typing import assert_never

from synth.core.rows import Schema, Table
from synth.export.beir import beir_rows
from synth.export.corpus import CORPUS, PASSAGES, corpus_rows
from synth.export.documents import document_rows, whole_rows
from synth.export.flag_embedding import flag_embedding_rows
from synth.export.labeled import labeled_list_rows, labeled_pair_rows
from synth.export.listwise import listwise_rows
from synth.export.nemotron import nemotron_rows
from synth.export.shaped import Shaped, unplaced
from synth.export.token_files import token_rows
from synth.export.tuples import n_tuple_rows, pair_rows, triplet_rows
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
    TokensExport,
    TripletExport,
)


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
        case TokensExport():
            return token_rows(spec, batch)
        case _:
            assert_never(spec)


def table_schemas(spec: ExportSpec, schema: Schema) -> dict[str, Schema]:
    """The columns of each table that a format makes of rows with those of `schema`, by name."""
    tables = shape(spec, schema.empty_table()).tables
    if isinstance(spec, BeirExport | NemotronExport):
        tables[CORPUS] = corpus_rows(spec, PASSAGES.empty_table())
    return {name: unplaced(table).schema for name, table in tables.items()}
