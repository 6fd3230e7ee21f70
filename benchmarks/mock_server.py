"""An OpenAI-compatible server that answers after a fixed latency and costs almost no CPU.

Clients are compared on the machine that also runs this server, so each request must cost it far
less than it costs the leanest client. Start it as a process of its own::

    python benchmarks/mock_server.py --port 18000 --latency-s 0.1

Routes:
    GET /health: 200 and an empty object.
    GET /v1/models: one model, ``mock``.
    POST /v1/chat/completions: one short sentence after the latency.
    GET /stats: requests, peak in flight, active seconds and CPU seconds since the last reset.
    POST /reset: sets these to zero, answers with what they were.

Only bodies with a Content-Length are read, requests are not pipelined, answers are not streamed.
The answers go out of one queue per latency, not out of one timer per request: equal latencies
fall due in the order of arrival, so the head of the queue is always next.
"""

import argparse
import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import cast

HASH_BYTES = 8
HASH_LIMIT: int = 256**HASH_BYTES
# One wake-up answers everything that falls due within this time: it saves a system call per
# request and moves an answer by at most 1 % of the default latency.
TIMER_SLACK_S = 0.001
BUFFER_BYTES = 2**16
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CONNECTION_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
MODELS = b'{"object":"list","data":[{"id":"mock","object":"model","created":0,"owned_by":"mock"}]}'
COMPLETION = (
    '{{"id":"chatcmpl-{digest}","object":"chat.completion","created":0,"model":"mock",'
    '"choices":[{{"index":0,"message":{{"role":"assistant","content":"Answer {digest}: the text '
    "says the same in other words, and it keeps the names, the numbers and their order."
    '"}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{prompt_tokens},'
    '"completion_tokens":{completion_tokens},"total_tokens":{total_tokens}}}}}'
)
COMPLETION_TOKENS = 20

Send = Callable[[bytes], None]


class RequestError(Exception):
    """A request this server does not understand; the client gets the text with status 400."""


@dataclass(frozen=True)
class Latency:
    """How long answers take.

    Attributes:
        usual_s: Seconds until most answers.
        tail_s: Seconds until the answers of the long tail.
        tail_share: Share of the prompts, in [0, 1], that belong to the tail.
    """

    usual_s: float
    tail_s: float
    tail_share: float

    def is_tail(self, digest: bytes) -> bool:
        """Whether the prompt with this digest is answered late; the same for every client."""
        return int.from_bytes(digest, "big") < self.tail_share * HASH_LIMIT


@dataclass(frozen=True)
class Stats:
    """What happened since the last reset.

    Attributes:
        requests: Completions asked for.
        peak_in_flight: Most completions that waited for their answer at one time.
        active_s: Seconds from the first request to the last answer.
        cpu_s: User and system CPU seconds of this process.
    """

    requests: int
    peak_in_flight: int
    active_s: float
    cpu_s: float


class Meter:
    """Counts requests, and those in flight."""

    def __init__(self) -> None:
        self._in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Start from zero; requests still in flight stay in flight."""
        self._requests = 0
        self._peak_in_flight = self._in_flight
        self._first_request_s: float | None = None
        self._last_answer_s = 0.0
        self._cpu_start_s = time.process_time()

    def request_arrived(self, now_s: float) -> None:
        """Count a completion request."""
        if self._first_request_s is None:
            self._first_request_s = self._last_answer_s = now_s
        self._requests += 1
        self._in_flight += 1
        self._peak_in_flight = max(self._peak_in_flight, self._in_flight)

    def answers_left(self, count: int, now_s: float) -> None:
        """Count requests as answered."""
        self._in_flight -= count
        self._last_answer_s = now_s

    def stats(self) -> Stats:
        """Counts since the last reset."""
        first_s = self._first_request_s
        return Stats(
            requests=self._requests,
            peak_in_flight=self._peak_in_flight,
            active_s=0.0 if first_s is None else round(self._last_answer_s - first_s, 6),
            cpu_s=round(time.process_time() - self._cpu_start_s, 6),
        )


class DelayedAnswers:
    """Sends answers a fixed time after they were queued."""

    def __init__(self, loop: asyncio.AbstractEventLoop, meter: Meter, delay_s: float) -> None:
        self._loop = loop
        self._meter = meter
        self._delay_s = delay_s
        self._queue: deque[tuple[float, Send, bytes]] = deque()

    def put(self, send: Send, answer: bytes, now_s: float) -> None:
        """Queue an answer."""
        due_s = now_s + self._delay_s
        self._queue.append((due_s, send, answer))
        if len(self._queue) == 1:
            self._loop.call_at(due_s, self._send_due)

    def _send_due(self) -> None:
        """Send what is due, and come back when the next one is."""
        queue = self._queue
        now_s = self._loop.time()
        sent = 0
        while queue and queue[0][0] <= now_s:
            _, send, answer = queue.popleft()
            send(answer)
            sent += 1
        self._meter.answers_left(sent, now_s)
        if queue:
            self._loop.call_at(max(queue[0][0], now_s + TIMER_SLACK_S), self._send_due)


class MockModel:
    """What all connections share: the answers to come and the counts."""

    def __init__(self, loop: asyncio.AbstractEventLoop, latency: Latency) -> None:
        self._loop = loop
        self._latency = latency
        self._usual = DelayedAnswers(loop, meter := Meter(), latency.usual_s)
        self._tail = DelayedAnswers(loop, meter, latency.tail_s)
        self._meter = meter

    def answer(self, request_line: bytes, body: bytes, send: Send) -> None:
        """Answer one request, now or after the latency.

        Raises:
            RequestError: If the body of a chat request is none.
        """
        method, target, _ = request_line.split(b" ", 2)
        match method, target.partition(b"?")[0]:
            case b"POST", b"/v1/chat/completions":
                self._answer_chat(body, send)
            case b"GET", b"/v1/models":
                send(http_response(MODELS))
            case b"GET", b"/health":
                send(http_response(b"{}"))
            case b"GET", b"/stats":
                send(http_response(self._stats_json()))
            case b"POST", b"/reset":
                send(http_response(self._stats_json()))
                self._meter.reset()
            case _:
                send(error_response(f"no route {method!r} {target!r}", b"404 Not Found"))

    def _answer_chat(self, body: bytes, send: Send) -> None:
        now_s = self._loop.time()
        prompt = last_user_message(body)
        digest = blake2b(prompt.encode(), digest_size=HASH_BYTES).digest()
        self._meter.request_arrived(now_s)
        answers = self._tail if self._latency.is_tail(digest) else self._usual
        answers.put(send, http_response(completion(prompt, digest)), now_s)

    def _stats_json(self) -> bytes:
        return json.dumps(asdict(self._meter.stats())).encode()


class Connection(asyncio.BufferedProtocol):
    """One HTTP/1.1 connection, kept open until the client closes it or asks us to."""

    # Shared, because what arrives is copied at once. Without a buffer of ours asyncio allocates
    # 256 KiB for every read: 0.22 instead of 0.17 ms of CPU per request.
    _buffer = memoryview(bytearray(BUFFER_BYTES))

    def __init__(self, model: MockModel) -> None:
        self._model = model
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where asyncio puts the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answer once head and body are complete."""
        self._received = received = self._received + self._buffer[:nbytes]
        head_bytes = received.find(HEAD_END)
        if head_bytes < 0:
            return
        length = CONTENT_LENGTH.search(received, 0, head_bytes)
        body_start = head_bytes + len(HEAD_END)
        if len(received) < body_start + (int(length[1]) if length else 0):
            return
        self._received = b""
        closes = CONNECTION_CLOSE.search(received, 0, head_bytes)
        send = self._send_and_close if closes else self._send
        try:
            self._model.answer(received[: received.index(b"\r\n")], received[body_start:], send)
        except RequestError as error:
            send(error_response(str(error), b"400 Bad Request"))

    def _send(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)

    def _send_and_close(self, response: bytes) -> None:
        self._send(response)
        self._transport.close()


def last_user_message(body: bytes) -> str:
    """Text of the last user message of a chat request, stripped.

    Raises:
        RequestError: If the body is not a chat request with a user message, or wants a stream.
    """
    try:
        request = json.loads(body.decode())
        if request.get("stream"):
            raise RequestError("this server does not stream; leave `stream` out")
        content = next(m["content"] for m in reversed(request["messages"]) if m["role"] == "user")
        text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise RequestError(
            f"expected a chat request with a user message, got {body[:100]!r}"
        ) from error
    return text.strip()


def completion(prompt: str, digest: bytes) -> bytes:
    """A chat.completion object; words stand in for tokens."""
    prompt_tokens = prompt.count(" ") + 1
    return COMPLETION.format(
        digest=digest.hex(),
        prompt_tokens=prompt_tokens,
        completion_tokens=COMPLETION_TOKENS,
        total_tokens=prompt_tokens + COMPLETION_TOKENS,
    ).encode()


def http_response(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A JSON response."""
    return b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


def error_response(message: str, status: bytes) -> bytes:
    """A response with the error object that clients of this API expect."""
    problem = {"error": {"message": message, "type": "invalid_request_error"}}
    return http_response(json.dumps(problem).encode(), status)


async def serve(port: int, latency: Latency) -> None:
    """Serve on the loopback interface until cancelled."""
    loop = asyncio.get_running_loop()
    model = MockModel(loop, latency)
    server = await loop.create_server(lambda: Connection(model), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="A mock model server for benchmarks.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-s", type=float, default=0.1)
    parser.add_argument("--tail-share", type=float, default=0.0)
    parser.add_argument("--tail-latency-s", type=float, default=1.0)
    args = parser.parse_args()
    latency = Latency(args.latency_s, args.tail_latency_s, args.tail_share)
    try:
        asyncio.run(serve(args.port, latency))
    except KeyboardInterrupt:
        print("stopped")


if __name__ == "__main__":
    main()
