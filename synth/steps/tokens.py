"""Texts as tokens of a named tokenizer."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.core.bundled import BUNDLED, bundled_folder
from synth.core.errors import EngineError, in_one_line
from synth.core.paths import is_folder, user_path

# Texts that are Python lists of numbers at once.
_BLOCK = 1024


class Tokens(NamedTuple):
    """The tokens of several texts, one text behind the other.

    Attributes:
        ids: Of all texts, shape (tokens,).
        counts: Of each text, 0 where there is no text, shape (texts,).
    """

    ids: NDArray[np.int32]
    counts: NDArray[np.int64]


def tokens_of(name: str, texts: pa.Array) -> Tokens:
    """The tokens of each text. Words that read like a special token are read as text.

    Args:
        name: The tokenizer: ``bundled/...``, a Hub id or a path.
        texts: Arrow strings.

    Raises:
        EngineError: If the tokenizer cannot be loaded.
    """
    blocks = list(_blocks(name, texts))
    nothing = np.zeros(0, np.int32)
    return Tokens(
        np.concatenate([nothing, *(block.ids for block in blocks)]),
        np.concatenate([np.zeros(0, np.int64), *(block.counts for block in blocks)]),
    )


def token_counts(name: str, texts: pa.Array) -> NDArray[np.int64]:
    """How many tokens each text has, 0 where there is no text; as `tokens_of`."""
    counts = [block.counts for block in _blocks(name, texts)]
    return np.concatenate([np.zeros(0, np.int64), *counts])


def _blocks(name: str, texts: pa.Array) -> Iterator[Tokens]:
    tokenizer = load_tokenizer(name)
    for at in range(0, len(texts), _BLOCK):
        block = texts.slice(at, _BLOCK)
        there = block.is_valid().to_numpy(zero_copy_only=False)
        counts = np.zeros(len(block), np.int64)
        ids: list[list[int]] = []
        if there.any():
            ids = tokenizer(
                block.drop_null().to_pylist(),
                add_special_tokens=False,
                split_special_tokens=True,
                verbose=False,
            )["input_ids"]
        counts[there] = [len(one) for one in ids]
        parts = [np.array(one, np.int32) for one in ids]
        yield Tokens(np.concatenate([np.zeros(0, np.int32), *parts]), counts)


def load_tokenizer(name: str) -> Any:  # noqa: ANN401  (transformers has no types)
    """The tokenizer of a model, loaded once in each process (some 10 s from a GGUF file).

    Args:
        name: ``bundled/...``, a Hub id or a path; files that have changed are loaded again.

    Raises:
        EngineError: If it cannot be loaded.
    """
    return _loaded(name, _files(name))


def _files(name: str) -> tuple[tuple[str, int, int], ...]:
    """What tells the files of a folder from other versions of them; nothing where it is none."""
    folder = user_path(name)
    if not is_folder(folder):
        return ()
    found = [(path.name, path.stat()) for path in folder.iterdir() if path.is_file()]
    return tuple(sorted((file, told.st_mtime_ns, told.st_size) for file, told in found))


@functools.lru_cache(maxsize=8)
def _loaded(name: str, files: tuple[tuple[str, int, int], ...]) -> Any:  # noqa: ANN401
    from transformers import AutoTokenizer

    folder = bundled_folder(name) if name in BUNDLED else None
    gguf = next(folder.glob("*.gguf"), None) if folder else None
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder or (user_path(name) if files else name),
            **({"gguf_file": gguf.name} if gguf else {}),
        )
    except (OSError, ValueError) as error:
        hint = "; a folder needs the tokenizer.json that `tokenizer.save_pretrained` writes"
        raise EngineError(
            f"no tokenizer could be loaded from {name!r}{hint if files else ''} "
            f"({in_one_line(error)})"
        ) from error
    return tokenizer


def end_of_text(name: str) -> int:
    """The token that joins documents.

    Args:
        name: The tokenizer, as `load_tokenizer` takes it.

    Raises:
        EngineError: If it cannot be loaded or has no such token.
    """
    token: int | None = load_tokenizer(name).eos_token_id
    if token is None:
        raise EngineError(
            f"the tokenizer of {name!r} has no end-of-text token to join documents with; "
            "use that of the model to be trained"
        )
    return token
