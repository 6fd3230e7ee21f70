"""The formats a dataset can be written in, as data: what an `export` of a recipe may say."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from synth.formats.base import Export, SplitName
from synth.formats.plain import DocumentsExport, RowsExport
from synth.formats.tuples import NTupleExport, PairExport, TripletExport

__all__ = [
    "DocumentsExport",
    "Export",
    "ExportSpec",
    "NTupleExport",
    "PairExport",
    "RowsExport",
    "SplitName",
    "TripletExport",
]

ExportSpec: TypeAlias = Annotated[
    NTupleExport | TripletExport | PairExport | DocumentsExport | RowsExport,
    Field(discriminator="format"),
]
