"""Pair documents that share a label, and documents that share none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt

from synth.algorithms.aspects import aspect_partners
from synth.core import rows
from synth.core.ids import content_id, derive_seed, unit_interval
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps import cells
from synth.steps.born import DOC_IDS, with_new
from synth.steps.generate import ANY
from synth.steps.made import PAIR
from synth.steps.whole import OneTaskStep

FOLD = pa.field("source_id", pa.string())


class AspectPairs(OneTaskStep):
    """Make one retrieval row of each document that has a partner: it is the query.

    Positives are documents with which it shares a label, negatives labelled documents with which it
    shares none. Each pair of documents comes once, in whatever order. Documents in no pair drop:
    as ``no_<label>``, ``no_text``, or ``no_partner``.

    Documents are dealt to `folds` by their ids and paired within their fold only. Its name is the
    row's `source_id`, which splits go by: no document is in two splits.

    Attributes:
        label: The column with the label of an aspect, or with a list of labels.
        max_documents: Labels that more documents have make no positives: they say little.
        most: Positives of a row at most.
        negative_ratio: Negatives for each positive, over all rows.
        folds: Into how many parts documents are dealt.
        seed: Draws folds and partners.

    Source:
        Specialized document embeddings (arXiv:2203.14541): tasks, methods and datasets of papers,
        labels of at most 100 papers, half as many negatives as positives.
    """

    makes_rows: ClassVar[bool] = True

    kind: Literal["aspect_pairs"] = "aspect_pairs"
    label: Column
    max_documents: PositiveInt = 100
    most: PositiveInt = 10
    negative_ratio: NonNegativeFloat = 0.5
    folds: PositiveInt = 1
    seed: NonNegativeInt = 0

    def needs(self) -> Fields:
        """The text and its labels."""
        return (rows.TEXT, pa.field(self.label, ANY))

    def adds(self) -> Fields:
        """A retrieval row, the documents it is made from, and its fold."""
        return (*PAIR, DOC_IDS, FOLD)

    def whole(self, table: Table) -> Table:
        """Documents in no pair, and then rows, which are true in the column `IS_NEW`.

        Args:
            table: The documents in the order of their ids.
        """
        texts, ids = cells.texts(table, "text"), table.column("id").to_pylist()
        labels = [_labels(value) for value in table.column(self.label).to_pylist()]
        usable = [own if text else frozenset() for own, text in zip(labels, texts, strict=True)]
        made: dict[str, list[Any]] = {name: [] for name in ("id", *(f.name for f in self.adds()))}
        parent: list[int] = []
        paired: set[int] = set()
        for fold, members in sorted(self._dealt(ids).items()):
            draw = Random(derive_seed(self.seed, "aspects", fold))
            found = aspect_partners(
                [usable[at] for at in members],
                self.max_documents,
                self.most,
                self.negative_ratio,
                draw,
            )
            for at, alike, unlike in zip(members, found.alike, found.unlike, strict=True):
                if not alike:
                    continue
                good, bad = ([members[one] for one in side] for side in (alike, unlike))
                doc_ids = [ids[one] for one in (at, *good, *bad)]
                paired.update((at, *good, *bad))
                parent.append(at)
                made["id"].append(content_id("aspects", *doc_ids))
                made["query"].append(texts[at])
                made["positives"].append(_entries(good, ids, texts))
                made["negatives"].append(_entries(bad, ids, texts, origin="aspect"))
                made[DOC_IDS.name].append(doc_ids)
                made[FOLD.name].append(f"fold-{fold}")
        kinds = {"id": pa.string(), **{field.name: field.type for field in self.adds()}}
        columns = {name: pa.array(values, kinds[name]) for name, values in made.items()}
        out = cells.without(table, "text", texts)
        out = rows.mark_dropped(out, [not own for own in labels], f"no_{self.label}")
        alone = np.array([at not in paired for at in range(len(ids))], np.bool_)
        out = rows.mark_dropped(out, alone, "no_partner")
        return with_new(out, alone, np.array(parent, np.int64), columns, self.adds())

    def _dealt(self, ids: Sequence[str]) -> dict[int, list[int]]:
        folds = defaultdict(list)
        for at, row_id in enumerate(ids):
            folds[int(unit_interval("fold", self.seed, row_id) * self.folds)].append(at)
        return folds


def _labels(value: Any) -> frozenset[str]:  # noqa: ANN401  (any value of a row)
    listed = value if isinstance(value, list) else [value]
    return frozenset(str(one) for one in listed if one is not None and str(one).strip())


def _entries(
    at: Sequence[int], ids: Sequence[str], texts: Sequence[str | None], **more: str
) -> list[cells.Entry]:
    return [{"id": ids[one], "text": texts[one], "score": None, **more} for one in at]
