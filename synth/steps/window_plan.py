"""The windows that `order_documents` has planned, as `pack` reads them."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from synth.algorithms.kernel import Index
from synth.algorithms.spans import Spans
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps.order_documents import POSITION, WINDOWS


def is_planned(table: Table) -> bool:
    """Whether rows say in which windows they stand."""
    at = table.schema.get_field_index(WINDOWS.name)
    if at < 0 or table.schema.field(at).type != WINDOWS.type:
        return False
    return bool(table.column(at).null_count < table.num_rows)


def missing(table: Table) -> int:
    """Documents of a plan that are not among its rows, but for those behind the last that is."""
    places = table.column(POSITION.name) if POSITION.name in table.column_names else None
    if places is None or not places.null_count < len(places):
        return 0
    return int(pc.max(places).as_py()) + 1 - int(pc.count(places).as_py())


def planned_spans(table: Table, counts: Index, window_tokens: int) -> Spans:
    """The windows of a plan that fits.

    Args:
        table: The documents' ids and windows.
        counts: Tokens of each document, shape (documents,).
        window_tokens: Tokens of a window, at most.

    Raises:
        RecipeError: If the plan is for other tokens or larger windows.
    """
    spans = _planned(table)
    ids = table.column("id")
    beyond = np.flatnonzero(spans.ends > counts[spans.documents])
    if len(beyond):
        row = ids[int(spans.documents[beyond[0]])].as_py()
        raise RecipeError(
            f"windows were planned for more tokens than row {row!r} has; give pack and "
            "order_documents the same `tokenizer` and `column`"
        )
    if (part := _first_short(spans, counts, window_tokens)) is not None:
        at = int(spans.documents[part])
        raise RecipeError(
            f"windows were planned for {spans.ends[part]:,} tokens of row {ids[at].as_py()!r}, "
            f"which has {counts[at]:,}: the rest would be lost; give pack and order_documents the "
            "same `tokenizer` and `column`"
        )
    most = int(np.bincount(spans.windows, spans.tokens + 1).max(initial=1)) - 1
    if most > window_tokens:
        raise RecipeError(
            f"windows of {most} tokens were planned, but `window_tokens` is {window_tokens}; give "
            "pack and order_documents the same"
        )
    return spans


def _planned(table: Table) -> Spans:
    """The windows that `order_documents` has planned, of documents in the order of the rows."""
    lists = table.column(WINDOWS.name).combine_chunks()
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    documents = np.repeat(np.arange(table.num_rows), sizes)
    entries = pc.list_flatten(lists)
    number, place, start, end = (
        pc.struct_field(entries, field.name).to_numpy(zero_copy_only=False).astype(np.int64)
        for field in WINDOWS.type.value_type
    )
    order = np.lexsort((place, number))
    return Spans(number[order], documents[order], start[order], end[order])


def _first_short(spans: Spans, counts: Index, window_tokens: int) -> int | None:
    """The first part of a plan that leaves out the rest of its document; None if there is none.

    Parts that end with their window may: so do those of ``knn``; and documents that were cut to the
    length of a window.

    Args:
        spans: The windows that were planned.
        counts: Tokens of each document, shape (documents,).
        window_tokens: Tokens of a window.
    """
    reached = np.zeros(len(counts), np.int64)
    np.maximum.at(reached, spans.documents, spans.ends)
    ends_short = (spans.ends == reached[spans.documents]) & (spans.ends < counts[spans.documents])
    in_between = np.append(spans.windows[1:] == spans.windows[:-1], np.False_)[: len(spans.windows)]
    short = np.flatnonzero(ends_short & in_between & (spans.ends != window_tokens))
    return int(short[0]) if len(short) else None
