"""Windows of documents' tokens as rows, put together by functions of blocks of documents.

Documents stay where they are: what comes together of each is its id, its number of tokens and its
windows, by which it is known where every token goes. Then each block leaves the tokens that each
chunk of windows needs, and each chunk is filled.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.packing import Windows, filled, shuffled
from synth.algorithms.spans import Spans, distinct_tokens, window_begins
from synth.core import rows
from synth.core.ids import content_id
from synth.core.rows import Schema, Table
from synth.steps import cells
from synth.steps.copies import present_texts
from synth.steps.entry_lists import listed
from synth.steps.order_documents import POSITION, WINDOWS
from synth.steps.pack import DOC_IDS, NUMBERS
from synth.steps.tasks import Tasks, Value
from synth.steps.tokens import Tokens, end_of_text, load_tokenizer, tokens_of
from synth.steps.whole import IS_NEW, by_id, with_facts
from synth.steps.window_plan import is_planned, missing

if TYPE_CHECKING:
    from synth.steps.pack import Pack

Index = NDArray[np.int64]

# Tokens of a chunk, about; offsets of 32 bits end at 2 billion.
_CHUNK_TOKENS = 2**26
_COUNT, _ROW = "_tokens", "_row"


class Chunk(NamedTuple):
    """Some of the windows.

    Attributes:
        first: The number of the first.
        windows: The window of each part, from 0, shape (parts,).
        tokens: Of each part.
        offsets: Tokens of its document before it.
        ids: Of its document.
        came: The place of each part among all parts as blocks leave them.
    """

    first: int
    windows: Index
    tokens: Index
    offsets: Index
    ids: pa.Array
    came: Index


class _Plan(NamedTuple):
    """Where every token goes.

    Attributes:
        table: The documents as they follow each other, with their row among those of all blocks.
        spans: The windows.
        bounds: The first row of each block, and the number of all.
        facts: What the ledger says of the windows; any table of them may be the only one.
    """

    table: Table
    spans: Spans
    bounds: Index
    facts: dict[str, str]


def packed_blocks(step: Pack, blocks: Sequence[Value], tasks: Tasks) -> list[Value]:
    """Tables of dropped documents and of windows, or promises of them.

    Args:
        step: The step.
        blocks: Tables of documents, or promises of them.
        tasks: Where the work is done.
    """
    counted = [tasks.run(_counted, step, block, returns=2) for block in blocks]
    told: list[Table] = tasks.get([one[1] for one in counted])
    sizes = [one.num_rows for one in told]
    table = pa.concat_tables(told).append_column(_ROW, [np.arange(sum(sizes))])
    table = by_id(table)
    cells.check_ids(table)
    by = POSITION.name if step.order_by is None else step.order_by
    if by != "id" and by in table.column_names:
        table = table.sort_by([(by, "ascending"), ("id", "ascending")])
    counts = table.column(_COUNT).to_numpy()
    spans = step.spans(table, counts)
    spans = shuffled(spans, step.seed) if step.shuffle else spans
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    row = table.column(_ROW).to_numpy()
    stands = np.zeros(len(row), np.bool_)
    stands[row[spans.documents]] = True
    left_out = "not_planned" if is_planned(table) else "too_long"
    shown = facts(spans, counts, step.window_tokens)
    if is_planned(table) and (lost := missing(table)):
        shown["planned documents that are missing"] = f"{lost:,} or more: a step has dropped them"
    plan = _Plan(table, spans, bounds, shown)
    dropped = [
        tasks.run(_dropped, step, block, one[1], stands[begin:end], left_out, plan.facts)
        for block, one, (begin, end) in zip(
            blocks, counted, itertools.pairwise(bounds), strict=True
        )
    ]
    tokens = [one[0] for one in counted]
    return [*dropped, *_windows(step, plan, tokens, blocks[0], tasks)]


def _counted(step: Pack, table: Table) -> tuple[Tokens, Table]:
    """The tokens of a block, and what must be known of each of its documents."""
    end_of_text(step.tokenizer)  # before the work, if there is none
    tokens = tokens_of(step.tokenizer, present_texts(table, (step.column,)))
    wanted = dict.fromkeys(("id", POSITION.name, WINDOWS.name, step.order_by or "id"))
    names = [name for name in wanted if name in table.column_names]
    known = table.select(names).append_column(_COUNT, [tokens.counts])
    return tokens, known.replace_schema_metadata(None)


def _dropped(
    step: Pack,
    table: Table,
    known: Table,
    stands: NDArray[np.bool_],
    left_out: str,
    told: dict[str, str],
) -> Table:
    """The documents of a block that stand in no window, with the columns of windows, null."""
    schema = _schema(step, table)
    table = rows.mark_dropped(table, known.column(_COUNT).to_numpy() == 0, "no_text")
    table = rows.mark_dropped(table, ~stands, left_out).filter(pa.array(~stands))
    for field in schema:
        if field.name not in table.column_names:
            table = rows.with_column(table, field, pa.nulls(table.num_rows, field.type))
    fresh = pa.array(np.zeros(table.num_rows, np.bool_))
    table = rows.with_column(table, IS_NEW, fresh).select(schema.names).cast(schema)
    return with_facts(table, told)


def _schema(step: Pack, table: Table) -> Schema:
    fields = [*step.adds(), IS_NEW]
    return rows.with_fields(table.schema.remove_metadata(), fields)


def _windows(
    step: Pack, plan: _Plan, tokens: Sequence[Value], block: Value, tasks: Tasks
) -> list[Value]:
    """The rows of each chunk of windows."""
    spans, bounds = plan.spans, plan.bounds
    if not len(spans.windows):
        return []
    size = 1 + _CHUNK_TOKENS // step.window_tokens
    chunks = 1 + int(spans.windows[-1]) // size
    row = plan.table.column(_ROW).to_numpy()[spans.documents]
    of_block = np.searchsorted(bounds, row, side="right") - 1
    ends = np.searchsorted(spans.windows, size * np.arange(chunks + 1))
    left = []
    for number, one in enumerate(tokens):
        parts = np.flatnonzero(of_block == number)
        where = Spans(
            spans.windows[parts],
            row[parts] - bounds[number],
            *(column[parts] for column in spans[2:]),
        )
        left.append(tasks.run(_left, one, where, np.searchsorted(parts, ends), returns=chunks))
    made = []
    ids = plan.table.column("id").combine_chunks()
    for number, (begin, end) in enumerate(itertools.pairwise(ends.tolist())):
        own = slice(begin, end)
        chunk = Chunk(
            number * size,
            spans.windows[own] - number * size,
            spans.tokens[own],
            spans.starts[own],
            ids.take(pa.array(spans.documents[own])),
            np.argsort(np.argsort(of_block[own], kind="stable")),
        )
        pieces = [one[number] for one in left]
        made.append(tasks.run(_rows, step, block, chunk, plan.facts, *pieces))
    return made


def _left(tokens: Tokens, where: Spans, ends: Index) -> list[NDArray[np.int32]]:
    """The tokens of a block that each chunk needs, part by part."""
    begins = np.cumsum(tokens.counts) - tokens.counts
    starts = begins[where.documents] + where.starts
    sizes = where.tokens
    found = []
    for begin, end in itertools.pairwise(ends.tolist()):
        own = slice(begin, end)
        at = np.repeat(starts[own] - np.cumsum(sizes[own]) + sizes[own], sizes[own])
        found.append(tokens.ids[at + np.arange(len(at))])
    return found


def _rows(
    step: Pack,
    block: Table,
    chunk: Chunk,
    told: dict[str, str],
    *pieces: NDArray[np.int32],
) -> Table:
    """The windows of a chunk as rows with the columns of a block."""
    sizes = np.empty(len(chunk.tokens), np.int64)
    sizes[chunk.came] = chunk.tokens
    begins = (np.cumsum(sizes) - sizes)[chunk.came]
    parts = np.arange(len(chunk.tokens))
    spans = Spans(chunk.windows, parts, np.zeros(len(parts), np.int64), chunk.tokens)
    tokenizer, separator = load_tokenizer(step.tokenizer), end_of_text(step.tokenizer)
    size = step.window_tokens if step.fill else None
    windows = filled(spans, np.concatenate(pieces), begins, separator, size)
    count, counts = len(windows.begins) - 1, np.diff(windows.parts)
    input_ids = listed(pa.array(windows.ids), np.diff(windows.begins), NUMBERS)
    ends = windows.starts + chunk.tokens
    made = {
        "id": _ids(windows, chunk),
        "doc_ids": listed(chunk.ids.cast(pa.string()), counts, DOC_IDS),
        "starts": listed(pa.array(windows.starts, pa.int32()), counts, NUMBERS),
        "ends": listed(pa.array(ends, pa.int32()), counts, NUMBERS),
        "offsets": listed(pa.array(chunk.offsets, pa.int32()), counts, NUMBERS),
        POSITION.name: pa.array(np.arange(chunk.first, chunk.first + count)),
        IS_NEW.name: pa.array(np.ones(count, np.bool_)),
    }
    if step.output != "tokens":
        behind = ends[windows.parts[1:] - 1]
        texts = [
            tokenizer.decode(one.as_py()[:end], clean_up_tokenization_spaces=False)
            for one, end in zip(input_ids, behind.tolist(), strict=True)
        ]
        made[step.column] = pa.array(texts, pa.string())
    if step.output != "text":
        made["input_ids"] = input_ids
    schema = _schema(step, block)
    columns = [
        made[field.name].cast(field.type) if field.name in made else pa.nulls(count, field.type)
        for field in schema
    ]
    return with_facts(pa.Table.from_arrays(columns, schema=schema), told)


def _ids(windows: Windows, chunk: Chunk) -> pa.Array:
    """An id of each window from its tokens and the places that they come from."""
    named, offsets = chunk.ids.to_pylist(), chunk.offsets.tolist()
    found = []
    for window, (begin, end) in enumerate(itertools.pairwise(windows.parts.tolist())):
        tokens = windows.ids[windows.begins[window] : windows.begins[window + 1]].tobytes()
        digest = hashlib.blake2b(tokens, digest_size=16).hexdigest()
        of = zip(named[begin:end], offsets[begin:end], strict=True)
        found.append(content_id("window", digest, *itertools.chain.from_iterable(of)))
    return pa.array(found, pa.string())


def facts(spans: Spans, counts: Index, size: int) -> dict[str, str]:
    """What the ledger says of windows.

    Args:
        spans: The windows.
        counts: Tokens of each document.
        size: Most tokens of a window.
    """
    if not len(spans.windows):
        return {}
    windows, packed = len(window_begins(spans)) - 1, int(spans.tokens.sum())
    held = packed + len(spans.windows) - windows
    parts = np.bincount(spans.documents)
    found = {
        "tokens in windows": f"{held / (windows * size):.1%} of {windows:,} x {size:,}",
        "documents in a window": f"{len(spans.windows) / windows:.1f}",
        "documents in several windows": f"{int((parts > 1).sum()):,} of {int((parts > 0).sum()):,}",
    }
    once, tokens = distinct_tokens(spans), int(counts.sum())
    if once < packed:
        found["tokens repeated"] = f"{packed - once:,} of {packed:,}"
    if once < tokens:
        found["tokens left out"] = f"{tokens - once:,} of {tokens:,}"
    return found
