"""Fill training windows of a fixed number of tokens with documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.ids import content_id
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps import cells
from synth.steps.copies import present_texts
from synth.steps.entry_lists import begins, listed
from synth.steps.order_documents import POSITION, WINDOWS, OrderDocuments
from synth.steps.tokens import load_tokenizer, tokens_of
from synth.steps.whole import IS_NEW, OneTaskStep, with_facts

if TYPE_CHECKING:
    from synth.algorithms.packing import Windows
    from synth.algorithms.spans import Spans

_NUMBERS = pa.list_(pa.int32())
_DOC_IDS = pa.list_(pa.string())
# Windows that become rows at once: offsets of 32 bits end at 2 billion tokens.
_BLOCK = 16_384

Index = NDArray[np.int64]


class Pack(OneTaskStep):
    """Make one row of each window of `window_tokens` tokens, filled with documents.

    Where `order_documents` has planned windows, these are filled. Otherwise documents follow each
    other in the order of `position`, or of their ids where there is none, and go on in the next
    window where they do not fit into what is left of one. The documents of a window are joined by
    the tokenizer's end-of-text token. Nothing is padded: windows may be short, none is longer.

    Documents without text drop as ``no_text``, those left out as ``too_long`` or, by the plan, as
    ``not_planned``. Columns that belong to one document are null.

    Attributes:
        column: The documents' text, and then that of the window, decoded.
        tokenizer: ``bundled/...``, a Hub id or a path. Words in a text that read like a special
            token are read as text.
        window_tokens: Tokens of a window at most.
        overflow: What becomes of a document longer than a window: ``split`` (by default) goes on
            with it in other windows, ``truncate`` leaves out what is too much, ``own_window`` gives
            it windows that it shares with no other, ``drop`` leaves it out. Where windows are
            planned, `order_documents` has its own.
        shuffle: Whether windows come in random order: documents of a window belong together,
            windows that follow each other in training should not.
        seed: Draws that order.
        output: ``tokens`` are written, the decoded ``text``, or ``both``.

    Source:
        In-Context Pretraining (arXiv:2310.10638) packs its ordered documents into 8192 tokens.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers")

    kind: Literal["pack"] = "pack"
    column: Column = "text"
    tokenizer: str
    window_tokens: Annotated[int, Field(ge=2)]
    overflow: Literal["split", "truncate", "own_window", "drop"] | None = None
    shuffle: bool = True
    seed: NonNegativeInt = 0
    output: Literal["tokens", "text", "both"] = "both"

    def needs(self) -> Fields:
        """The documents' text."""
        return (pa.field(self.column, pa.string()),)

    def adds(self) -> Fields:
        """The window's text, tokens and place, and where in it each document starts and ends.

        A document's tokens are ``input_ids[start:end]``, with the `starts` and `ends` at its place
        in `doc_ids`.
        """
        ids = () if self.output == "text" else (pa.field("input_ids", _NUMBERS),)
        return (
            pa.field(self.column, pa.string()),
            *ids,
            pa.field("doc_ids", _DOC_IDS),
            pa.field("starts", _NUMBERS),
            pa.field("ends", _NUMBERS),
            POSITION,
        )

    def problem_with(self, order: OrderDocuments) -> str | None:
        """Why this step cannot fill the windows that another one plans; None where it can."""
        if not order.plans_windows:
            return None
        if self.overflow is not None:
            return _OVERFLOW_IS_PLANNED
        counted = order.tokenizer is not None
        for name in ("window_tokens", *(("tokenizer", "column") if counted else ())):
            mine, planned = getattr(self, name), getattr(order, name)
            if mine != planned:
                return (
                    f"`{name}` is {mine!r}, but order_documents plans windows with {planned!r}; "
                    "give both steps the same"
                )
        return None

    def whole(self, table: Table) -> Table:
        """Dropped documents and then windows, which are true in the column `IS_NEW`.

        Args:
            table: The rows in the order of their ids.

        Raises:
            EngineError: If the tokenizer cannot be loaded or has no end-of-text token.
            SourceError: If two rows have one id.
            RecipeError: If windows were planned for other tokens or another `window_tokens`.
        """
        from synth.algorithms.packing import filled, shuffled

        cells.check_ids(table)
        if POSITION.name in table.column_names:
            table = table.sort_by([(POSITION.name, "ascending"), ("id", "ascending")])
        tokens = tokens_of(self.tokenizer, present_texts(table, (self.column,)))
        spans = self._spans(table, tokens.counts)
        spans = shuffled(spans, self.seed) if self.shuffle else spans
        of_document = np.cumsum(tokens.counts) - tokens.counts
        separator = load_tokenizer(self.tokenizer).eos_token_id
        windows = filled(spans, tokens.ids, of_document, separator)
        schema = rows.with_fields(table.schema, [*self.adds(), IS_NEW])
        made = self._rows(windows, spans, table.column("id").combine_chunks(), schema)
        dropped = self._dropped(table, spans, tokens.counts)
        out = pa.concat_tables([_with_columns(dropped, schema), *made])
        return with_facts(out, _facts(windows, spans, tokens.counts, self.window_tokens))

    def _spans(self, table: Table, counts: Index) -> Spans:
        """The windows that were planned, or those that documents make in their order.

        Raises:
            RecipeError: If the plan does not fit.
        """
        from synth.algorithms.spans import packed

        if not _is_planned(table):
            order = np.arange(table.num_rows)
            return packed(order, counts, self.window_tokens, self.overflow or "split")
        if self.overflow is not None:
            raise RecipeError(_OVERFLOW_IS_PLANNED)
        spans = _planned(table)
        beyond = np.flatnonzero(spans.ends > counts[spans.documents])
        if len(beyond):
            row = table.column("id")[int(spans.documents[beyond[0]])].as_py()
            raise RecipeError(
                f"windows were planned for more tokens than row {row!r} has; give pack and "
                "order_documents the same `tokenizer` and `column`"
            )
        loads = np.bincount(spans.windows, spans.tokens + 1) - 1 if len(spans.windows) else counts
        if len(loads) and loads.max() > self.window_tokens:
            raise RecipeError(
                f"windows of {int(loads.max())} tokens were planned, but `window_tokens` is "
                f"{self.window_tokens}; give pack and order_documents the same"
            )
        return spans

    def _dropped(self, table: Table, spans: Spans, counts: Index) -> Table:
        """The documents that stand in no window, with the reason."""
        stands = np.zeros(table.num_rows, np.bool_)
        stands[spans.documents] = True
        table = rows.mark_dropped(table, counts == 0, "no_text")
        left_out = "not_planned" if _is_planned(table) else "too_long"
        table = rows.mark_dropped(table, ~stands, left_out)
        return table.filter(pa.array(~stands))

    def _rows(
        self, windows: Windows, spans: Spans, ids: pa.Array, schema: rows.Schema
    ) -> Iterator[Table]:
        """The windows as rows."""
        count = len(windows.begins) - 1
        for at in range(0, count, _BLOCK):
            end = min(count, at + _BLOCK)
            tokens = slice(windows.begins[at], windows.begins[end])
            parts = slice(windows.parts[at], windows.parts[end])
            sizes = np.diff(windows.begins[at : end + 1])
            counts = np.diff(windows.parts[at : end + 1])
            starts = windows.starts[parts]
            named = ids.take(pa.array(spans.documents[parts])).cast(pa.string())
            input_ids = listed(pa.array(windows.ids[tokens]), sizes, _NUMBERS)
            made = {
                "id": self._ids(input_ids, listed(named, counts, _DOC_IDS), spans.starts[parts]),
                "doc_ids": listed(named, counts, _DOC_IDS),
                "starts": listed(pa.array(starts, pa.int32()), counts, _NUMBERS),
                "ends": listed(
                    pa.array(starts + spans.tokens[parts], pa.int32()), counts, _NUMBERS
                ),
                POSITION.name: pa.array(np.arange(at, end)),
                IS_NEW.name: pa.array(np.ones(end - at, np.bool_)),
            }
            if self.output != "tokens":
                made[self.column] = self._texts(input_ids)
            if self.output != "text":
                made["input_ids"] = input_ids
            columns = [
                made[field.name].cast(field.type)
                if field.name in made
                else pa.nulls(end - at, field.type)
                for field in schema
            ]
            yield pa.Table.from_arrays(columns, schema=schema)

    def _texts(self, input_ids: pa.Array) -> pa.Array:
        tokenizer = load_tokenizer(self.tokenizer)
        return pa.array(
            [
                tokenizer.decode(one.as_py(), clean_up_tokenization_spaces=False)
                for one in input_ids
            ],
            pa.string(),
        )

    def _ids(self, input_ids: pa.Array, doc_ids: pa.Array, starts: Index) -> pa.Array:
        """An id of each window from its tokens and the places they come from."""
        found, part = [], 0
        for one, documents in zip(input_ids, doc_ids, strict=True):
            tokens = hashlib.blake2b(one.values.to_numpy().tobytes(), digest_size=16).hexdigest()
            named = documents.as_py()
            offsets = starts[part : part + len(named)].tolist()
            part += len(named)
            of = [word for pair in zip(named, offsets, strict=True) for word in pair]
            found.append(content_id("window", tokens, *of))
        return pa.array(found, pa.string())


_OVERFLOW_IS_PLANNED = (
    "order_documents has planned these windows; set `overflow` there and leave it out here"
)


def _is_planned(table: Table) -> bool:
    """Whether rows say in which windows they stand."""
    at = table.schema.get_field_index(WINDOWS.name)
    if at < 0 or table.schema.field(at).type != WINDOWS.type:
        return False
    return bool(table.column(at).null_count < table.num_rows)


def _planned(table: Table) -> Spans:
    """The windows that `order_documents` has planned."""
    from synth.algorithms.spans import Spans

    lists = table.column(WINDOWS.name).combine_chunks()
    documents = np.repeat(np.arange(table.num_rows), np.diff(begins(lists)))
    entries = pc.list_flatten(lists)
    number, place, start, end = (
        pc.struct_field(entries, field.name).to_numpy(zero_copy_only=False).astype(np.int64)
        for field in WINDOWS.type.value_type
    )
    order = np.lexsort((place, number))
    return Spans(number[order], documents[order], start[order], end[order])


def _with_columns(dropped: Table, schema: rows.Schema) -> Table:
    """The dropped rows with every column of `schema`: not new, and null where they have none."""
    for field in schema:
        if field.name not in dropped.column_names:
            values = pa.nulls(dropped.num_rows, field.type)
            dropped = rows.with_column(dropped, field, values)
    fresh = pa.array(np.zeros(dropped.num_rows, np.bool_))
    return rows.with_column(dropped, IS_NEW, fresh).select(schema.names).cast(schema)


def _facts(windows: Windows, spans: Spans, counts: Index, size: int) -> dict[str, str]:
    """What the ledger says of the windows."""
    count, tokens, packed = len(windows.begins) - 1, int(counts.sum()), int(spans.tokens.sum())
    if not count:
        return {}
    parts = np.bincount(spans.documents, minlength=len(counts))
    found = {
        "tokens in windows": f"{len(windows.ids) / (count * size):.1%} of {count:,} x {size:,}",
        "documents in a window": f"{len(spans.documents) / count:.1f}",
        "documents cut": f"{int((parts > 1).sum()):,} of {int((parts > 0).sum()):,}",
    }
    if packed < tokens:
        found["tokens left out"] = f"{tokens - packed:,} of {tokens:,}"
    return found
