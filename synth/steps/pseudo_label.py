"""Give each text the label whose description it is nearest to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from synth.algorithms.pseudo_labels import pseudo_labels
from synth.core import rows
from synth.core.errors import RecipeError, SourceError
from synth.core.rows import Table
from synth.core.step import Column, Fields, Name
from synth.steps import cells
from synth.steps.whole import OneTaskStep, with_facts

LABEL = pa.field("label", pa.string())
LABEL_SCORE = pa.field("label_score", pa.float32())
LABEL_MARGIN = pa.field("label_margin", pa.float32())


class PseudoLabel(OneTaskStep):
    """Classify texts by descriptions of the classes; no text needs a label.

    A description finds the texts near it, and their mean is where its label stands; each text then
    gets the nearest label. One that is hardly nearer than the next drops as ``label_unclear``.

    Attributes:
        labels: The step or source with the labels: the id is the name, the text describes it.
        vector: The text's embedding.
        label_vector: The description's, by the same encoder.
        threshold: Texts whose cosine to a description is so high, or higher, are near it.
        least: Texts that a label stands on at least, the nearest ones.
        most: Texts that it stands on at most; None is off.
        min_margin: By how much the label's cosine must be above that of the next one.

    Source:
        Lbl2Vec and Lbl2TransformerVec (arXiv:2210.06023, arXiv:2211.16285).
    """

    kind: Literal["pseudo_label"] = "pseudo_label"
    labels: Name
    vector: Column = "embedding_text"
    label_vector: Column = "embedding_text"
    threshold: Annotated[float, Field(ge=-1, le=1)] = 0.4
    least: PositiveInt = 1
    most: PositiveInt | None = None
    min_margin: NonNegativeFloat = 0.05

    @model_validator(mode="after")
    def _stands_on_something(self) -> Self:
        if self.most is not None and self.most < self.least:
            raise ValueError(f"most={self.most} is below least={self.least}")
        return self

    def needs(self) -> Fields:
        """The text's embedding."""
        return (pa.field(self.vector, rows.VECTOR),)

    def adds(self) -> Fields:
        """The label, its cosine, and what this is above the next one's."""
        return (LABEL, LABEL_SCORE, LABEL_MARGIN)

    def second_tables(self) -> Mapping[str, Fields]:
        """The labels: id and embedding."""
        return {self.labels: (rows.ID, pa.field(self.label_vector, rows.VECTOR))}

    def whole(self, table: Table, labels: Table) -> Table:
        """The same rows with their labels.

        Args:
            table: The rows in the order of their ids.
            labels: The labels in the order of their ids.

        Raises:
            SourceError: If there is no label.
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If texts and labels have vectors of different sizes.
        """
        if not table.num_rows:
            return rows.with_columns(table, self.adds(), ([], [], []))
        if not labels.num_rows:
            raise SourceError(f"pseudo_label: {self.labels!r} has no row, so there is no label")
        texts = cells.usable_vectors(table, self.vector)
        described = cells.usable_vectors(labels, self.label_vector)
        if texts.shape[1] != described.shape[1]:
            raise RecipeError(
                f"pseudo_label: texts have vectors of {texts.shape[1]} numbers, labels of "
                f"{described.shape[1]}; embed both with one encoder"
            )
        found = pseudo_labels(texts, described, self.threshold, self.least, self.most)
        names = labels.column("id").to_pylist()
        given = [names[at] for at in found.labels]
        out = rows.with_columns(table, self.adds(), (given, found.scores, found.margins))
        out = rows.mark_dropped(out, found.margins < self.min_margin, "label_unclear")
        kept = out.column("drop_reason").is_null().to_numpy()
        counts = np.bincount(found.labels[kept], minlength=len(names))
        facts = {
            "texts of each label": ", ".join(
                f"{name} {count:,}" for name, count in zip(names, counts, strict=True)
            ),
            "texts that each label stands on": ", ".join(
                f"{name} {count:,}" for name, count in zip(names, found.members, strict=True)
            ),
        }
        return with_facts(out, facts)
