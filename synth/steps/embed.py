"""A vector for the text of every row."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.core.step import Column, EncodeStep, Fields
from synth.steps import cells


class Embed(EncodeStep):
    """Encode a column into ``embedding_<column>``.

    A row without text drops as ``no_<column>``, one whose vector is all zero, and so like nothing,
    as ``zero_vector``.

    Attributes:
        column: The text.
        prefix: What goes before every text, such as ``"query: "``, for encoders trained with one.
    """

    asks: ClassVar[Literal["vectors", "scores"]] = "vectors"

    kind: Literal["embed"] = "embed"
    column: Column = "text"
    prefix: str = ""

    def needs(self) -> Fields:
        """The text."""
        return (pa.field(self.column, pa.string()),)

    def adds(self) -> Fields:
        """The vector; null where there was no text."""
        return (pa.field(f"embedding_{self.column}", rows.VECTOR),)

    def ask(self, batch: Table) -> list[str]:
        """The prefixed text of every row that has one."""
        return [self.prefix + text for text in cells.texts(batch, self.column) if text is not None]

    def read(self, batch: Table, answers: NDArray[np.float32], label: str) -> Table:
        """The same rows with their vectors.

        Args:
            batch: The rows that `ask` saw.
            answers: Shape (asked, dim); dim holds also where nothing was asked.
            label: What messages call the encoder.

        Raises:
            EngineError: If a vector is not finite; the row's id is named.
        """
        texts = cells.texts(batch, self.column)
        at = np.array([at for at, text in enumerate(texts) if text is not None], np.int64)
        broken = ~np.isfinite(answers).all(axis=1)
        if broken.any():
            row_id = batch.column("id")[int(at[np.argmax(broken)])].as_py()
            raise EngineError(
                f"encoder {label} gave row {row_id!r} a vector with NaN or infinity in it"
            )
        dim = answers.shape[1]
        vectors = np.zeros((batch.num_rows, max(1, dim)), np.float32)
        vectors[at, :dim] = answers
        empty = pa.array([text is None for text in texts], pa.bool_())
        column = pa.FixedSizeListArray.from_arrays(
            pa.array(vectors.reshape(-1)), vectors.shape[1], mask=empty
        )
        out = rows.with_column(batch, pa.field(self.adds()[0].name, column.type), column)
        out = cells.without(out, self.column, texts)
        return rows.mark_dropped(out, (vectors == 0).all(axis=1), "zero_vector")
