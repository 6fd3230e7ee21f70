"""Rows put in order, as `order_documents` says: between tables and arrays."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.neighbors import Vectors
from synth.algorithms.order_figures import Figures, Spread
from synth.algorithms.ordering import Documents, Ordered, ordered
from synth.algorithms.spans import Spans, places, window_begins
from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import cells
from synth.steps.copies import DUPLICATE_OF, is_number, named, present_texts, visits
from synth.steps.entry_lists import listed
from synth.steps.order_documents import POSITION, WINDOWS, OrderDocuments
from synth.steps.semantic_dedup import DUPLICATE_COSINE
from synth.steps.tokens import token_counts

Index = NDArray[np.int64]

# Places in documents are numbers of 32 bits.
_MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of rows that were put in order.

    Attributes:
        kept: Rows that did not drop.
        windows: Their windows.
        ends: The vectors of the first and the last, shape (2, dim); zero where there is none.
        after: Figures of their order.
        before: Figures of the same rows by their ids.
        searched: How neighbours were searched.
        recall: Share of them that was found.
    """

    kept: int
    windows: int
    ends: Vectors
    after: Figures
    before: Figures
    searched: str
    recall: float


def ordered_rows(step: OrderDocuments, table: Table) -> tuple[Table, Told]:
    """Rows in their order, windows numbered from 0, those that dropped behind them.

    Args:
        step: The step.
        table: The rows in the order of their ids.

    Raises:
        EngineError: If a vector is null, zero or not finite, or the tokenizer cannot be loaded.
        RecipeError: If the column of ``max:`` or of `tokens` does not hold numbers.
    """
    vectors = unit_vectors(step, table)
    texts = pa.nulls(table.num_rows, pa.large_string())
    if step.reads_text:
        texts = present_texts(table, (step.column,))
    tokens = _tokens(step, table, texts)
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
    if step.plans_windows:
        windows = _windows(done, documents.tokens, table.num_rows)
        table = rows.with_column(table, WINDOWS, windows)
    elif WINDOWS.name in table.column_names:
        # What an earlier order planned is not what this one makes.
        table = rows.with_column(table, WINDOWS, pa.nulls(table.num_rows, WINDOWS.type))
    return table, _told(done, vectors[stays])


def _told(done: Ordered, vectors: Vectors) -> Told:
    ends = vectors[[0, -1]] if len(vectors) else np.zeros((2, vectors.shape[1]), np.float32)
    numbers = done.spans.windows if done.spans is not None else np.zeros(0, np.int64)
    windows = int(numbers.max()) + 1 if len(numbers) else 0
    return Told(len(done.order), windows, ends, done.after, done.before, done.searched, done.recall)


def unit_vectors(step: OrderDocuments, table: Table) -> Vectors:
    """The embeddings of rows, of length 1; zeros where there is nothing to embed.

    Raises:
        EngineError: If one is null, zero or not finite, of a row that has text or tokens.
    """
    wanted = _has_content(step, table)
    found = cells.usable_vectors(table.filter(pa.array(wanted)), step.vector)
    units = np.zeros((table.num_rows, found.shape[1]), np.float32)
    units[wanted] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return units


def _has_content(step: OrderDocuments, table: Table) -> NDArray[np.bool_]:
    """Whether rows may stay: those without text or tokens drop, whatever their vectors."""
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
    if not (is_number(column.type) or pa.types.is_decimal(column.type)):
        raise RecipeError(f"tokens: {name} must hold whole numbers, not {column.type}")
    # Nulls make floats of whole numbers in pandas, and are not a number there.
    given = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
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


def _windows(done: Ordered, tokens: Index | None, count: int) -> pa.Array:
    """The windows of each row in order; null in those behind, which dropped."""
    spans = done.spans or Spans(*(np.zeros(0, np.int64) for _ in Spans._fields))
    rank = np.full(len(done.of), -1)
    rank[done.order] = np.arange(len(done.order))
    of = rank[spans.documents]
    place = places(np.diff(window_begins(spans)))
    order = np.lexsort((spans.starts, spans.windows, of))
    fields = list(WINDOWS.type.value_type)
    counted = np.zeros(0, np.int64) if tokens is None else tokens
    values = (spans.windows, place, spans.starts, spans.ends, counted[spans.documents])
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


def facts(step: OrderDocuments, told: Sequence[Told], turned: Sequence[bool]) -> dict[str, str]:
    """What the ledger says of an order made in one or more shards.

    Args:
        step: The step.
        told: Of each shard.
        turned: Whether its order is turned round.
    """
    after = reduce(add, (one.after for one in told))
    # Shards are not cut by id: only where there is one, there is an order by id to compare with.
    compared = [after, told[0].before] if len(told) == 1 else [after]
    meeting = _meeting(told, turned)
    adjacent = [one.adjacent + Spread.of(meeting, np.ones(len(meeting))) for one in compared]
    found = {
        "search": f"{told[0].searched}, recall {min(one.recall for one in told):.3f}",
        "cosine to the document before": _spread(*adjacent),
        # Where shards meet nobody has looked for neighbours.
        "jumps": _share(*((one.jumps + len(meeting), one.documents - 1) for one in compared)),
    }
    if len(told) > 1:
        found["shards"] = f"{len(told):,}"
        found["neighbours and near copies"] = (
            "looked for in each shard; `semantic_dedup` before this step finds copies between them"
        )
    if after.windows:
        each = "" if step.plans_windows or len(told) == 1 else ", of each shard by itself"
        found["windows"] = f"{after.windows:,} of {step.window_tokens:,} tokens at most{each}"
        found["documents in a window"] = f"{after.parts / after.windows:.1f}"
        found["cosine within windows"] = _spread(*(one.within for one in compared))
        found["cosine to the nearest before it in a window"] = _spread(
            *(one.nearest for one in compared)
        )
    if step.words_count:
        found["likeness to the document before, words included"] = _spread(
            *(one.adjacent_by_rule for one in compared)
        )
        found["likeness within windows, words included"] = _spread(
            *(one.within_by_rule for one in compared)
        )
    if after.several and step.source is not None:
        found[f"windows of one {step.source}"] = _share(
            *((one.one_source, one.several) for one in compared)
        )
    return {name: shown for name, shown in found.items() if shown}


def _meeting(told: Sequence[Told], turned: Sequence[bool]) -> NDArray[np.float32]:
    """The cosine of the last document of each shard and the first of the next."""
    ends = [
        one.ends[::-1] if turn else one.ends
        for one, turn in zip(told, turned, strict=True)
        if one.kept
    ]
    found = [np.vdot(before[1], after[0]) for before, after in itertools.pairwise(ends)]
    return np.array(found, np.float32)


def _share(*counts: tuple[int, int]) -> str:
    """How many of how many, after and before; nothing where there are none."""
    told = [f"{number:,} of {of:,} ({number / of:.1%})" for number, of in counts if of > 0]
    return "; by id ".join(told) if len(told) == len(counts) else ""


def _spread(*spreads: Spread) -> str:
    """The mean and deciles, after and before; nothing where there is no pair to compare."""
    told = []
    for one in spreads:
        if one.weights.any():
            deciles = " ".join(f"{one.quantile(tenth / 10):.2f}" for tenth in range(1, 10))
            told.append(f"{one.mean:.3f}, deciles {deciles}")
    return "; by id ".join(told) if len(told) == len(spreads) else ""
