"""Fill training windows of a fixed number of tokens with documents."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from synth.algorithms.packing import Window, pack
from synth.core import rows
from synth.core.bundled import BUNDLED, bundled_folder
from synth.core.errors import EngineError
from synth.core.ids import content_id
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps import cells
from synth.steps.order_documents import POSITION
from synth.steps.whole import IS_NEW, OneTaskStep


class Pack(OneTaskStep):
    """Make one row of each window of `window_tokens` tokens, filled with documents in their order.

    Documents stand in the order of `position` where the rows have one, else of their ids, joined by
    the tokenizer's end-of-text token. No token is lost or padded; the last window may be short.
    Documents without text drop as ``no_text``. Columns that belong to one document are null.

    Attributes:
        column: The documents' text, and then that of the window, decoded.
        tokenizer: ``bundled/...``, a Hub id or a path. Words in a text that read like a special
            token are read as text.
        window_tokens: Tokens of a window.
        overflow: What becomes of a document that does not fit into a window: ``split`` goes on
            with it in the next one.

    Source:
        In-Context Pretraining (arXiv:2310.10638) packs its ordered documents into 8192 tokens.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers", "tokenizers")

    kind: Literal["pack"] = "pack"
    column: Column = "text"
    tokenizer: str
    window_tokens: Annotated[int, Field(ge=2)]
    overflow: Literal["split"] = "split"

    def needs(self) -> Fields:
        """The documents' text."""
        return (pa.field(self.column, pa.string()),)

    def adds(self) -> Fields:
        """The window's text, tokens and place, and where in it each document starts and ends.

        A document's tokens are ``input_ids[start:end]``, with the `starts` and `ends` at its place
        in `doc_ids`.
        """
        numbers = pa.list_(pa.int32())
        return (
            pa.field(self.column, pa.string()),
            pa.field("input_ids", numbers),
            pa.field("doc_ids", pa.list_(pa.string())),
            pa.field("starts", numbers),
            pa.field("ends", numbers),
            POSITION,
        )

    def whole(self, table: Table) -> Table:
        """Dropped documents and then windows, which are true in the column `IS_NEW`.

        Args:
            table: The rows in the order of their ids.

        Raises:
            EngineError: If the tokenizer cannot be loaded or has no end-of-text token.
        """
        if "position" in table.column_names:
            table = table.sort_by([("position", "ascending"), ("id", "ascending")])
        texts = cells.texts(table, self.column)
        tokenizer = load_tokenizer(self.tokenizer)
        tokens = _tokens(tokenizer, texts)
        at = [at for at, found in enumerate(tokens) if found]
        windows = pack([tokens[at] for at in at], self.window_tokens, tokenizer.eos_token_id)
        ids = table.column("id").take(pa.array(at, pa.int64())).to_pylist()
        schema = rows.with_fields(table.schema, [*self.adds(), IS_NEW])
        empty = [not found for found in tokens]
        dropped = rows.mark_dropped(table, empty, "no_text").filter(pa.array(empty, pa.bool_()))
        made = [
            self._values(window, ids, tokenizer) | {POSITION.name: number}
            for number, window in enumerate(windows)
        ]
        return pa.concat_tables([_filled(dropped, schema), pa.Table.from_pylist(made, schema)])

    def _values(self, window: Window, ids: list[str], tokenizer: Any) -> dict[str, Any]:  # noqa: ANN401
        text = tokenizer.decode(window.tokens.tolist(), clean_up_tokenization_spaces=False)
        parts = [part for span in window.spans for part in (ids[span.document], span.offset)]
        return {
            "id": content_id("window", text, *parts),
            self.column: text,
            "input_ids": window.tokens,
            "doc_ids": [ids[span.document] for span in window.spans],
            "starts": [span.start for span in window.spans],
            "ends": [span.end for span in window.spans],
            IS_NEW.name: True,
        }


def _filled(dropped: Table, schema: rows.Schema) -> Table:
    """The dropped rows with every column of `schema`: not new, and null where they have none."""
    for field in schema:
        if field.name not in dropped.column_names:
            values = pa.nulls(dropped.num_rows, field.type)
            dropped = rows.with_column(dropped, field, values)
    fresh = pa.array(np.zeros(dropped.num_rows, np.bool_))
    return rows.with_column(dropped, IS_NEW, fresh).select(schema.names).cast(schema)


def _tokens(tokenizer: Any, texts: Sequence[str | None]) -> list[list[int]]:  # noqa: ANN401
    """The token ids of each text, none where there is no text."""
    present = [text for text in texts if text is not None]
    if not present:
        return [[] for _ in texts]
    encoded = iter(
        tokenizer(present, add_special_tokens=False, split_special_tokens=True, verbose=False)[
            "input_ids"
        ]
    )
    return [[] if text is None else next(encoded) for text in texts]


@functools.cache
def load_tokenizer(name: str) -> Any:  # noqa: ANN401  (transformers has no types)
    """The tokenizer of a model, loaded once in each process (some 10 s from a GGUF file).

    Args:
        name: ``bundled/...``, a Hub id or a path.

    Raises:
        EngineError: If it cannot be loaded or has no end-of-text token.
    """
    from transformers import AutoTokenizer

    folder = bundled_folder(name) if name in BUNDLED else None
    gguf = next(folder.glob("*.gguf"), None) if folder else None
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder or name, **({"gguf_file": gguf.name} if gguf else {})
        )
    except (OSError, ValueError) as error:
        raise EngineError(f"pack: no tokenizer could be loaded from {name!r}: {error}") from error
    if tokenizer.eos_token_id is None:
        raise EngineError(
            f"pack: the tokenizer of {name!r} has no end-of-text token to join documents with; "
            "use that of the model to be trained"
        )
    return tokenizer
