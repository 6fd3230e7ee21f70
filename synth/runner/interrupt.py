"""Ctrl-C: once finishes what is under way, twice stops now; both leave a run to go on with."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from rich.console import Console

from synth.runner.meter import MeterHandle

# What a shell expects of a process that Ctrl-C ended.
_INTERRUPTED = 130


@contextlib.contextmanager
def stop_on_interrupt(meter: MeterHandle, console: Console) -> Iterator[None]:
    """While it lasts, the first Ctrl-C asks all workers to stop and the second ends the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def asked(_number: int, _frame: FrameType | None) -> None:
        console.print("stopping: what is under way is finished first; Ctrl-C again stops at once")
        meter.stop.remote("stopped by Ctrl-C")
        signal.signal(signal.SIGINT, at_once)

    def at_once(_number: int, _frame: FrameType | None) -> None:
        console.print("stopped; the same command goes on from here")
        os._exit(_INTERRUPTED)  # Ray ends its workers when this process is gone

    signal.signal(signal.SIGINT, asked)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
