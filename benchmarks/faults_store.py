"""Runs whose outputs lie on an object store: killed and gone on with, like any others.

The store is moto's S3 server on this machine, in an environment of its own; runs reach it through
s3fs, as any user's would.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from faults_runs import (
    IN_FLIGHT,
    LATENCY_S,
    NAME,
    VERSION,
    Recipe,
    digest_of,
    finish,
    keys_in,
    start,
)
from faults_table import Finding
from rivals.setup import Rival, install

_MOTO = Rival("moto", "", ("moto[server]==5.2.2",))
_CLIENT = "s3fs"
_BUCKET = "runs"
_PATIENCE_S = 60.0


def store(work: Path, *, quick: bool) -> list[Finding]:
    """A run on S3 that is killed again and again, against one that is not."""
    rows, kills = (300, 2) if quick else (2_000, 5)
    model = f"{{kind: fake, latency_s: {LATENCY_S}, max_in_flight: {IN_FLIGHT}}}"
    recipe = Recipe(work, rows, model).write()
    with _server(work) as environment:
        files = _files(environment)
        files.mkdir(_BUCKET)
        seconds = finish(recipe, f"s3://{_BUCKET}/unharmed", **environment)
        out, draw, killed = f"s3://{_BUCKET}/killed", Random(3), 0
        for _ in range(kills):
            run = start(recipe, out, **environment)
            killed += run.kill_after(draw.uniform(0.3, 0.9) * seconds, whole=True)
        finish(recipe, out, **environment)
        same = _digest(files, "killed") == _digest(files, "unharmed")
        keys = _keys(files, "killed")
    repeated = sum(keys.values()) - len(keys)
    return [
        Finding(
            "store",
            f"outputs on S3 (moto), {rows:,} rows, the whole session killed {killed} times",
            same and len(keys) == rows,
            f"`data/` {'identical' if same else 'NOT the same'}; {rows - len(keys)} replies lost, "
            f"{repeated} stored twice; unharmed it took {seconds:.0f} s",
            {"same": same, "kills": killed, "stored_twice": repeated},
        )
    ]


@contextmanager
def _server(work: Path) -> Iterator[dict[str, str]]:
    """The environment of whoever talks to the store."""
    install(_MOTO)
    client = _MOTO.environment.with_name(_CLIENT)
    if not (client / "s3fs").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(client), _CLIENT]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(_MOTO.environment / "bin" / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with (
        (work / "store.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            _wait(port)
            yield {
                "PYTHONPATH": f"{client}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "trial",
                "AWS_SECRET_ACCESS_KEY": "trial",
                "AWS_DEFAULT_REGION": "us-east-1",
            }
        finally:
            process.terminate()


def _wait(port: int) -> None:
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def _files(environment: dict[str, str]) -> Any:  # noqa: ANN401  (fsspec ships no types)
    import fsspec

    sys.path.append(environment["PYTHONPATH"].partition(os.pathsep)[0])
    os.environ.update({name: value for name, value in environment.items() if "AWS" in name})
    return fsspec.filesystem("s3", use_listings_cache=False)


def _digest(files: Any, out: str) -> str:  # noqa: ANN401
    data = f"{_BUCKET}/{out}/{NAME}/{VERSION}/data"
    return digest_of(
        (path.removeprefix(data), files.cat_file(path)) for path in sorted(files.find(data))
    )


def _keys(files: Any, out: str) -> Counter[str]:  # noqa: ANN401
    return keys_in(map(files.cat_file, files.find(f"{_BUCKET}/{out}/{NAME}/_replies")))
