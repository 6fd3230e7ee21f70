"""The formats a dataset can be written in, as data: what an `export` of a recipe may say."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from synth.formats.base import Export, SplitName
from synth.formats.corpora import BeirExport, NemotronExport
from synth.formats.labeled import LabeledListExport, LabeledPairExport
from synth.formats.plain import DocumentsExport, RowsExport
from synth.formats.token_files import TokensExport
from synth.formats.trainers import FlagEmbeddingExport, ListwiseExport
from synth.formats.tuples import NTupleExport, PairExport, TripletExport

__all__ = [
    "BeirExport",
    "DocumentsExport",
    "Export",
    "ExportSpec",
    "FlagEmbeddingExport",
    "LabeledListExport",
    "LabeledPairExport",
    "ListwiseExport",
    "NTupleExport",
    "NemotronExport",
    "PairExport",
    "RowsExport",
    "SplitName",
    "TokensExport",
    "TripletExport",
]

ExportSpec: TypeAlias = Annotated[
    NTupleExport
    | TripletExport
    | PairExport
    | LabeledPairExport
    | LabeledListExport
    | FlagEmbeddingExport
    | ListwiseExport
    | NemotronExport
    | BeirExport
    | DocumentsExport
    | RowsExport
    | TokensExport,
    Field(discriminator="format"),
]
