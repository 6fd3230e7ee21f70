"""Write the fields of a record as one text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import Field

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields, MapStep
from synth.steps.generate import ANY


class Serialize(MapStep):
    """Fill a column with ``name: value; name: value`` of others, in the order in which they stand.

    Fields without a value are left out; a row without any drops as ``no_value``.

    Attributes:
        columns: The fields.
        into: The column that the text becomes.

    Source:
        How rows of tables are matched with texts: TDmatch (arXiv:2112.08776).
    """

    kind: Literal["serialize"] = "serialize"
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    into: Column = "text"

    def needs(self) -> Fields:
        """The fields."""
        return tuple(pa.field(name, ANY) for name in dict.fromkeys(self.columns))

    def adds(self) -> Fields:
        """The text."""
        return (pa.field(self.into, pa.string()),)

    def apply(self, batch: Table) -> Table:
        """The same rows with the text, null where there is no value."""
        records = batch.select(list(dict.fromkeys(self.columns))).to_pylist()
        texts = [
            "; ".join(
                f"{name.replace('_', ' ')}: {shown}"
                for name in self.columns
                if (shown := _shown(record[name]))
            )
            for record in records
        ]
        column = pa.array([text or None for text in texts], pa.string())
        out = rows.with_column(batch, pa.field(self.into, pa.string()), column)
        return rows.mark_dropped(out, [not text for text in texts], "no_value")


def _shown(value: Any) -> str:  # noqa: ANN401  (any value of a row)
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_shown, value))
        case _:
            return " ".join(str(value).split())
