"""Ray for a run: a cluster that is there, or one on this machine, its chatter in a file."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import ray

from synth.core.errors import EngineError, StorageError
from synth.inputs.files import Folder, storage_errors

# Ray's own CPUs are a bookkeeping of slots: pipelines of four stages need so many to flow.
_FEWEST_CPUS = 4
# Ray runs its workers at niceness 15: an engine that decodes on the CPU would get what any other
# program, and our own driver, leaves over. The rest switches off records that only Ray's dashboard
# shows: six idle workers and the daemons use 68 instead of 81 ms of CPU a second.
_SYSTEM_CONFIG = {
    "worker_niceness": 0,
    "enable_metrics_collection": False,
    "task_events_report_interval_ms": 0,
    "event_stats": False,
}


def start_ray(address: str | None) -> bool:
    """Starts Ray or joins a cluster; returns whether this process has to stop it.

    Raises:
        EngineError: If there is no cluster at the address, or Ray does not start.
    """
    if ray.is_initialized():
        return False
    quiet = {"log_to_driver": True, "logging_level": logging.ERROR, "include_dashboard": False}
    if address is None:
        # The engines' own threads use the cores; a slot only says that a worker may run.
        try:
            # Not the cluster that another user's `ray start` left on this machine.
            cpus = max(_FEWEST_CPUS, os.cpu_count() or 1)
            ray.init("local", num_cpus=cpus, _system_config=_SYSTEM_CONFIG, **quiet)
        except Exception as error:  # Ray raises just that when its processes do not come up
            raise EngineError(
                f"Ray did not start on this machine ({str(error).splitlines()[0]}); is it out of "
                "memory or very busy? Run the same command again"
            ) from error
    else:
        quiet.pop("include_dashboard")
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise EngineError(
                f"there is no Ray cluster at {address!r}; start one with `ray start --head`, or "
                "leave --ray-address out to run on this machine"
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.use_ray_tqdm = False
    context.memory_usage_poll_interval_s = None  # a thread for each batch under way
    return True


def check_shared(folder: Folder) -> None:
    """Proves that every node of the cluster sees the run's folder.

    Raises:
        StorageError: If one does not; names it.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) < 2 or not folder.is_local:
        return
    mark = f"_seen-{time.time_ns()}"
    folder.write(mark, b"")
    try:
        for node in nodes:
            where = {f"node:{node['NodeManagerAddress']}": 0.001}
            sees = ray.remote(num_cpus=0, resources=where)(Path.exists)
            if not ray.get(sees.remote(Path(folder.path(mark)))):
                raise StorageError(
                    f"node {node['NodeManagerAddress']} does not see {folder.url}; give --out a "
                    "folder on a filesystem that all nodes mount, or a URL such as s3://..."
                )
    finally:
        folder.remove(mark)


@contextlib.contextmanager
def real_output() -> Iterator[TextIO]:
    """Standard output as it is now, for whoever still wants to be seen under `chatter_to`."""
    try:
        copy = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    except (OSError, ValueError):  # a notebook's output has no file descriptor
        yield sys.stdout
        return
    with copy:
        yield copy


class _Log(io.TextIOWrapper):
    """A text file that swallows what comes after its end.

    Ray's thread that prints what workers say picks a stream first and writes later: the run may
    end between the two, and an error there is a traceback on the user's terminal.
    """

    def write(self, text: str, /) -> int:
        with self._until_closed():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._until_closed():
            super().flush()

    @contextlib.contextmanager
    def _until_closed(self) -> Iterator[None]:
        try:
            yield
        except ValueError:
            if not self.closed:
                raise


@contextlib.contextmanager
def chatter_to(path: Path) -> Iterator[None]:
    """Sends what this process, its libraries and Ray's workers print into a file.

    Raises:
        StorageError: If the file cannot be written.
    """
    with storage_errors(str(path.parent)):
        path.parent.mkdir(parents=True, exist_ok=True)
        log = _Log(path.open("ab"), encoding="utf-8", line_buffering=True)
    out, err = sys.stdout, sys.stderr
    saved = [os.dup(number) for number in (1, 2)]
    told = logging.StreamHandler(log)
    told.setLevel(logging.WARNING)  # Ray Data tells of every operator every second
    loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
    handlers = [logger.handlers for logger in loggers]
    try:
        for stream in (out, err):
            stream.flush()
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        sys.stdout = sys.stderr = log
        for logger in loggers:
            logger.handlers = [told]
        yield
    finally:
        sys.stdout, sys.stderr = out, err
        for logger, before in zip(loggers, handlers, strict=True):
            logger.handlers = before
        for number, descriptor in zip((1, 2), saved, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        with contextlib.suppress(OSError):  # a full disk has ended the run, which says so
            log.close()
