"""The rows that answers become: columns filled, list entries appended, or new rows made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.core import rows
from synth.core.ids import canonical_json, content_id
from synth.core.prompt import Prompt
from synth.core.rows import Table
from synth.core.step import Fields
from synth.steps.ask import NOT_FOR_TASK, Answer, ModelCard

EDITS = pa.field("edits", rows.EDITS)
POSITIVES = pa.field("positives", rows.POSITIVES)
NEGATIVES = pa.field("negatives", rows.NEGATIVES)
# The model that gave all scores of a row's positives and negatives; null where it is not one.
SCORED_BY = pa.field("scored_by", pa.string())
# What of a reply becomes a part of a retrieval row; the rest has columns of its own.
OF_A_PAIR = ("query", "positive", "negative")
PAIR = (pa.field("query", pa.string()), POSITIVES, NEGATIVES)


@dataclass(frozen=True, slots=True)
class Made:
    """A generate step's output.

    Attributes:
        rows: Input rows that go on or are dropped, and new rows.
        is_new: Which of `rows` are new, shape (rows,).
    """

    rows: Table
    is_new: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Maker:
    """What every row made by one step shares.

    Attributes:
        step: The step's name.
        prompt: The prompt file.
        cards: The models, by name.
        keep_failed: Whether a row without a good reply goes on instead of being dropped.
        fuse: Whether new scores are fused with those that entries have.
    """

    step: str
    prompt: Prompt
    cards: Mapping[str, ModelCard]
    keep_failed: bool
    fuse: bool = False

    def provenance(self, answer: Answer) -> dict[str, Any]:
        """Who made what `answer` holds, as the `provenance` column has it."""
        return {
            "step": self.step,
            "model": self.cards[answer.ask.model].label,
            "prompt": self.prompt.name,
            "prompt_sha": self.prompt.sha,
            "seed": answer.ask.seed,
            "axes": canonical_json(answer.ask.axes).decode(),
        }

    def scored_by(self, answer: Answer) -> str | None:
        """The model that gives all scores of a row; none where they are two opinions."""
        return None if self.fuse else self.cards[answer.ask.model].label

    def drawn(self, answer: Answer) -> dict[str, str]:
        """The columns that hold what was drawn for `answer`."""
        return {
            column: answer.ask.axes[axis] for column, axis in self.prompt.head.axes_into.items()
        }


def first_text(value: Any) -> str:  # noqa: ANN401  (any value of a row)
    """The text of a column: itself, or that of its first entry for positives and negatives."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        return str(value[0]["text"]) if isinstance(value[0], dict) else str(value[0])
    return ""


def filled_rows(batch: Table, answers: Sequence[Answer], maker: Maker, adds: Fields) -> Made:
    """The same rows, with replies in their columns or appended to their lists."""
    makes = maker.prompt.head.makes
    reasons: list[str | None] = []
    columns: dict[str, list[Any]] = {field.name: listed_before(batch, field) for field in adds}
    for at, group in _by_row(answers):
        good = [answer for answer in group if answer.parsed.failure is None]
        reasons.append(None if good or maker.keep_failed else group[0].parsed.failure)
        if good:
            edits = [maker.provenance(answer) for answer in good]
            columns["edits"][at] = [*(columns["edits"][at] or []), *edits]
        if makes in ("positives", "negatives"):
            entries = [entry for answer in good for entry in _entries(answer, makes, maker)]
            columns[makes][at] = [*(columns[makes][at] or []), *entries]
        elif good:
            for name, value in (good[0].parsed.items[0] | maker.drawn(good[0])).items():
                columns[name][at] = value
    rows_out = batch
    for field in adds:
        rows_out = rows.with_column(rows_out, field, pa.array(columns[field.name], field.type))
    rows_out = rows.with_column(rows_out, rows.DROP_REASON, reasons)
    return Made(rows_out, np.zeros(batch.num_rows, np.bool_))


def listed_before(batch: Table, field: rows.Field) -> list[Any]:
    """The lists that rows have in a column, None for each where there is no such column."""
    if field.name in batch.column_names and pa.types.is_list(field.type):
        return list(batch.column(field.name).to_pylist())
    return [None] * batch.num_rows


def _by_row(answers: Sequence[Answer]) -> Iterator[tuple[int, list[Answer]]]:
    for at, group in groupby(answers, key=lambda answer: answer.ask.row):
        yield at, list(group)


def _entries(answer: Answer, makes: str, maker: Maker) -> Iterator[dict[str, Any]]:
    for item in answer.parsed.items:
        text = item["text"]
        yield _negative(text, answer, maker) if makes == "negatives" else _entry(text)


def _entry(text: str) -> dict[str, Any]:
    return {"id": content_id("text", text), "text": text, "score": None}


def _negative(text: str, answer: Answer, maker: Maker) -> dict[str, Any]:
    label = maker.cards[answer.ask.model].label
    return _entry(text) | {"rank": None, "origin": f"generated:{label}"}


@dataclass(frozen=True, slots=True)
class _Parent:
    """What a new row takes from the row that it is made from."""

    at: int
    id: str
    source_id: str
    text: str | None


@dataclass(frozen=True, slots=True)
class _NewRow:
    parent: int
    values: dict[str, Any]


def new_rows(
    batch: Table,
    answers: Sequence[Answer],
    maker: Maker,
    adds: Fields,
    keep_inputs: bool,  # noqa: FBT001
) -> Made:
    """One new row for each item of each reply, beside or instead of the rows they come from.

    An input row whose replies all failed is dropped with the first reason; where another of its
    replies was good, or where inputs are kept, the failed reply is a dropped row of its own. A row
    that is kept and was not asked about, its task being another, just goes on.
    """
    parents = _parents(batch)
    reasons: list[str | None] = [None] * len(parents)
    carried: list[int] = []
    fresh: list[_NewRow] = []
    for at, group in _by_row(answers):
        good = [answer for answer in group if answer.parsed.failure is None]
        lost = not good and not keep_inputs
        if lost and not maker.keep_failed:
            reasons[at] = group[0].parsed.failure
        if lost or keep_inputs:
            carried.append(at)
        for answer in [] if lost or group[0].ask.failure == NOT_FOR_TASK else group:
            fresh.extend(_NewRow(at, values) for values in _values(answer, parents[at], maker))
    return _assemble(batch, adds, carried, reasons, fresh)


def _values(answer: Answer, parent: _Parent, maker: Maker) -> Iterator[dict[str, Any]]:
    seed, parsed = answer.ask.seed, answer.parsed
    lineage = {
        "parent_id": parent.id,
        "source_id": parent.source_id,
        "provenance": maker.provenance(answer),
    }
    if parsed.failure is not None:
        row_id = content_id(parent.id, "failed", seed)
        yield {"id": row_id, "drop_reason": parsed.failure, **lineage}
    for number, item in enumerate(parsed.items):
        row_id = content_id(parent.id, seed, number, canonical_json(item).decode())
        values = _pair(item, parent, answer, maker) if maker.prompt.head.makes == "pairs" else item
        yield {"id": row_id, "drop_reason": None, **lineage, **maker.drawn(answer), **values}


def _pair(item: Mapping[str, Any], parent: _Parent, answer: Answer, maker: Maker) -> dict[str, Any]:
    """A retrieval row: its positive is the reply's own, or else the text of the row it is from."""
    written, false = item.get("positive"), item.get("negative")
    positive = (
        {"id": parent.id, "text": parent.text, "score": None}
        if written is None
        else _entry(written)
    )
    return {
        "query": item["query"],
        "positives": [positive],
        "negatives": [] if false is None else [_negative(false, answer, maker)],
        **{column: value for column, value in item.items() if column not in OF_A_PAIR},
    }


def _parents(batch: Table) -> list[_Parent]:
    ids = batch.column("id").to_pylist()
    named = batch.column_names
    sources = batch.column("source_id").to_pylist() if "source_id" in named else ids
    texts = batch.column("text").to_pylist() if "text" in named else [None] * len(ids)
    return [
        _Parent(at, row_id, source or row_id, text)
        for at, (row_id, source, text) in enumerate(zip(ids, sources, texts, strict=True))
    ]


def _assemble(
    batch: Table, adds: Fields, carried: list[int], reasons: list[str | None], fresh: list[_NewRow]
) -> Made:
    wide = batch
    for field in adds:
        if field.name not in wide.column_names:
            wide = rows.with_column(wide, field, pa.nulls(wide.num_rows, field.type))
    schema = wide.schema
    inputs = wide.take(pa.array(carried, pa.int64()))
    inputs = rows.with_column(inputs, rows.DROP_REASON, [reasons[at] for at in carried])
    born = wide.take(pa.array([row.parent for row in fresh], pa.int64()))
    own = {field.name for field in adds} | {"id", "drop_reason"}
    for field in schema:
        if field.name in own:
            values = [row.values.get(field.name) for row in fresh]
            born = rows.with_column(born, field, pa.array(values, field.type))
    is_new = np.arange(inputs.num_rows + born.num_rows) >= inputs.num_rows
    return Made(pa.concat_tables([inputs, born.select(schema.names)]), is_new)
