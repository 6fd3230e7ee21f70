"""An OpenAI-compatible server that counts what it is asked and can be made to misbehave."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from hashlib import blake2b
from random import Random
from types import TracebackType
from typing import Any

import orjson
from aiohttp import web

FAULTS = ("429", "500", "503", "reset", "timeout", "cut", "html")
# Longer than the `timeout_s` of the recipes that meet a fault.
_HANG_S = 4.0
_HOST = "127.0.0.1"


class CountingServer:
    """A server in a thread, listening on the loopback interface while it is entered.

    The reply to a prompt depends on the prompt alone.

    Args:
        latency_s: Seconds until a reply.
        fault_share: Share of requests, in [0, 1], that get one of `FAULTS` instead.
        seed: Of the draws of faults.
    """

    def __init__(self, latency_s: float, fault_share: float = 0.0, seed: int = 1) -> None:
        self._latency_s = latency_s
        self._fault_share = fault_share
        self._draw = Random(seed)
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._asked_in: dict[str, int] = {}
        self._epoch = 0
        self.port = 0
        self.in_flight = 0
        self.requests = 0
        self.faults: Counter[str] = Counter()
        self.repeats: Counter[int] = Counter()

    def __enter__(self) -> CountingServer:
        """Starts to listen on a free port."""
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def url(self) -> str:
        """Its `base_url`."""
        return f"http://{_HOST}:{self.port}/v1"

    @property
    def distinct(self) -> int:
        """How many different prompts it was asked."""
        return len(self._asked_in)

    def next_epoch(self) -> int:
        """What is asked again from now on counts as a repeat of the epoch that asked it before."""
        self._epoch += 1
        return self._epoch - 1

    def forget(self) -> None:
        """Counts from zero."""
        self._asked_in.clear()
        self.repeats.clear()
        self.faults.clear()
        self._epoch = self.requests = 0

    def restart(self, down_s: float) -> None:
        """Breaks all connections and is not there for a while."""
        self._do(self._close())
        threading.Event().wait(down_s)
        self._do(self._open())

    def _do(self, work: Any) -> None:  # noqa: ANN401  (any coroutine)
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _open(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/v1/models", _models)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _HOST, self.port, reuse_address=True, shutdown_timeout=0.1)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        prompt = str(orjson.loads(await request.read())["messages"][-1]["content"])
        self.requests += 1
        if prompt in self._asked_in:
            self.repeats[self._asked_in[prompt]] += 1
        self._asked_in[prompt] = self._epoch
        self.in_flight += 1
        try:
            if self._draw.random() < self._fault_share:
                fault = self._draw.choice(FAULTS)
                self.faults[fault] += 1
                return await _fault(fault, request, prompt)
            await asyncio.sleep(self._latency_s)
            return web.Response(body=_completion(prompt), content_type="application/json")
        finally:
            self.in_flight -= 1


async def _models(_request: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "mock", "object": "model"}]})


async def _fault(fault: str, request: web.Request, prompt: str) -> web.StreamResponse:
    transport = request.transport
    match fault:
        case "429":
            return web.json_response({}, status=429, headers={"Retry-After": "1"})
        case "500" | "503":
            return web.json_response({"error": {"message": "trial"}}, status=int(fault))
        case "html":
            return web.Response(text="<html>busy</html>", content_type="text/html")
        case "timeout":
            await asyncio.sleep(_HANG_S)
            return web.Response(status=504)
        case "cut" if transport is not None:
            body = _completion(prompt)
            cut = web.StreamResponse(headers={"Content-Type": "application/json"})
            cut.content_length = len(body)
            await cut.prepare(request)
            await cut.write(body[: len(body) // 2])
            transport.close()
            return cut
    if transport is not None:
        transport.abort()
    return web.Response()


def _completion(prompt: str) -> bytes:
    digest = blake2b(prompt.encode(), digest_size=8).hexdigest()
    words = " ".join(digest[at : at + 4] for at in range(0, 16, 4))
    return orjson.dumps(
        {
            "id": digest,
            "object": "chat.completion",
            "model": "mock",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": f"It says {words} in all."},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18},
        }
    )
