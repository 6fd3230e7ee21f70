"""Normalised texts as bytes, made from an Arrow array without a Python string for each.

Arrow strings are UTF-8 by definition: what makes them (Parquet, JSON, Python) refuses other bytes,
so the kernels do not check for them.
"""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.algorithms.kernel import Bytes, Index, kernel, load8, load64, store64
from synth.algorithms.text import normalized

Texts: TypeAlias = pa.Array

# Kernels read words of 8 bytes, up to 7 bytes behind the last text.
PADDING = 8
_SPACE = 32
# Planes 0 and 1 have all scripts with case and nearly all combining marks; what is above, which is
# rare ideographs, is left to Python.
_FOLDED_POINTS = 0x20000
_LEFT_TO_PYTHON = np.uint32(0xFFFFFFFF)
_ONES = np.uint64(0x0101010101010101)
_HIGHS = np.uint64(0x8080808080808080)
_SPACES = np.uint64(0x2020202020202020)


@dataclass(frozen=True, slots=True)
class TextBuffer:
    """Texts as parts of one array of bytes, which has `PADDING` bytes more than they need.

    Attributes:
        data: UTF-8, read-only, shape (bytes,).
        starts: First byte of each text, shape (texts,).
        ends: Byte behind each text; a null is empty, shape (texts,).
        valid: False for a null, shape (texts,).
    """

    data: Bytes
    starts: Index
    ends: Index
    valid: NDArray[np.bool_]


def text_buffer(texts: Texts) -> TextBuffer:
    """The bytes of an Arrow array of strings as they are, read in place.

    Args:
        texts: Strings of any Arrow type, also chunked or sliced.
    """
    if isinstance(texts, pa.ChunkedArray):
        # 32-bit offsets end at 2 GiB.
        texts = pa.chunked_array(texts.chunks, texts.type).cast(pa.large_string()).combine_chunks()
    if not pa.types.is_string(texts.type):
        texts = texts.cast(pa.large_string())
    width = np.int32 if pa.types.is_string(texts.type) else np.int64
    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None:
        nothing = np.zeros(0, np.int64)
        return TextBuffer(read_only(np.zeros(8, np.uint8)), nothing, nothing, nothing > 0)
    bounds = np.frombuffer(offsets, width)[texts.offset : texts.offset + len(texts) + 1]
    valid = texts.is_valid().to_numpy(zero_copy_only=False)
    starts, ends = bounds[:-1].astype(np.int64), bounds[1:].astype(np.int64)
    taken = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    if len(taken) < ends[-1] + PADDING:
        taken = np.concatenate([taken[: ends[-1]], np.zeros(PADDING, np.uint8)])
    return TextBuffer(read_only(taken), starts, np.where(valid, ends, starts), valid)


@kernel
def character_counts(data: Bytes, starts: Index, ends: Index) -> Index:
    """Characters of each text: its bytes but those that go on with one."""
    counts = np.zeros(len(starts), np.int64)
    for text in range(len(starts)):
        for at in range(starts[text], ends[text]):
            counts[text] += (data[at] & 0xC0) != 0x80
    return counts


def normalized_texts(texts: Texts) -> TextBuffer:
    """What `synth.algorithms.text.normalized` makes of each text.

    Python sees only the texts with a character that the kernel cannot fold by itself, one that
    becomes several or that depends on its neighbours.
    """
    raw = text_buffer(texts)
    first = int(raw.starts.min(initial=0)) if len(raw.starts) else 0
    size = int(raw.ends.max(initial=0)) - first
    # The second half is for texts that Python makes; it takes no memory while nothing is there.
    data = np.empty(2 * size + PADDING, np.uint8)
    starts = raw.starts - first
    has_high = _any_high(raw.data, raw.starts, raw.ends)
    table = _fold_table() if has_high else np.zeros(0, np.uint32)
    ends = _fold_all(raw.data, raw.starts, raw.ends, data, first, _ascii_table(), table)
    left = np.flatnonzero(ends < 0)
    if not len(left):
        return TextBuffer(read_only(data), starts, ends, raw.valid)
    by_python = [normalized(_text(raw, at)) for at in left.tolist()]
    more = text_buffer(pa.array(by_python, pa.large_string()))
    starts[left], ends[left] = more.starts + size, more.ends + size
    made = more.data[: more.ends.max()]
    if size + len(made) + PADDING <= len(data):
        data[size : size + len(made)] = made
    else:
        data = np.concatenate([data[:size], made, np.zeros(PADDING, np.uint8)])
    return TextBuffer(read_only(data), starts, ends, raw.valid)


def read_only(data: Bytes) -> Bytes:
    """The same bytes, for which kernels are compiled once whoever made them."""
    view = data.view()
    view.flags.writeable = False
    return view


def _text(buffer: TextBuffer, at: int) -> str:
    return buffer.data[buffer.starts[at] : buffer.ends[at]].tobytes().decode()


@functools.cache
def _ascii_table() -> Bytes:
    """For each byte its lower case, a space for white space, itself above 127."""
    table = np.arange(256, dtype=np.uint8)
    for code in range(128):
        letter = chr(code)
        table[code] = _SPACE if letter.isspace() else ord(letter.lower())
    return table


@functools.cache
def _fold_table() -> NDArray[np.uint32]:
    """For each code point the one that `normalized` makes of it wherever it stands.

    A space for white space. `_LEFT_TO_PYTHON` where it becomes several, longer in UTF-8, or may
    change with its neighbours: a text of characters with NFC_Quick_Check=Yes and combining class 0
    is in NFC.

    Source:
        Unicode Standard Annex 15, section 9, Detecting Normalization Forms.
    """
    table = np.full(_FOLDED_POINTS, _LEFT_TO_PYTHON, np.uint32)
    # Vowels and final consonants of Hangul compose by rule, all others by their decomposition.
    composing = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
    for code in range(_FOLDED_POINTS):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            composing.add(int(parts[1], 16))
    for code in range(_FOLDED_POINTS):
        letter = chr(code)
        if letter.isspace():
            table[code] = _SPACE
            continue
        folded = unicodedata.normalize("NFC", letter.casefold())
        if len(folded) != 1 or 0xD800 <= code < 0xE000:
            continue
        if unicodedata.combining(folded) or ord(folded) in composing:
            continue
        if len(folded.encode()) <= len(letter.encode()):
            table[code] = ord(folded)
    return table


@kernel
def _any_high(data: Bytes, starts: Index, ends: Index) -> bool:
    for text in range(len(starts)):
        high = np.uint8(0)
        for at in range(starts[text], ends[text]):
            high |= data[at]
        if high & np.uint8(128):
            return True
    return False


@kernel
def _fold_all(
    data: Bytes,
    starts: Index,
    ends: Index,
    out: Bytes,
    first: int,
    lower: Bytes,
    table: NDArray[np.uint32],
) -> Index:
    """Writes each text where it stood, `first` bytes earlier; where each ends."""
    out_ends = np.empty(len(starts), np.int64)
    for text in range(len(starts)):
        begin = starts[text] - first
        out_ends[text] = _fold(data, starts[text], ends[text], out, begin, lower, table)
    return out_ends


@kernel
def _fold(
    data: Bytes,
    at: int,
    end: int,
    out: Bytes,
    begin: int,
    lower: Bytes,
    table: NDArray[np.uint32],
) -> int:
    """Writes one text to ``out[begin:]``; where it ends, or -1 if it is left to Python."""
    to = begin
    after_space = True
    while at < end:
        if at + 8 <= end:
            word = load64(data, at)
            spaces = _bytes_below(word ^ _SPACES, np.uint64(1))
            if not _is_odd(word) and not (
                spaces & ((spaces << np.uint64(8)) | (np.uint64(after_space) << np.uint64(7)))
            ):
                store64(out, to, _lowered(word))
                after_space = spaces >> np.uint64(63) != 0
                at += 8
                to += 8
                continue
        stop = min(at + 8, end)
        while at < stop:
            byte = load8(data, at)
            if byte < 128:
                byte = lower[byte]
                out[to] = byte
                is_space = byte == _SPACE
                to += not (is_space and after_space)
                after_space = is_space
                at += 1
                continue
            size = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            code = decoded(data, at, size)
            if code >= len(table) or table[code] == _LEFT_TO_PYTHON:
                return -1
            at += size
            is_space = table[code] == _SPACE
            if not (is_space and after_space):
                to = _encode(np.int64(table[code]), out, to)
            after_space = is_space
    return to - (to > begin and after_space)


@kernel
def _bytes_below(word: np.uint64, limit: np.uint64) -> np.uint64:
    """The highest bit of each byte that is below a limit of at most 128: Hacker's Delight, 6-1."""
    least = (np.uint64(128) - limit) * _ONES
    return ~(((word & ~_HIGHS) + least) | word) & _HIGHS


@kernel
def _is_odd(word: np.uint64) -> bool:
    """Whether a byte is above ASCII, or below the space and so may be other white space."""
    return bool((word & _HIGHS) | _bytes_below(word, np.uint64(_SPACE)))


@kernel
def _lowered(word: np.uint64) -> np.uint64:
    """Eight ASCII letters in lower case, which differs from upper case in the bit of value 32."""
    upper = _bytes_below(word, np.uint64(91)) & ~_bytes_below(word, np.uint64(65))
    return word | (upper >> np.uint64(2))


@kernel
def decoded(data: Bytes, at: int, size: int) -> np.int64:
    """The code point of a character of several bytes."""
    # The first byte has the lead bits of its size, the others 6 bits each.
    code = np.int64(load8(data, at)) & (0xFF >> (size + 1))
    for more in range(1, size):
        code = (code << 6) | (np.int64(load8(data, at + more)) & 0x3F)
    return code


@kernel
def _encode(code: np.int64, out: Bytes, to: int) -> int:
    if code < 0x80:
        out[to] = np.uint8(code)
        return to + 1
    size = 2 + (code >= 0x800) + (code >= 0x10000)
    for more in range(size - 1, 0, -1):
        out[to + more] = np.uint8(0x80 | (code & 0x3F))
        code >>= 6
    out[to] = np.uint8((0xF00 >> size) & 0xFF | code)
    return int(to + size)
