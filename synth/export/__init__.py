"""The formats a dataset is written in: what rows become, and the files that hold them."""

from __future__ import annotations

from synth.export.layout import FileSet, file_sets, metadata_files
from synth.export.shaped import ORDER, SPLIT_KEY, Shaped
from synth.export.shapes import shape, table_schemas
from synth.export.shards import write_tables
from synth.export.written import Written, written

__all__ = [
    "ORDER",
    "SPLIT_KEY",
    "FileSet",
    "Shaped",
    "Written",
    "file_sets",
    "metadata_files",
    "shape",
    "table_schemas",
    "write_tables",
    "written",
]
