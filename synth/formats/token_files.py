"""Files of token ids, which trainers of language models map into memory."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa

from synth.core.step import Column, Fields
from synth.formats.base import Export


class TokensExport(Export):
    """The windows of `pack` one behind the other, as a trainer of language models reads them.

    Each split is one file of token ids, whatever `shard_rows`, and an index beside it that tells
    where windows end. Trainers cut samples every so many tokens, whatever the index says: a sample
    is a window where `pack` has ``fill: true``, and the trainer a sequence length of
    `window_tokens` (Megatron-LM) or one less (nanotron, which reads one token more). `datasets`
    opens no such file, so that a recipe has another export before this one.

    Attributes:
        trainer: ``megatron`` gets ``<split>.bin`` and ``<split>.idx`` (Megatron-LM, NeMo),
            ``nanotron`` ``<split>.ds`` and ``<split>.ds.index`` (nanotron, datatrove).
        column: The token ids.
        token_bytes: Bytes of a token id: 2 are enough for ids below 65,536.

    Source:
        Written by the package datatrove.
    """

    format: Literal["tokens"] = "tokens"
    trainer: Literal["megatron", "nanotron"]
    column: Column = "input_ids"
    token_bytes: Literal[2, 4] = 2

    def needs(self) -> Fields:
        """The token ids."""
        return (pa.field(self.column, pa.list_(pa.int32())),)

    def configs(self) -> tuple[str, ...]:
        """None: only a trainer reads the files."""
        return ()
