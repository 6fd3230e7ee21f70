"""Turn classified texts into retrieval rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Literal

import pyarrow as pa
from pydantic import NonNegativeInt, PositiveInt

from synth.core import rows
from synth.core.ids import derive_seed
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps import cells
from synth.steps.generate import ANY
from synth.steps.made import NEGATIVES, PAIR, POSITIVES
from synth.steps.whole import OneTaskStep

CLASS_ID = pa.field("class_id", pa.string())
# How often a text of another label is looked for before the row goes short.
_TRIES = 20


class LabelPairs(OneTaskStep):
    """Make each text the query of its row: texts of its label are positives, others negatives.

    What is drawn depends on the row's id and on the texts that there are. `class_id` has the label
    as a column of its own and not in the text, so that a trainer can mask negatives of one class
    within a batch. No positive or negative is equal to the query, and none comes twice; a row may
    be short of negatives.

    Rows drop as ``no_<column>``, ``no_<label>``, or ``only_one_of_<label>`` where no other text has
    its label.

    Attributes:
        column: The text.
        label: Its class.
        positives: Positives of a row at most.
        negatives: Negatives of a row at most.
        seed: Another seed draws others.

    Source:
        Example-based classification rows of QZhou-Embedding (arXiv:2508.21632).
    """

    kind: Literal["label_pairs"] = "label_pairs"
    column: Column = "text"
    label: Column = "label"
    positives: PositiveInt = 1
    negatives: NonNegativeInt = 4
    seed: NonNegativeInt = 0

    def needs(self) -> Fields:
        """The text and its class."""
        return (pa.field(self.column, pa.string()), pa.field(self.label, ANY))

    def adds(self) -> Fields:
        """A retrieval row, and the class."""
        return (*PAIR, CLASS_ID)

    def whole(self, table: Table) -> Table:
        """The same rows, each with texts of its own label and of others.

        Args:
            table: The rows in the order of their ids.
        """
        ids, texts = table.column("id").to_pylist(), cells.texts(table, self.column)
        given = table.column(self.label).to_pylist()
        labels = [None if one is None else str(one) for one in given]
        members: dict[str, list[int]] = defaultdict(list)
        for at, label in enumerate(labels):
            if label is not None and texts[at] is not None:
                members[label].append(at)
        usable = [at for own in members.values() for at in own]
        positives: list[list[cells.Entry]] = []
        negatives: list[list[cells.Entry]] = []
        for row_id, text, label in zip(ids, texts, labels, strict=True):
            draw = Random(derive_seed(self.seed, "label_pairs", row_id))
            own = members.get(label or "", []) if text is not None else []
            same = _drawn(own, self.positives, texts, {text}, draw)
            kin = {texts[at] for at in own} | {text}
            other = _drawn(usable, self.negatives, texts, kin, draw) if own else []
            positives.append([_entry(at, ids, texts) for at in same])
            negatives.append([_entry(at, ids, texts) | {"origin": "label"} for at in other])
        out = rows.with_column(table, PAIR[0], pa.array(texts, pa.string()))
        out = cells.with_entries(out, POSITIVES, positives)
        out = cells.with_entries(out, NEGATIVES, negatives)
        out = rows.with_column(out, CLASS_ID, pa.array(labels, pa.string()))
        out = cells.without(out, self.column, texts)
        out = rows.mark_dropped(out, [label is None for label in labels], f"no_{self.label}")
        alone = [not own for own in positives]
        return rows.mark_dropped(out, alone, f"only_one_of_{self.label}")


def _drawn(
    among: Sequence[int],
    count: int,
    texts: Sequence[str | None],
    banned: set[str | None],
    draw: Random,
) -> list[int]:
    """Some rows with texts that are not banned and differ from each other."""
    found: dict[str | None, int] = {}
    if len(among) <= _TRIES * max(1, count):
        order = draw.sample(among, len(among))
    else:
        order = [draw.choice(among) for _ in range(_TRIES * count)]
    for at in order:
        if len(found) == count:
            break
        if texts[at] not in banned:
            found.setdefault(texts[at], at)
    return list(found.values())


def _entry(at: int, ids: Sequence[str], texts: Sequence[str | None]) -> cells.Entry:
    return {"id": ids[at], "text": texts[at], "score": None}
