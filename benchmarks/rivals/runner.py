"""Run the script of a rival in its environment and read its measurement."""

import json
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .setup import RIVALS, Rival

TIMEOUT_S = 300.0
SERVER_TIMEOUT_S = 10.0
# The end of the output that an error quotes: about one Python traceback line and its message.
QUOTED_CHARACTERS = 300


@dataclass(frozen=True)
class ServerStats:
    """What the mock server saw of a run.

    Attributes:
        requests: Completions asked for; more than the rows means needless requests.
        peak_in_flight: Most completions that waited for their answer at one time.
        active_s: Seconds from the first request to the last answer.
        cpu_s: CPU seconds of the server.
    """

    requests: int
    peak_in_flight: int
    active_s: float
    cpu_s: float


@dataclass(frozen=True)
class Measurement:
    """One run of one rival.

    Attributes:
        rival: Name of the rival.
        version: Version of its package.
        rows: Rows it got, one request each.
        rows_ok: Rows that came back with an answer.
        wall_s: Seconds of the pipeline, without imports.
        steady_wall_s: Seconds from the first request to the last answer as the client sees them;
            None where the rival does not show them.
        cpu_s: User and system CPU seconds of the process and its children, with imports.
        import_s: Seconds the imports took.
        server: What the server saw; None when it is not the mock server.
    """

    rival: str
    version: str
    rows: int
    rows_ok: int
    wall_s: float
    steady_wall_s: float | None
    cpu_s: float
    import_s: float
    server: ServerStats | None


@dataclass(frozen=True)
class Failure:
    """A rival that could not be measured.

    Attributes:
        rival: Name of the rival.
        reason: One sentence for the table.
    """

    rival: str
    reason: str


class _RunError(Exception):
    """A run ended without a measurement."""


def measure(rival: str, *, base_url: str, rows: int, in_flight: int) -> Measurement | Failure:
    """Send one request per row through a rival, in a process of its own.

    Resets the counts of the mock server, so nothing else may use the server meanwhile.

    Args:
        rival: One of ``RIVALS``.
        base_url: Address of the server, ending in ``/v1``.
        rows: Number of rows.
        in_flight: Requests that may wait for an answer at one time.

    Returns:
        The measurement, or why there is none; a run that ends early, fails or takes longer than
        ``TIMEOUT_S`` does not raise.

    Raises:
        KeyError: If there is no such rival.
    """
    spec = RIVALS[rival]
    if not spec.is_installed:
        return Failure(rival, f"not installed; run `python benchmarks/rivals/setup.py {rival}`")
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as directory:
        out = Path(directory) / "answers.jsonl"
        command = [
            *(str(spec.python), str(Path(__file__).with_name(spec.script))),
            *("--rival", rival, "--base-url", base_url, "--out", str(out)),
            *("--rows", str(rows), "--in-flight", str(in_flight)),
        ]
        try:
            server_stats(base_url, reset=True)
            line = _run(command, Path(directory))
            stats = server_stats(base_url, reset=False)
        except _RunError as error:
            return Failure(rival, str(error))
    return Measurement(**line, server=stats)


def marginal_cpu_ms_per_row(small: Measurement, large: Measurement) -> float:
    """CPU milliseconds of one more row, from two sizes: start-up and imports cancel out.

    Raises:
        ValueError: If the second run is not the larger one.
    """
    if large.rows <= small.rows:
        raise ValueError(f"expected more than {small.rows} rows in the second run: {large.rows}")
    return 1000 * (large.cpu_s - small.cpu_s) / (large.rows - small.rows)


def server_stats(base_url: str, *, reset: bool) -> ServerStats | None:
    """Counts of the mock server, None where it is another server; set to zero where asked."""
    url = base_url.rstrip("/").removesuffix("/v1")
    counts = _server_json(f"{url}/reset", "POST") if reset else _server_json(f"{url}/stats", "GET")
    return None if counts is None else ServerStats(**counts)


def _run(command: list[str], directory: Path) -> dict[str, Any]:
    """Run a script to its end; returns the measurement it printed.

    Raises:
        _RunError: If it failed, took too long or printed none.
    """
    log = directory / "log.txt"
    # The paths of our own environment must not leak into that of the rival.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own, so that a timeout also ends the processes it started.
            start_new_session=True,
        )
        try:
            status = process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise _RunError(f"not finished after {TIMEOUT_S:.0f} s") from error
        finally:
            _end_group(process)
    text = log.read_text(errors="replace").strip()
    last_line = text.rpartition("\n")[2]
    if status != 0:
        raise _RunError(f"ended with status {status}: {text[-QUOTED_CHARACTERS:]}")
    try:
        measurement: dict[str, Any] = json.loads(last_line)
    except ValueError as error:
        raise _RunError(f"printed no measurement: {text[-QUOTED_CHARACTERS:]}") from error
    return measurement


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the group that a process leads."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing is left
    process.wait()


def _server_json(url: str, method: str) -> dict[str, Any] | None:
    """Answer of the server, or None when it has no such route.

    Raises:
        _RunError: If there is no server.
    """
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SERVER_TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError:
        return None
    except urllib.error.URLError as error:
        raise _RunError(f"no server at {url}: {error.reason}") from error
    return answer


__all__ = [
    "RIVALS",
    "Failure",
    "Measurement",
    "Rival",
    "ServerStats",
    "marginal_cpu_ms_per_row",
    "measure",
    "server_stats",
]
