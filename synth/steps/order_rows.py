"""Rows put in order, as `order_documents` says: between tables and arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.neighbors import Vectors
from synth.algorithms.ordering import Documents, Ordered, ordered
from synth.algorithms.spans import Spans, places, window_begins
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import cells
from synth.steps.copies import DUPLICATE_OF, named, present_texts, visits
from synth.steps.entry_lists import listed
from synth.steps.order_documents import POSITION, WINDOWS, OrderDocuments, is_count
from synth.steps.order_facts import Told
from synth.steps.semantic_dedup import DUPLICATE_COSINE
from synth.steps.tokens import token_counts

Index = NDArray[np.int64]

# Places in documents are numbers of 32 bits.
_MOST_TOKENS = 2**31 - 1


def ordered_rows(step: OrderDocuments, table: Table) -> tuple[Table, Told]:
    """Rows in their order, windows numbered from 0, those that dropped behind them.

    Args:
        step: The step.
        table: The rows in the order of their ids.

    Raises:
        EngineError: If a vector is null, zero or not finite, or the tokenizer cannot be loaded.
        RecipeError: If the column of ``max:`` or of `tokens` does not hold numbers.
    """
    texts = pa.nulls(table.num_rows, pa.large_string())
    if step.reads_text:
        texts = present_texts(table, (step.column,))
    tokens = _tokens(step, table, texts)
    vectors = unit_vectors(step, table, None if tokens is None else tokens > 0)
    if tokens is not None:
        reason = "no_text" if step.tokens is None else "no_tokens"
        table = rows.mark_dropped(table, tokens == 0, reason)
        if step.plans_windows and step.overflow == "drop":
            table = rows.mark_dropped(table, tokens > (step.window_tokens or 0), "too_long")
    at = np.flatnonzero(table.column("drop_reason").is_null().to_numpy())
    live, own = table.take(pa.array(at)), texts.take(pa.array(at))
    documents = Documents(
        vectors[at],
        visits(live, own, step.keep),
        None if tokens is None else tokens[at],
        _codes(step, live),
        own,
    )
    done = ordered(documents, step.rule)
    stays = at[done.order]
    dropped = np.setdiff1d(np.arange(table.num_rows), stays)
    table = _with_copies(step, table, at, done)
    table = table.take(pa.array(np.concatenate([stays, dropped])))
    if done.spans is not None and documents.tokens is not None:
        windows = _windows(done, done.spans, documents.tokens, table.num_rows)
        table = rows.with_column(table, WINDOWS, windows)
    elif WINDOWS in list(table.schema):
        # What an earlier order planned is not what this one makes.
        table = rows.with_column(table, WINDOWS, pa.nulls(table.num_rows, WINDOWS.type))
    return table, _told(done, vectors[stays])


def _told(done: Ordered, vectors: Vectors) -> Told:
    ends = vectors[[0, -1]] if len(vectors) else np.zeros((2, vectors.shape[1]), np.float32)
    numbers = done.spans.windows if done.spans is not None else np.zeros(0, np.int64)
    windows = int(numbers.max()) + 1 if len(numbers) else 0
    return Told(len(done.order), windows, ends, done.after, done.before, done.searched, done.recall)


def unit_vectors(
    step: OrderDocuments, table: Table, wanted: NDArray[np.bool_] | None = None
) -> Vectors:
    """The embeddings of rows, of length 1; zeros where none is wanted.

    Args:
        step: The step.
        table: The rows.
        wanted: Which rows do not drop for want of tokens, whatever their vectors, shape (rows,); by
            default those with text, or by the column of `tokens`.

    Raises:
        EngineError: If one that is wanted is null, zero or not finite.
    """
    wanted = _has_content(step, table) if wanted is None else wanted
    # No more than is looked at: a filter copies whatever else rows have.
    known = table.select(["id", step.vector])
    found = cells.usable_vectors(known.filter(pa.array(wanted)), step.vector)
    units = np.zeros((table.num_rows, found.shape[1]), np.float32)
    units[wanted] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return units


def _has_content(step: OrderDocuments, table: Table) -> NDArray[np.bool_]:
    if step.tokenizer is not None:
        there = present_texts(table, (step.column,)).is_valid()
        return np.asarray(there.to_numpy(zero_copy_only=False), np.bool_)
    if step.tokens is not None:
        return _tokens_of(step.tokens, table) > 0
    return np.ones(table.num_rows, np.bool_)


def _tokens(step: OrderDocuments, table: Table, texts: pa.Array) -> Index | None:
    """Tokens of each row, None where windows do not matter."""
    if step.tokenizer is not None:
        return token_counts(step.tokenizer, texts)
    return None if step.tokens is None else _tokens_of(step.tokens, table)


def _tokens_of(name: str, table: Table) -> Index:
    """What a column says of the tokens of each row, 0 where it says nothing."""
    column = table.column(name)
    if not is_count(column.type):
        raise RecipeError(f"tokens: {name} must hold whole numbers, not {column.type}")
    # Nulls make floats of whole numbers in pandas, and are not a number there.
    given = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    found = np.nan_to_num(given, nan=0.0)
    wrong = (found < 0) | (found != np.floor(found)) | (found > _MOST_TOKENS)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise RecipeError(
            f"row {table.column('id')[at].as_py()!r} has {column[at].as_py()} in "
            f"`tokens: {name}`; a number of tokens is whole, 0 or more and at most "
            f"{_MOST_TOKENS:,}"
        )
    counts: Index = found.astype(np.int64)
    return counts


def _codes(step: OrderDocuments, table: Table) -> Index | None:
    """A number for the source of each row."""
    if step.source is None:
        return None
    column = table.column(step.source).combine_chunks()
    if pa.types.is_nested(column.type):
        raise RecipeError(
            f"source: {step.source} holds lists or records; name a column of texts or numbers"
        )
    codes = column.dictionary_encode("encode").indices
    return np.asarray(codes.to_numpy(zero_copy_only=False), np.int64)


def _with_copies(step: OrderDocuments, table: Table, at: Index, done: Ordered) -> Table:
    """The rows, those of `at` that repeat another marked."""
    if step.dedup_cosine is None:
        return table
    of, cosine = np.full(table.num_rows, -1), np.zeros(table.num_rows, np.float32)
    repeats = done.of >= 0
    of[at[repeats]], cosine[at] = at[done.of[repeats]], done.cosine
    ids = table.column("id").combine_chunks()
    table = rows.with_column(table, DUPLICATE_OF, named(ids, of))
    values = pa.array(cosine, pa.float32(), mask=of < 0)
    table = rows.with_column(table, DUPLICATE_COSINE, values)
    return rows.mark_dropped(table, of >= 0, "semantic_copy")


def _windows(done: Ordered, spans: Spans, tokens: Index, count: int) -> pa.Array:
    """The windows of each row in order; null in those behind, which dropped."""
    rank = np.full(len(done.of), -1)
    rank[done.order] = np.arange(len(done.order))
    of = rank[spans.documents]
    place = places(np.diff(window_begins(spans)))
    order = np.lexsort((spans.starts, spans.windows, of))
    fields = list(WINDOWS.type.value_type)
    values = (spans.windows, place, spans.starts, spans.ends, tokens[spans.documents])
    entries = pa.StructArray.from_arrays(
        [pa.array(one[order], field.type) for one, field in zip(values, fields, strict=True)],
        fields=fields,
    )
    sizes = np.bincount(of, minlength=count)
    lists = listed(entries, sizes, WINDOWS.type)
    return pc.if_else(pa.array(np.arange(count) < len(done.order)), lists, None)


def moved(table: Table, kept: int, position: int, window: int, *, turned: bool) -> Table:
    """Ordered rows as they stand among those of other shards.

    Args:
        table: Rows in order from position and window 0; those that dropped come last.
        kept: How many did not drop.
        position: The place of the first.
        window: The number of the first window.
        turned: Whether the order is turned round.
    """
    if turned:
        back = np.append(np.arange(kept)[::-1], np.arange(kept, table.num_rows))
        table = table.take(pa.array(back))
    place = np.arange(table.num_rows)
    table = rows.with_column(table, POSITION, pa.array(position + place, mask=place >= kept))
    if WINDOWS.name not in table.column_names or not window:
        return table
    lists = table.column(WINDOWS.name).combine_chunks()
    entries = pc.list_flatten(lists)
    fields = list(WINDOWS.type.value_type)
    parts = [pc.struct_field(entries, field.name) for field in fields]
    parts[0] = pc.add(parts[0], window)
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    shifted = listed(pa.StructArray.from_arrays(parts, fields=fields), sizes, WINDOWS.type)
    return rows.with_column(table, WINDOWS, pc.if_else(lists.is_valid(), shifted, None))
