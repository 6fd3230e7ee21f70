"""Every reply ever paid for, kept on disk by the key of its request.

One folder for each generate step, shared by all versions of a recipe. Every writer appends to a
file of its own, so any number of them on any number of machines need no lock and no daemon::

    {"k":"<32 hex digits>","t":"the reply","f":"stop","p":412,"o":31}

On a mounted filesystem a reply is handed to the operating system as soon as it is there, so that no
killed process loses it, and synced about once a second, so that a power cut loses a second at most.
An object store has no appending: there a file is written about once a second.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

from synth.core.chat import Completion
from synth.inputs.files import Folder, storage_errors

_ENDING = ".jsonl"
# Where the 32 hex digits of the key stand in a line.
_KEY = slice(6, 38)
_SYNC_S = 1.0


@dataclass(frozen=True, slots=True)
class _Segment:
    """One file of replies: mapped where it lies on a mounted filesystem, else in memory."""

    data: bytes | np.memmap


class ReplyIndex:
    """The replies that were there when it was opened. 32 bytes of memory for each of them.

    Args:
        folder: A step's folder of replies.
    """

    def __init__(self, folder: Folder) -> None:
        self._segments = [
            _Segment(_opened(folder, name)) for name in folder.names() if name.endswith(_ENDING)
        ]
        found = [_lines(segment.data) for segment in self._segments]
        counts = [len(starts) for _, starts, _ in found]
        keys = np.concatenate([keys for keys, _, _ in found] or [np.empty((0, 2), np.uint64)])
        order = np.lexsort((keys[:, 1], keys[:, 0]))
        self._high, self._low = keys[order, 0], keys[order, 1]
        self._segment = np.repeat(np.arange(len(counts), dtype=np.int32), counts)[order]
        empty = np.empty(0, np.int64)
        self._start = np.concatenate([starts for _, starts, _ in found] or [empty])[order]
        self._end = np.concatenate([ends for _, _, ends in found] or [empty])[order]

    def __len__(self) -> int:
        return len(self._high)

    def get(self, key: str) -> Completion | None:
        """The reply to the request with this key, None if it was never asked."""
        if not len(self._high):
            return None
        high, low = np.uint64(int(key[:16], 16)), np.uint64(int(key[16:], 16))
        at = int(np.searchsorted(self._high, high))
        while at < len(self._high) and self._high[at] == high:
            if self._low[at] == low and (reply := self._read(at)) is not None:
                return reply
            at += 1
        return None

    def _read(self, at: int) -> Completion | None:
        """One reply; None where a crash left half a line."""
        data = self._segments[self._segment[at]].data
        line = bytes(data[self._start[at] : self._end[at]])
        try:
            reply = orjson.loads(line)
            return Completion(reply["t"], reply["f"], reply["p"], reply["o"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None


def _opened(folder: Folder, name: str) -> bytes | np.memmap:
    if folder.is_local:
        path = Path(folder.path(name))
        return np.memmap(path, np.uint8, "r") if path.stat().st_size else b""
    return folder.read(name)


def _lines(
    data: bytes | np.memmap,
) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]:
    """Key, start and end of every whole line; what comes after the last line's end is no line."""
    flat = np.frombuffer(data, np.uint8) if isinstance(data, bytes) else np.asarray(data)
    ends = np.flatnonzero(flat == ord("\n"))
    starts = np.concatenate([np.zeros(1, np.int64), ends + 1])[:-1] if len(ends) else ends
    whole = ends - starts > _KEY.stop
    starts, ends = starts[whole], ends[whole]
    digits = flat[starts[:, None] + np.arange(_KEY.start, _KEY.stop)]
    keys, readable = _numbers(digits)
    return keys[readable], starts[readable], ends[readable]


def _numbers(digits: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """The two 64-bit halves of each key, and which are hex digits at all."""
    letters = digits >= ord("a")
    values = np.where(letters, digits - (ord("a") - 10), digits - ord("0")).astype(np.uint8)
    readable: NDArray[np.bool_] = np.all(values < 16, axis=1)
    pairs = (values[:, 0::2] << 4 | values[:, 1::2]).astype(np.uint8)
    return np.ascontiguousarray(pairs).view(">u8").astype(np.uint64), readable


class ReplyWriter:
    """Appends replies to a file of its own in a step's folder of replies.

    Args:
        folder: The step's folder.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._name = uuid.uuid4().hex
        self._handle: int | None = None
        self._lock = threading.Lock()
        self._buffer: list[bytes] = []
        self._segment = 0
        self._dirty = False
        self._failure: Exception | None = None
        threading.Thread(target=self._sync_often, daemon=True, name="replies").start()

    def put(self, key: str, reply: Completion) -> Completion:
        """Keeps a reply; returns it as it will be read again, without what UTF-8 cannot hold.

        Raises:
            StorageError: If it cannot be written.
        """
        if self._failure is not None:
            raise self._failure
        text = reply.text.encode("utf-8", "replace").decode()
        reply = replace(reply, text=text)
        line = b'{"k":"%b","t":%b,"f":%b,"p":%d,"o":%d}\n' % (
            key.encode(),
            orjson.dumps(text),
            orjson.dumps(reply.finish_reason),
            reply.prompt_tokens,
            reply.output_tokens,
        )
        with self._lock:
            self._dirty = True
            if not self._folder.is_local:
                self._buffer.append(line)
                return reply
            with storage_errors(self._folder.url):
                self._append(line)
        return reply

    def flush(self) -> None:
        """Writes what only this process holds: nothing on a mounted filesystem."""
        if not self._folder.is_local:
            self.sync()

    def _append(self, line: bytes) -> None:
        if self._handle is None:
            self._folder.make()
            path = self._folder.path(f"{self._name}{_ENDING}")
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        written = os.write(self._handle, line)
        if written < len(line):
            # Half a line would take the next one with it, should there be room again.
            os.ftruncate(self._handle, os.fstat(self._handle).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Makes what was put survive a power cut.

        Raises:
            StorageError: If it cannot be written.
        """
        with self._lock:
            if not self._dirty:
                return
            self._dirty = False
            handle, lines, self._buffer = self._handle, self._buffer, []
            self._segment += bool(lines)
            number = self._segment
        with storage_errors(self._folder.url):
            if handle is not None:
                os.fsync(handle)
        if lines:
            self._folder.write(f"{self._name}-{number}{_ENDING}", b"".join(lines))

    def _sync_often(self) -> None:
        while True:
            time.sleep(_SYNC_S)
            try:
                self.sync()
            except Exception as error:  # noqa: BLE001  (told to the next `put`, from its thread)
                self._failure = error
                return
