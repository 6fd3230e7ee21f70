"""The explorer's server on a real socket, for tests and benchmarks that talk HTTP to it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn

from synth.explore import Explorer, make_app
from synth.explore.flags import FLAGS_FILE, Flags
from synth.explore.server import listen
from synth.view import Run

TOKEN = "a-token-of-tests"


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        explorer: What it serves.
        port: Where.
    """

    explorer: Explorer
    port: int

    @property
    def url(self) -> str:
        """Where the page is, without its token."""
        return f"http://127.0.0.1:{self.port}/"

    def post(self, what: str, data: object = None, **headers: str) -> httpx2.Response:
        """The answer to a question of the page; headers may be replaced."""
        sent = {"Authorization": f"Bearer {TOKEN}"} | headers
        return httpx2.post(f"{self.url}api/{what}", json=data or {}, headers=sent, timeout=60)

    def ask(self, what: str, /, **data: object) -> Any:  # noqa: ANN401  (any JSON)
        """What the server answers, which is no error."""
        reply = self.post(what, data)
        assert reply.status_code == 200, reply.text
        return reply.json()


@contextlib.contextmanager
def served(run: Run, host: str = "127.0.0.1") -> Iterator[Served]:
    """Serves a run until the block ends."""
    explorer = Explorer(run, Flags(run.folder, FLAGS_FILE))
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    app = make_app(explorer, host, port, TOKEN)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Served(explorer, port)
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
