"""Formats of rows that are no retrieval rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import Field

from synth.core import rows
from synth.core.step import Fields
from synth.formats.base import Export


class DocumentsExport(Export):
    """``id, text`` and the columns named, in the order of `position` where there is one.

    Attributes:
        columns: Further columns to write.
    """

    format: Literal["documents"] = "documents"
    columns: tuple[str, ...] = ()

    def needs(self) -> Fields:
        """The text, and the columns named."""
        named = [name for name in self.columns if name not in ("id", "text")]
        return (rows.TEXT, *(pa.field(name, pa.null()) for name in named))

    def published(self, names: Sequence[str]) -> list[str]:  # noqa: ARG002  (whatever there is)
        """The columns that are written of rows with those in `names`."""
        return list(dict.fromkeys(["id", "text", *self.columns]))


class RowsExport(Export):
    """The rows as they are.

    Attributes:
        columns: Columns to write. Left out: all but embeddings and `drop_reason`, which is null in
            every row that gets here.
    """

    format: Literal["rows"] = "rows"
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    def needs(self) -> Fields:
        """The columns named."""
        return tuple(pa.field(name, pa.null()) for name in self.columns or ())

    def published(self, names: Sequence[str]) -> list[str]:
        """The columns that are written of rows with those in `names`."""
        return list(dict.fromkeys(self.columns or filter(_is_published, names)))


def _is_published(name: str) -> bool:
    return name != rows.DROP_REASON.name and not name.startswith("embedding_")
