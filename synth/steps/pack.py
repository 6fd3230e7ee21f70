"""Fill training windows of a fixed number of tokens with documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt

from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps.generate import ANY
from synth.steps.order_documents import POSITION, OrderDocuments
from synth.steps.tasks import Here
from synth.steps.whole import OneTaskStep, in_one_task

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.algorithms.spans import Spans

NUMBERS, DOC_IDS = pa.list_(pa.int32()), pa.list_(pa.string())
# More documents are not brought together in one process.
_IN_ONE_TASK = 100_000
_OVERFLOW_IS_PLANNED = (
    "order_documents has planned these windows; set `overflow` there and leave it out here"
)


class Pack(OneTaskStep):
    """Make one row of each window of `window_tokens` tokens, filled with documents.

    Where `order_documents` has planned windows, these are filled. Otherwise documents follow each
    other in the order of its `position`, else of `order_by`, else of their ids, and go on in the
    next window where they do not fit into what is left of one. The documents of a window are joined
    by the tokenizer's end-of-text token; a decoded text cannot tell it from the same word in a
    document, tokens and spans can. Without `fill` nothing is padded: windows may be short, none is
    longer.

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
        order_by: A column of numbers or texts by which documents follow each other, the lowest
            first and those without one last, where `order_documents` has not put them in order.
        shuffle: Whether windows come in random order: documents of a window belong together,
            windows that follow each other in training should not.
        seed: Draws that order.
        output: ``tokens`` are written, the decoded ``text``, or ``both``.
        fill: Whether every window is filled up to `window_tokens` with end-of-text tokens behind
            its last document, for trainers that want all of one length. They belong to no document,
            and the decoded text does not have them.

    Source:
        In-Context Pretraining (arXiv:2310.10638) packs its ordered documents into 8192 tokens.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers")
    makes_rows: ClassVar[bool] = True

    kind: Literal["pack"] = "pack"
    column: Column = "text"
    tokenizer: str
    window_tokens: Annotated[int, Field(ge=2)]
    overflow: Literal["split", "truncate", "own_window", "drop"] | None = None
    order_by: Column | None = None
    shuffle: bool = True
    seed: NonNegativeInt = 0
    output: Literal["tokens", "text", "both"] = "both"
    fill: bool = False

    def needs(self) -> Fields:
        """The documents' text, and what puts them in order."""
        order = () if self.order_by is None else (pa.field(self.order_by, ANY),)
        return (pa.field(self.column, pa.string()), *order)

    def adds(self) -> Fields:
        """The window's text, tokens and place, and where in it each document starts and ends.

        A document's tokens are ``input_ids[start:end]``, with the `starts` and `ends` at its place
        in `doc_ids`; `offsets` has how many tokens of the document stand before these, in other
        windows.
        """
        ids = () if self.output == "text" else (pa.field("input_ids", NUMBERS),)
        return (
            pa.field(self.column, pa.string()),
            *ids,
            pa.field("doc_ids", DOC_IDS),
            pa.field("starts", NUMBERS),
            pa.field("ends", NUMBERS),
            pa.field("offsets", NUMBERS),
            POSITION,
        )

    def problem_with(self, order: OrderDocuments) -> str | None:
        """Why this step cannot pack what another one has put in order; None where it can."""
        if self.order_by is not None:
            return "order_documents has put documents in order; leave `order_by` out"
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

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows; the documents of many stay apart, and only what windows need of them meets."""
        if dataset.count() <= _IN_ONE_TASK:
            return in_one_task(self, dataset, tables)
        from synth.steps.copies_on_ray import as_dataset
        from synth.steps.pack_rows import packed_blocks
        from synth.steps.ray_tasks import RayTasks

        return as_dataset(packed_blocks(self, dataset.to_arrow_refs(), RayTasks()))

    def whole(self, table: Table) -> Table:
        """Dropped documents and then windows, which are true in the column `IS_NEW`.

        Args:
            table: The rows in the order of their ids.

        Raises:
            EngineError: If the tokenizer cannot be loaded or has no end-of-text token.
            SourceError: If two rows have one id.
            RecipeError: If windows were planned for other tokens or another `window_tokens`.
        """
        from synth.steps.pack_rows import packed_blocks

        return pa.concat_tables(packed_blocks(self, [table], Here()))

    def spans(self, table: Table, counts: NDArray[np.int64]) -> Spans:
        """The windows that were planned, or those that documents make in their order.

        Args:
            table: The documents' ids, and their windows where these were planned.
            counts: Tokens of each document, shape (documents,).

        Raises:
            RecipeError: If the plan does not fit.
        """
        from synth.algorithms.spans import packed
        from synth.steps.window_plan import is_planned, planned_spans

        if not is_planned(table):
            order = np.arange(table.num_rows)
            return packed(order, counts, self.window_tokens, self.overflow or "split")
        if self.overflow is not None:
            raise RecipeError(_OVERFLOW_IS_PLANNED)
        return planned_spans(table, counts, self.window_tokens)
