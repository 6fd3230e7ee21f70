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
    if POSITION.name not in table.column_names:
        return 0
    places = table.column(POSITION.name)
    last = pc.max(places).as_py()
    return 0 if last is None else last + 1 - pc.count(places).as_py()


def planned_spans(table: Table, counts: Index, window_tokens: int) -> Spans:
    """The windows of a plan that fits.

    Args:
        table: The documents' ids and windows.
        counts: Tokens of each document, shape (documents,).
        window_tokens: Tokens of a window, at most.

    Raises:
        RecipeError: If the plan is for other tokens or larger windows.
    """
    spans, counted = _planned(table)
    other = np.flatnonzero(counted != counts[spans.documents])
    if len(other):
        at = int(spans.documents[other[0]])
        raise RecipeError(
            f"windows were planned for {counted[other[0]]:,} tokens of row "
            f"{table.column('id')[at].as_py()!r}, which has {counts[at]:,}; give pack and "
            "order_documents the same `tokenizer` and `column`, or count with that in `tokens`"
        )
    most = int(np.bincount(spans.windows, spans.tokens + 1).max(initial=1)) - 1
    if most > window_tokens:
        raise RecipeError(
            f"windows of {most} tokens were planned, but `window_tokens` is {window_tokens}; give "
            "pack and order_documents the same"
        )
    return spans


def _planned(table: Table) -> tuple[Spans, Index]:
    """The windows that `order_documents` has planned, and of how many tokens each part's document.

    Args:
        table: Documents; indices of documents are those of its rows.
    """
    lists = table.column(WINDOWS.name).combine_chunks()
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    documents = np.repeat(np.arange(table.num_rows), sizes)
    entries = pc.list_flatten(lists)
    number, place, start, end, counted = (
        pc.struct_field(entries, field.name).to_numpy(zero_copy_only=False).astype(np.int64)
        for field in WINDOWS.type.value_type
    )
    order = np.lexsort((place, number))
    return Spans(number[order], documents[order], start[order], end[order]), counted[order]
