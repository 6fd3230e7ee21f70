"""Put documents in an order in which neighbours are about the same thing."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import PositiveInt

from synth.algorithms.neighbors import nearest_others
from synth.algorithms.order import walk
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps import cells
from synth.steps.whole import OneTaskStep

POSITION = pa.field("position", pa.int64())


class OrderDocuments(OneTaskStep):
    """Order documents along a path of most similar neighbours, for coherent training contexts.

    The rows come out in the order of `position`; equal choices fall to the lower id. Drop near
    duplicates before: copies would stand side by side.

    Attributes:
        neighbors: Nearest neighbours of each document, by cosine, between which the path chooses.
            Exact search; its time grows with the square of the number of documents.
        vector: The document's embedding.

    Source:
        In-Context Pretraining (arXiv:2310.10638).
    """

    packages: ClassVar[tuple[str, ...]] = ("faiss-cpu",)

    kind: Literal["order_documents"] = "order_documents"
    neighbors: PositiveInt = 20
    vector: Column = "embedding_text"

    def needs(self) -> Fields:
        """The embedding."""
        return (pa.field(self.vector, rows.VECTOR),)

    def adds(self) -> Fields:
        """The place in the order, from 0."""
        return (POSITION,)

    def whole(self, table: Table) -> Table:
        """The same rows in their new order.

        Args:
            table: The rows in the order of their ids.

        Raises:
            EngineError: If a vector is null, zero or not finite; the row's id is named.
        """
        vectors = cells.usable_vectors(table, self.vector)
        cosine = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found = nearest_others(cosine, self.neighbors)
        ordered = table.take(pa.array(walk(found.ids, found.scores)))
        return rows.with_column(ordered, POSITION, pa.array(np.arange(table.num_rows)))
