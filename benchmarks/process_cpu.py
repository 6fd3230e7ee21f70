"""CPU seconds of a process and all that it starts, whoever they belong to later.

Ray starts its workers from a daemon that never waits for them, so `RUSAGE_CHILDREN` of the driver
knows nothing of them: their times are read from ``/proc`` while they live. A process is one of the
tree from the first time that it is seen below its root, and stays one when its parent ends. What it
uses between the last look and its end is not seen, at most `LOOK_EVERY_S` for each process; a run
of 5,000 rows starts and ends the same processes as one of 1,000, so their difference is free of it.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.2

_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Positions in /proc/PID/stat after the command, which may hold blanks: parent, user and system
# ticks, start time.
_PARENT, _USER, _SYSTEM, _STARTED = 1, 11, 12, 19


@dataclass(frozen=True, slots=True)
class _Seen:
    pid: int
    started: int
    parent: int
    cpu_s: float
    command: str


class TreeCpu:
    """Watches a process and its descendants from a thread, until it is left.

    Args:
        root: Id of the process.
        look_every_s: Seconds between two looks; each takes some 5 ms of CPU.
    """

    def __init__(self, root: int, look_every_s: float = LOOK_EVERY_S) -> None:
        self._root = root
        self._look_every_s = look_every_s
        self._seen: dict[tuple[int, int], _Seen] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="process-cpu")

    def __enter__(self) -> TreeCpu:
        """Starts to watch."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def cpu_s(self) -> float:
        """User and system CPU seconds that all processes had used when last seen."""
        return sum(one.cpu_s for one in list(self._seen.values()))

    def by_command(self) -> dict[str, float]:
        """The same by the name of the command."""
        spent: dict[str, float] = {}
        for one in list(self._seen.values()):
            spent[one.command] = spent.get(one.command, 0.0) + one.cpu_s
        return spent

    def look(self) -> None:
        """Reads the times of all processes of the tree."""
        found = {one.pid: one for one in map(_read, _pids()) if one is not None}
        for one in found.values():
            if (one.pid, one.started) in self._seen or self._descends(one, found):
                self._seen[one.pid, one.started] = one

    def _watch(self) -> None:
        while not self._ended.wait(self._look_every_s):
            self.look()

    def _descends(self, one: _Seen, found: dict[int, _Seen]) -> bool:
        above: _Seen | None = one
        while above is not None and above.pid > 1:
            if above.pid == self._root or (above.pid, above.started) in self._seen:
                return True
            above = found.get(above.parent)
        return False


def busy_s() -> float:
    """CPU seconds that all processes of the machine have used since it started."""
    fields = (_PROC / "stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _idle, _waiting, irq, soft_irq, steal = map(int, fields)
    return (user + nice + system + irq + soft_irq + steal) / _TICKS_PER_S


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208  (no objects)


def _read(pid: int) -> _Seen | None:
    """One process, None when it has ended."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    before, _, after = text.rpartition(")")
    fields = after.split()
    ticks = int(fields[_USER]) + int(fields[_SYSTEM])
    command = before.partition("(")[2]
    return _Seen(pid, int(fields[_STARTED]), int(fields[_PARENT]), ticks / _TICKS_PER_S, command)
