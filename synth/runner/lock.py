"""One writer for a run: a lease that its holder renews and a dead holder loses."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Any

import orjson

from synth.core.errors import StorageError
from synth.inputs.files import Folder

LOCK = "_lock.json"
_RENEW_S = 5.0
# Longer than the pauses of a busy shared filesystem; a holder on another host that has been silent
# for so long is dead.
_LEASE_S = 30.0


class RunLock:
    """Held while a run writes into its folder.

    Whether a lease is alive is judged by watching it change, never by comparing clocks of two
    hosts; a holder on this host is looked for among the processes as well.

    Args:
        folder: The run's folder.
        lease_s: How long a silent holder on another host is waited for.

    Raises:
        StorageError: On entry, if another run holds it.
    """

    def __init__(self, folder: Folder, lease_s: float = _LEASE_S) -> None:
        self._folder = folder
        self._lease_s = lease_s
        self._token = uuid.uuid4().hex
        self._beat = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> RunLock:
        """Takes the lock."""
        held = self._read()
        if held is not None and not self._is_dead(held):
            raise StorageError(
                f"{self._folder.url} is in use by `synth` on {held['host']}, process "
                f"{held['pid']}; wait for it or stop it, then run again"
            )
        self._write()
        time.sleep(0.05)  # two that took it at once: the later write wins, the other sees it here
        mine = self._read()
        if mine is None or mine["token"] != self._token:
            raise StorageError(f"{self._folder.url} was taken by another `synth` at this moment")
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lock")
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Gives it back."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=_RENEW_S)
        held = self._read()
        if held is not None and held["token"] == self._token:
            self._folder.remove(LOCK)

    def _read(self) -> dict[str, Any] | None:
        if not self._folder.exists(LOCK):
            return None
        try:
            held: dict[str, Any] = orjson.loads(self._folder.read(LOCK))
        except (orjson.JSONDecodeError, StorageError):
            return None
        return held

    def _write(self) -> None:
        self._beat += 1
        mine = {
            "token": self._token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "beat": self._beat,
        }
        self._folder.write(LOCK, orjson.dumps(mine))

    def _is_dead(self, held: dict[str, Any]) -> bool:
        if held["host"] == socket.gethostname():
            return bool(_started(held["pid"]) != held["started"])
        until = time.monotonic() + self._lease_s
        while time.monotonic() < until:
            time.sleep(min(1.0, self._lease_s / 4))
            now = self._read()
            if now is None:
                return True
            if (now["token"], now["beat"]) != (held["token"], held["beat"]):
                return False
        return True

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW_S):
            try:
                self._write()
            except StorageError:  # a full disk ends the run where it matters: at its rows
                continue


def _started(pid: int) -> str | None:
    """When a process of this host started, None where none runs: pids are used again."""
    import psutil

    try:
        process = psutil.Process(pid)
        # Killed, but its parent (in a container often nobody) has not asked how it ended.
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.2f}"
    except psutil.Error:
        return None
