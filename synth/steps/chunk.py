"""Cut documents into chunks that know what stands around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
from pydantic import NonNegativeInt, PositiveInt, model_validator

from synth.algorithms.chunks import chunk_spans
from synth.algorithms.sentences import Span, Unit
from synth.core import rows
from synth.core.ids import content_id, derive_seed
from synth.core.rows import Table
from synth.core.step import Column, CorpusStep, Fields
from synth.steps import cells
from synth.steps.born import LINEAGE, lineage, with_new
from synth.steps.tokens import token_counts

if TYPE_CHECKING:
    from ray.data import Dataset

CONTEXT = pa.field("context", pa.string())
CHUNK_NUMBER = pa.field("chunk_number", pa.int64())
OFFSETS = tuple(
    pa.field(name, pa.int64())
    for name in ("chunk_start", "chunk_end", "context_start", "context_end")
)
NEIGHBOURS = pa.field("neighbours", rows.NEGATIVES)


class _Made(NamedTuple):
    """A chunk of one document.

    Attributes:
        id: From the document, its place there and its text.
        text: Itself.
        span: Where it is in the document.
        context: Where its group of chunks is.
        others: Places of chunks of other groups.
    """

    id: str
    text: str
    span: Span
    context: Span
    others: list[int]


class Chunk(CorpusStep):
    """Make one row of each chunk of a document, with the text around it and chunks from elsewhere.

    A chunk ends where a sentence or a paragraph does; what is longer than a chunk is cut at finer
    ends. `context` is the text of `group` consecutive chunks that it is one of, and
    `neighbours` are chunks of the same document outside of these, drawn at random: negatives
    that share names and subject with the chunk and not its place. Offsets count characters of the
    document. Documents without text drop as ``no_<column>``.

    Attributes:
        column: The document's text, and then that of the chunk.
        size: Length of a chunk at most; a single longer word is a chunk of its own.
        overlap: Length of the end of a chunk that the next one repeats, at most.
        unit: What lengths are measured in.
        tokenizer: ``bundled/...``, a Hub id or a path, for ``unit: tokens``.
        at: What is kept whole wherever it fits.
        group: Consecutive chunks that are each other's context.
        neighbours: Chunks of other groups that are listed at most.
        seed: Draws the neighbours.

    Source:
        SitEmb (arXiv:2508.01959): 200 tokens, 16 chunks, 10 negatives from elsewhere in the book.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers")
    makes_rows: ClassVar[bool] = True

    kind: Literal["chunk"] = "chunk"
    column: Column = "text"
    size: PositiveInt = 200
    overlap: NonNegativeInt = 0
    unit: Literal["words", "tokens"] = "words"
    tokenizer: str | None = None
    at: Unit = "sentence"
    group: PositiveInt = 16
    neighbours: NonNegativeInt = 10
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _can_measure(self) -> Self:
        if self.overlap >= self.size:
            raise ValueError(f"overlap={self.overlap} must be below size={self.size}")
        if (self.unit == "tokens") != (self.tokenizer is not None):
            raise ValueError("`unit: tokens` needs a `tokenizer`, and `unit: words` has no use for")
        return self

    def needs(self) -> Fields:
        """The documents' text."""
        return (pa.field(self.column, pa.string()),)

    def adds(self) -> Fields:
        """The chunk, its place, what is around it, and where it comes from."""
        text = pa.field(self.column, pa.string())
        return (text, CHUNK_NUMBER, *OFFSETS, CONTEXT, NEIGHBOURS, *LINEAGE)

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:  # noqa: ARG002
        """All rows; each document is cut wherever it is."""
        return dataset.map_batches(_chunked, fn_args=(self,), batch_format="pyarrow")

    def whole(self, table: Table) -> Table:
        """Documents that drop, and then chunks, which are true in the column `IS_NEW`.

        Args:
            table: The rows in any order.

        Raises:
            EngineError: If the tokenizer cannot be loaded.
        """
        texts = cells.texts(table, self.column)
        ids = table.column("id").to_pylist()
        documents = [
            self._chunks(row_id, text) if text else []
            for row_id, text in zip(ids, texts, strict=True)
        ]
        parent = np.repeat(np.arange(len(ids)), [len(chunks) for chunks in documents])
        every = [chunk for chunks in documents for chunk in chunks]
        neighbours = [_entries(chunks, one.others) for chunks in documents for one in chunks]
        numbers = [number for chunks in documents for number in range(len(chunks))]
        offsets = [(*one.span, *one.context) for one in every]
        contexts = [
            str(texts[at])[slice(*one.context)] for at, one in zip(parent, every, strict=True)
        ]
        made = {
            "id": pa.array([one.id for one in every], pa.string()),
            self.column: pa.array([one.text for one in every], pa.string()),
            CHUNK_NUMBER.name: pa.array(numbers, pa.int64()),
            CONTEXT.name: pa.array(contexts, pa.string()),
            NEIGHBOURS.name: pa.array(neighbours, rows.NEGATIVES),
            **lineage(table, parent),
        }
        for field, values in zip(OFFSETS, np.reshape(offsets, (-1, 4)).T, strict=True):
            made[field.name] = pa.array(np.asarray(values, np.int64))
        nothing = np.array([not chunks for chunks in documents], np.bool_)
        dropped = rows.mark_dropped(table, nothing, f"no_{self.column}")
        return with_new(dropped, nothing, parent, made, self.adds())

    def _chunks(self, row_id: str, text: str) -> list[_Made]:
        spans = chunk_spans(text, self.at, self.size, self.overlap, self._lengths)
        found = []
        for number, (begin, end) in enumerate(spans):
            # The last group may be short; it takes in what stands before it.
            first = max(0, min(number // self.group * self.group, len(spans) - self.group))
            behind = min(first + self.group, len(spans))
            chunk_id = content_id("chunk", row_id, number, text[begin:end])
            elsewhere = [*range(first), *range(behind, len(spans))]
            count = min(self.neighbours, len(elsewhere))
            others = sorted(Random(derive_seed(self.seed, chunk_id)).sample(elsewhere, count))
            context = (spans[first][0], spans[behind - 1][1])
            found.append(_Made(chunk_id, text[begin:end], (begin, end), context, others))
        return found

    def _lengths(self, pieces: Sequence[str]) -> Sequence[int]:
        if self.tokenizer is None:
            return [len(piece.split()) for piece in pieces]
        # A tokenizer counts the space before a word as part of it.
        spaced = pa.array([f" {piece}" for piece in pieces], pa.string())
        return [int(count) for count in token_counts(self.tokenizer, spaced)]


def _chunked(table: Table, step: Chunk) -> Table:
    return step.whole(table)


def _entries(chunks: Sequence[_Made], others: Sequence[int]) -> list[cells.Entry]:
    return [{"id": chunks[at].id, "text": chunks[at].text, "origin": "neighbour"} for at in others]
