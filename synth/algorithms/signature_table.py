"""MinHash signatures in Arrow columns, each cell as `datasketch` serialises it."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.text import Unit

# 128 bits of hash of a normalised text: equal texts are told without their signatures.
TEXT_HASH = pa.field("text_hash", pa.binary(16))
# `datasketch.LeanMinHash.serialize`: the seed, the number of values (negative: a scheme follows),
# the scheme affine32, and what aligns the values; its own byte order is this machine's.
_HEAD = struct.Struct("@qiB3x")
_SEED, _AFFINE32 = 1, 1


def signature_column(num_perm: int, ngram: int, unit: Unit) -> pa.Field:
    """The column of signatures; its name says how they were made, for only such can be compared."""
    width = _HEAD.size + 4 * num_perm
    return pa.field(f"minhash_{unit}{ngram}_{num_perm}", pa.binary(width))


def as_columns(
    hashes: NDArray[np.uint64], signatures: NDArray[np.uint32]
) -> tuple[pa.Array, pa.Array]:
    """Cells of `TEXT_HASH` and of a `signature_column`.

    Args:
        hashes: Shape (texts, 2).
        signatures: Shape (texts, num_perm).
    """
    count, num_perm = signatures.shape
    cells = np.empty((count, _HEAD.size + 4 * num_perm), np.uint8)
    cells[:, : _HEAD.size] = np.frombuffer(_HEAD.pack(_SEED, -num_perm, _AFFINE32), np.uint8)
    cells[:, _HEAD.size :] = np.ascontiguousarray(signatures).view(np.uint8)
    return _binary(np.ascontiguousarray(hashes).view(np.uint8)), _binary(cells)


def as_arrays(
    hashes: pa.ChunkedArray, signatures: pa.ChunkedArray
) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Hashes, shape (texts, 2), and signatures, shape (texts, num_perm), read from their cells."""
    values = _bytes(signatures)[:, _HEAD.size :]
    return _bytes(hashes).view(np.uint64), np.ascontiguousarray(values).view(np.uint32)


def _binary(cells: NDArray[np.uint8]) -> pa.Array:
    kind = pa.binary(cells.shape[1])
    return pa.FixedSizeBinaryArray.from_buffers(
        kind, len(cells), [None, pa.py_buffer(np.ascontiguousarray(cells))]
    )


def _bytes(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """Shape (cells, bytes of each)."""
    width = column.type.byte_width
    parts = [
        np.frombuffer(chunk.buffers()[1], np.uint8)[
            chunk.offset * width : (chunk.offset + len(chunk)) * width
        ].reshape(-1, width)
        for chunk in column.chunks
        if len(chunk)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, width), np.uint8)
