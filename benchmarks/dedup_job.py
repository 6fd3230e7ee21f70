"""What a run of one library is asked to do, and the clock that times only that."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

NUM_PERM, NGRAM = 128, 5

# For each document the one that it duplicates or -1, and the first of its cluster.
Found = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Job:
    """Near duplicates to find.

    Attributes:
        texts: The documents.
        threshold: Jaccard similarity of shingle sets.
        bands: Bands of a signature.
        rows: Hash values in a band.
        threads: Threads or processes that may work at a time.
    """

    texts: list[str]
    threshold: float
    bands: int
    rows: int
    threads: int = 1

    def write(self, path: Path) -> None:
        """Leaves it for the interpreter of another library."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> Job:
        """The same job again."""
        return cls(**json.loads(path.read_text()))


class Clock:
    """Times what runs inside it, and sums over several times.

    Attributes:
        cpu_s: CPU seconds of this process and of the children that it waited for.
        system_s: Those of them that the kernel took, most of them to give memory.
        wall_s: Seconds.
        added_mb: The most memory that this process had beyond what it had at first.
    """

    def __init__(self) -> None:
        self.cpu_s = self.system_s = self.wall_s = self.added_mb = 0.0
        self._before_mb: float | None = None
        self._started = 0.0, 0.0, 0.0

    def __enter__(self) -> None:
        if self._before_mb is None:
            # Forgets the peak of memory, which is from now on what the process has.
            Path("/proc/self/clear_refs").write_text("5")
            self._before_mb = _peak_mb()
        self._started = _cpu_s(), _system_s(), time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.cpu_s += _cpu_s() - self._started[0]
        self.system_s += _system_s() - self._started[1]
        self.wall_s += time.perf_counter() - self._started[2]
        self.added_mb = _peak_mb() - (self._before_mb or 0.0)


Method = Callable[[Job, Clock], Found]


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _system_s() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(one).ru_stime for one in who)


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
