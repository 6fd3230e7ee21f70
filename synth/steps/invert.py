"""Make one retrieval row of each question that documents list."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from synth.core import rows
from synth.core.ids import content_id
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps.born import DOC_IDS, with_new
from synth.steps.generate import ANY
from synth.steps.made import PAIR
from synth.steps.whole import OneTaskStep


class Invert(OneTaskStep):
    """Make one retrieval row of each distinct question: all documents that list it answer it.

    The positives are the documents in the order of their ids. Other columns are those of the
    document where there is only one, else null. Documents that list no question drop as
    ``no_<column>``.

    Attributes:
        column: A list of the questions that a document answers, or a single one.
    """

    makes_rows: ClassVar[bool] = True

    kind: Literal["invert"] = "invert"
    column: Column = "questions"

    def needs(self) -> Fields:
        """The questions and the text that answers them."""
        return (pa.field(self.column, ANY), rows.TEXT)

    def adds(self) -> Fields:
        """A retrieval row, and the documents it is made from."""
        return (*PAIR, DOC_IDS)

    def whole(self, table: Table) -> Table:
        """Documents that drop, and then questions, which are true in the column `IS_NEW`.

        Args:
            table: The documents in the order of their ids.
        """
        ids = table.column("id").to_pylist()
        texts = table.column("text").to_pylist()
        asked = [_questions(value) for value in table.column(self.column).to_pylist()]
        answered: dict[str, list[int]] = {}
        for at, questions in enumerate(asked):
            for question in questions:
                answered.setdefault(question, []).append(at)
        queries = sorted(answered)
        alone = [answered[one][0] if len(answered[one]) == 1 else -1 for one in queries]
        positives = [
            [{"id": ids[at], "text": texts[at], "score": None} for at in answered[query]]
            for query in queries
        ]
        doc_ids = [[ids[at] for at in answered[query]] for query in queries]
        made = {
            "id": pa.array(
                [
                    content_id("question", query, *of)
                    for query, of in zip(queries, doc_ids, strict=True)
                ],
                pa.string(),
            ),
            "query": pa.array(queries, pa.string()),
            "positives": pa.array(positives, rows.POSITIVES),
            "negatives": pa.array([[] for _ in queries], rows.NEGATIVES),
            DOC_IDS.name: pa.array(doc_ids, DOC_IDS.type),
        }
        nothing = np.array([not questions for questions in asked], np.bool_)
        dropped = rows.mark_dropped(table, nothing, f"no_{self.column}")
        return with_new(dropped, nothing, np.array(alone, np.int64), made, self.adds())


def _questions(value: Any) -> list[str]:  # noqa: ANN401  (any value of a row)
    listed = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(str(one) for one in listed if one is not None and str(one).strip()))
