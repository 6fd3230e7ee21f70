"""A process beside an engine's, which ends what the engine's own process cannot."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence

# Waits for the first line, then for one more every so often. The end of the pipe, which nobody but
# the guarded process holds open, is the end of that process.
_PROGRAM = """
import os, select, signal, sys
silent_s, guarded, *children = map(int, sys.argv[1:])
wait_s, ended = None, children
while True:
    if not select.select([0], [], [], wait_s)[0]:
        ended = [guarded, *children]
        break
    if not os.read(0, 4096):
        break
    wait_s = silent_s
for pid in ended:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


# Whole seconds without a beat, after the first one, that prove a hang.
SILENT_S = 45


class Guard:
    """Kills the children of this process when it ends, and all of them when it hangs.

    A killed worker would leave vLLM's engine running, with all the memory that the next run needs.
    One that hangs (stopped, or its event loop blocked) can neither say so nor end itself.

    Args:
        children: Ids of the processes that must not outlive this one.
    """

    def __init__(self, children: Sequence[int] = ()) -> None:
        told = [SILENT_S, os.getpid(), *children]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, *map(str, told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def beat(self) -> None:
        """Says that this process works."""
        with contextlib.suppress(BrokenPipeError):  # a guard that is dead guards no more
            if self._process.stdin is not None:
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()
