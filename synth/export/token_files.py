"""Token ids of windows as files that trainers map into memory, written by datatrove."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.export.encoders import TokenKind
from synth.export.shaped import Shaped, column, counted, shaped
from synth.formats import TokensExport
from synth.inputs.files import Folder

# By bytes of an id: its type in files, and the highest one; Megatron-LM has no unsigned 32 bits.
_TYPES = {2: pa.uint16(), 4: pa.uint32()}
_MOST = {2: 2**16 - 1, 4: 2**31 - 1}


def token_rows(spec: TokensExport, batch: Table) -> Shaped:
    """``input_ids`` of each row; a row without any is left out as ``no_tokens``.

    Raises:
        RecipeError: If an id needs more bytes than `token_bytes`.
    """
    ids = column(batch, spec.column)
    filled = pc.fill_null(pc.greater(pc.list_value_length(ids), 0), fill_value=False)
    has_tokens = filled.to_numpy(zero_copy_only=False)
    dropped, _ = counted({"no_tokens": ~has_tokens})
    row = np.flatnonzero(has_tokens)
    kept = ids.take(pa.array(row))
    highest, lowest = pc.max(kept.flatten()).as_py() or 0, pc.min(kept.flatten()).as_py() or 0
    most = _MOST[spec.token_bytes]
    if highest > most or lowest < 0:
        raise RecipeError(
            f"export {spec.name!r}: the token id {highest if lowest >= 0 else lowest} does not fit "
            f"into {spec.token_bytes} bytes, which hold 0 to {most:,}"
            + ("; say `token_bytes: 4`" if spec.token_bytes == 2 else "")
        )
    table = pa.table({"input_ids": kept.cast(pa.list_(_TYPES[spec.token_bytes]))})
    done = shaped(table, batch, row)
    return Shaped(done.rows, dropped, done.rows_used)


class TokenFile:
    """Writes one file of token ids and the index beside it.

    Args:
        kind: ``bin`` for Megatron-LM, ``ds`` for nanotron.
        folder: Where they are written.
        stem: Their name without an ending.
        schema: One column, of lists of unsigned ids of 16 or 32 bits.
    """

    def __init__(self, kind: TokenKind, folder: Folder, stem: str, schema: pa.Schema) -> None:
        size = schema.field(0).type.value_type.bit_width // 8
        self._is_megatron = kind == "bin"
        self._file = (_megatron if self._is_megatron else _nanotron)(folder, stem, size)

    def write(self, rows: Table) -> None:
        """Appends the windows."""
        for window in column(rows, rows.column_names[0]):
            ids = window.values.to_numpy()
            if self._is_megatron:
                self._file.write(ids)
            else:
                self._file.write_bytes(ids.tobytes())

    def close(self) -> None:
        """Writes the index."""
        self._file.close()


def _megatron(folder: Folder, stem: str, size: int) -> Any:  # noqa: ANN401  (has no types)
    from datatrove.pipeline.tokens.megatron_tokenizer import MegatronTokenizedFile

    return MegatronTokenizedFile((folder.root, folder.fs), stem, token_size=size)


def _nanotron(folder: Folder, stem: str, size: int) -> Any:  # noqa: ANN401  (has no types)
    from datatrove.pipeline.tokens.tokenizer import TokenizedFile

    return TokenizedFile((folder.root, folder.fs), f"{stem}.ds", token_size=size)
