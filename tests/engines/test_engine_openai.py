from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from types import TracebackType
from typing import Any, TypeVar

import httpx2
import orjson
import pytest
from aiohttp import web

from synth.core.chat import Completion, Message, Request, Sampling
from synth.core.errors import EngineError, RequestRefused, SynthError
from synth.engines.chat_api import read_completion, retry_after_s
from synth.engines.openai import ServerModel
from synth.engines.specs import OpenAISpec

T = TypeVar("T")
Answer = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]
KEY = "sk-very-secret-0123456789"
FAULTS = ("429", "500", "503", "reset", "late", "cut", "html", "no choices", "no http")
LATE_S = 60.0
NOTHING_SET = Sampling()


def chat(text: str, **more: Any) -> bytes:
    message = {"role": "assistant", "content": text, "reasoning_content": "hm, let me see"}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **more}
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    return orjson.dumps({"object": "chat.completion", "choices": [choice], "usage": usage})


async def echo(request: web.Request, body: bytes) -> web.StreamResponse:
    text = orjson.loads(body)["messages"][-1]["content"]
    return web.Response(body=chat(f"echo {text}"), content_type="application/json")


def always(status: int, body: str, headers: dict[str, str] | None = None) -> Answer:
    async def answer(request: web.Request, received: bytes) -> web.StreamResponse:
        return web.Response(status=status, text=body, headers=headers)

    return answer


async def fail(fault: str, request: web.Request, body: bytes) -> web.StreamResponse:
    assert request.transport is not None
    match fault:
        case "429":
            return web.Response(status=429, headers={"retry-after-ms": "5"}, text="slow down")
        case "500" | "503":
            return web.Response(status=int(fault), text="oh dear")
        case "reset":
            request.transport.abort()
        case "late":
            await asyncio.sleep(LATE_S)
        case "html":
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        case "no choices":
            return web.json_response({"error": {"message": "no capacity"}})
        case "no http":
            request.transport.write(b"SMTP/9 hello\r\n\r\n")
            request.transport.close()
        case "cut":
            whole = chat("echo " + "x" * 500)
            half = web.StreamResponse(headers={"content-length": str(len(whole))})
            await half.prepare(request)
            await half.write(whole[: len(whole) // 2])
            request.transport.close()
            return half
    return web.Response()


class Server:
    """A real HTTP server on a free port; what it received is in `bodies` and `headers`."""

    def __init__(self, answer: Answer = echo, models: Any = ("m",)) -> None:
        self._answer = answer
        self._models = models
        self._port = 0
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.in_flight = self.peak = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def spec(self, **fields: Any) -> OpenAISpec:
        fields = {"max_in_flight": 32, "timeout_s": 20, "max_retries": 12, **fields}
        return OpenAISpec(kind="openai", model="m", base_url=self.base_url, **fields)

    async def __aenter__(self) -> Server:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._chat)
        if isinstance(self._models, tuple):
            app.router.add_get("/v1/models", self._list)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()

    async def _list(self, request: web.Request) -> web.Response:
        if request.headers["authorization"] == "Bearer wrong":
            return web.json_response({"error": {"message": "bad key wrong"}}, status=401)
        return web.json_response({"object": "list", "data": [{"id": m} for m in self._models]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            return await self._answer(request, body)
        finally:
            self.in_flight -= 1


def served(
    use: Callable[[Server, ServerModel], Awaitable[T]],
    answer: Answer = echo,
    models: Any = ("m",),
    **fields: Any,
) -> T:
    """Run `use` with a server and a model that talks to it."""

    async def main() -> T:
        async with Server(answer, models) as server:
            model = ServerModel(server.spec(**fields), backoff_base_s=0.01)
            try:
                return await use(server, model)
            finally:
                await model.close()

    return asyncio.run(main())


def asking(text: str, sampling: Sampling = NOTHING_SET, schema: str | None = None) -> Request:
    return Request((Message("system", "Be brief."), Message("user", text)), sampling, 7, schema)


async def ask_once(server: Server, model: ServerModel) -> Completion:
    return await model.complete(asking("hi"))


def test_the_reply_is_the_content_alone_with_its_counts() -> None:
    assert served(ask_once) == Completion("echo hi", "stop", 3, 2)


def test_a_server_that_fails_three_times_in_ten_answers_every_request_once_and_right() -> None:
    draw, seen = Random(3), Counter[str]()

    async def flaky(request: web.Request, body: bytes) -> web.StreamResponse:
        if draw.random() < 0.3:
            fault = draw.choice(FAULTS)
            seen[fault] += 1
            return await fail(fault, request, body)
        seen["answered"] += 1
        return await echo(request, body)

    async def use(server: Server, model: ServerModel) -> list[Completion]:
        return await asyncio.gather(*(model.complete(asking(f"row {n}")) for n in range(300)))

    replies = served(use, flaky, timeout_s=3)
    assert [reply.text for reply in replies] == [f"echo row {n}" for n in range(300)]
    assert seen["answered"] == 300
    assert set(seen) == {*FAULTS, "answered"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_keeps_failing_stops_the_run_after_its_retries(fault: str) -> None:
    async def failing(request: web.Request, body: bytes) -> web.StreamResponse:
        return await fail(fault, request, body)

    asked = []

    async def use(server: Server, model: ServerModel) -> None:
        try:
            await ask_once(server, model)
        finally:
            asked.extend(server.bodies)

    with pytest.raises(EngineError, match=r"failed one request 3 times in a row, at last with: \S"):
        served(use, failing, max_retries=2, timeout_s=0.5 if fault == "late" else 20)
    assert len(asked) == 3


def test_a_server_that_restarts_in_mid_run_is_waited_for() -> None:
    async def slow(request: web.Request, body: bytes) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return await echo(request, body)

    async def main() -> list[str]:
        server = await Server(slow).__aenter__()
        model = ServerModel(server.spec(max_in_flight=8), backoff_base_s=0.05)
        calls = [asyncio.create_task(model.complete(asking(str(n)))) for n in range(100)]
        await asyncio.sleep(0.2)
        await server.__aexit__()
        await asyncio.sleep(0.5)
        assert not all(call.done() for call in calls)
        async with server:
            replies = await asyncio.gather(*calls)
            await model.close()
        return [reply.text for reply in replies]

    assert asyncio.run(main()) == [f"echo {n}" for n in range(100)]


def test_by_default_no_call_gives_up_within_the_20_s_of_a_restart() -> None:
    spec = OpenAISpec(kind="openai", model="m", base_url="http://127.0.0.1:1/v1")
    model = ServerModel(spec)
    for _ in range(200):
        waits_s = [model._backoff_s(attempt) for attempt in range(1, spec.max_retries + 1)]
        assert sum(waits_s) > 20
        assert max(waits_s) <= 30


def test_two_models_do_not_come_back_at_the_same_moment() -> None:
    spec = OpenAISpec(kind="openai", model="m", base_url="http://127.0.0.1:1/v1")
    assert ServerModel(spec)._backoff_s(5) != ServerModel(spec)._backoff_s(5)


def test_a_call_waits_as_long_as_the_server_asks() -> None:
    answers = [always(429, "wait", {"Retry-After": "0.3"}), echo]

    async def once(request: web.Request, body: bytes) -> web.StreamResponse:
        return await answers.pop(0)(request, body)

    began_s = time.monotonic()
    assert served(ask_once, once).text == "echo hi"
    assert time.monotonic() - began_s >= 0.3


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({}, 0, 0),
        ({"Retry-After": "7"}, 7, 7),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5, 1.5),
        (
            {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=9))},
            8 * 3600,
            9 * 3600,
        ),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0, 0),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 -0000"}, 0, 0),
        ({"Retry-After": "soon"}, 0, 0),
        ({"Retry-After": "-3"}, 0, 0),
        ({"Retry-After": "nan"}, 0, 0),
        ({"Retry-After": "inf"}, 0, 0),
    ],
)
def test_retry_after_is_read_in_every_form(
    headers: dict[str, str], low: float, high: float
) -> None:
    assert low <= retry_after_s(httpx2.Headers(headers)) <= high


def test_never_more_than_max_in_flight_and_fewer_after_the_server_was_busy() -> None:
    busy = True

    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return await (always(503, "busy") if busy else echo)(request, body)

    async def use(server: Server, model: ServerModel) -> tuple[int, int]:
        nonlocal busy
        calls = [asyncio.create_task(model.complete(asking(str(n)))) for n in range(40)]
        while model._limit.limit == 8 or server.in_flight > 6:
            await asyncio.sleep(0.01)
        first, server.peak, busy = server.peak, 0, False
        await asyncio.gather(*calls)
        return first, server.peak

    first, later = served(use, answer, max_in_flight=8, max_retries=50)
    assert 1 < first <= 8
    assert 1 < later <= 6 + 1  # 0.75 of 8, and one more for 25 successes


def test_a_cancelled_call_frees_its_place() -> None:
    async def answer(request: web.Request, body: bytes) -> web.StreamResponse:
        if b"never" in body:
            await asyncio.sleep(5)
        return await echo(request, body)

    async def use(server: Server, model: ServerModel) -> str:
        stuck = asyncio.create_task(model.complete(asking("never")))
        await asyncio.sleep(0.05)
        stuck.cancel()
        return (await asyncio.wait_for(model.complete(asking("next")), 1)).text

    assert served(use, answer, max_in_flight=1) == "echo next"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, '{"error": {"message": "This model\'s maximum context length is 8."}}', "too_long"),
        (400, '{"object": "error", "message": "exceeds the context window"}', "too_long"),
        (413, "entity too large", "server_refused"),
        (422, '{"detail": "min_p: not a number"}', "server_refused"),
    ],
)
def test_a_refused_request_costs_one_row_and_one_call(status: int, body: str, reason: str) -> None:
    async def use(server: Server, model: ServerModel) -> int:
        with pytest.raises(RequestRefused) as refused:
            await ask_once(server, model)
        assert refused.value.reason.endswith(reason)
        assert f"HTTP {status}: " in refused.value.detail
        assert "{" not in refused.value.detail
        return len(server.bodies)

    assert served(use, always(status, body)) == 1


@pytest.mark.parametrize(
    ("status", "key", "advice"),
    [
        (401, KEY, r"it refuses the key in \$SYNTH_TEST_KEY; set it to a key that is valid there"),
        (403, "", r"it wants a key, and none is in \$SYNTH_TEST_KEY"),
        (404, KEY, "does it serve 'm', and does `base_url` end in /v1"),
        (402, KEY, "see to the server"),
    ],
)
def test_what_every_request_would_meet_stops_the_run_in_one_sentence(
    status: int, key: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTH_TEST_KEY", key)
    answer = always(status, "no\n" * 900)
    with pytest.raises(EngineError, match=advice) as stopped:
        served(ask_once, answer, api_key_env="SYNTH_TEST_KEY")
    assert str(stopped.value).startswith("the model server at http://127.0.0.1:")
    assert f"says HTTP {status}: no no no" in str(stopped.value)
    assert "\n" not in str(stopped.value)
    assert len(str(stopped.value)) < 600


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_the_key_is_sent_and_appears_in_no_message_and_no_log(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SYNTH_TEST_KEY", f" {KEY}\n")
    caplog.set_level(logging.DEBUG)

    async def use(server: Server, model: ServerModel) -> str:
        await model.check()
        with pytest.raises(SynthError) as error:
            await ask_once(server, model)
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        return f"{error.value!r} {error.value} {model!r} {model._client!r} {model._headers!r}"

    answer = always(status, f'{{"error": {{"message": "bad key {KEY}"}}}}')
    said = served(use, answer, api_key_env="SYNTH_TEST_KEY", max_retries=1)
    assert "bad key ***" in said
    assert caplog.text
    assert KEY not in said + caplog.text


def test_a_key_that_no_header_may_hold_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SYNTH_TEST_KEY", "sk-1\nsk-2")
    url = "http://127.0.0.1:1/v1"
    spec = OpenAISpec(kind="openai", model="m", base_url=url, api_key_env="SYNTH_TEST_KEY")
    with pytest.raises(EngineError, match=r"the key in \$SYNTH_TEST_KEY") as refused:
        ServerModel(spec)
    assert "sk-" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://me:hush@127.0.0.1:1/v1", "base_url holds a user name or a password"),
        ("http://127.0.0.1:hush/v1", "base_url is not an address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_before_any_call(url: str, said: str) -> None:
    with pytest.raises(EngineError, match=said) as refused:
        ServerModel(OpenAISpec(kind="openai", model="m", base_url=url))
    assert "me:hush" not in str(refused.value)


def test_every_sampling_field_arrives_under_its_own_name() -> None:
    integers = {"top_k": 5, "max_tokens": 6}
    floats = {name: 0.5 for name in Sampling.model_fields if name not in {*integers, "stop"}}
    sampling = Sampling.model_validate({**floats, **integers, "stop": ["END", "###"]})
    assert None not in sampling.model_dump().values()

    async def use(server: Server, model: ServerModel) -> dict[str, Any]:
        await model.complete(asking("hi", sampling))
        return dict(orjson.loads(server.bodies[0]))

    assert served(use) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ],
        "seed": 7,
        **floats,
        **integers,
        "stop": ["END", "###"],
    }


def test_a_schema_arrives_as_the_response_format() -> None:
    schema = '{"properties":{"query":{"type":"string"}},"type":"object"}'

    async def use(server: Server, model: ServerModel) -> dict[str, Any]:
        await model.complete(asking("hi", schema=schema))
        return dict(orjson.loads(server.bodies[0]))

    body = served(use)
    sent = {"name": "reply", "schema": orjson.loads(schema), "strict": True}
    assert body["response_format"] == {"type": "json_schema", "json_schema": sent}
    assert set(body) == {"model", "messages", "seed", "response_format"}


@pytest.mark.parametrize(
    ("body", "reply"),
    [
        (chat("cut off", finish_reason="length"), Completion("cut off", "length", 3, 2)),
        (
            b'{"choices": [{"message": {"content": null, "reasoning": "hm"}}], "usage": null}',
            Completion(""),
        ),
        (chat("half a re", finish_reason="abort"), None),
        (b'{"choices": [{"message": {"content": [1]}}]}', None),
        (b'{"choices": []}', None),
        (b"[]", None),
        (b"null", None),
        (b"", None),
    ],
)
def test_a_body_is_a_reply_or_none(body: bytes, reply: Completion | None) -> None:
    assert read_completion(body) == reply


async def check(server: Server, model: ServerModel) -> int:
    await model.check()
    return len(server.bodies)


def test_check_passes_where_the_model_is_listed_and_asks_nothing() -> None:
    assert served(check, models=("other", "m")) == 0


def test_check_lists_what_the_server_knows_instead() -> None:
    with pytest.raises(EngineError, match=r"does not know the model 'm'; it knows 'a', 'b'$"):
        served(check, models=("a", "b"))
    with pytest.raises(EngineError, match=r"'m0', .* 'm19' and 280 more$"):
        served(check, models=tuple(f"m{number}" for number in range(300)))


def test_check_asks_one_chat_of_a_server_without_a_list_of_models() -> None:
    assert served(check, models=None) == 1
    with pytest.raises(EngineError, match="does it serve 'm'"):
        served(check, always(404, "gone"), models=None)


def test_check_names_the_variable_of_a_refused_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_TEST_KEY", "wrong")
    said = r"says HTTP 401: bad key \*\*\*; it refuses the key in \$SYNTH_TEST_KEY"
    with pytest.raises(EngineError, match=said) as refused:
        served(check, api_key_env="SYNTH_TEST_KEY")
    assert "bad key wrong" not in "".join(traceback.format_exception(refused.value))


def test_check_says_that_nothing_answers() -> None:
    async def use(server: Server, model: ServerModel) -> None:
        await server.__aexit__()
        await model.check()

    with pytest.raises(EngineError, match=r"no model server answers at http.*`vllm serve m`"):
        served(use)


CHOOSING = Request((Message("user", "?"),), Sampling(max_tokens=1), 0, None, ("yes", "no"))


def test_choices_are_asked_for_and_read_as_probabilities() -> None:
    async def weigh(request: web.Request, body: bytes) -> web.StreamResponse:
        tokens = [{"token": "Yes", "logprob": -0.5}, {"token": " no", "logprob": -1.5}]
        answer = orjson.loads(chat("Yes"))
        answer["choices"][0]["logprobs"] = {"content": [{"top_logprobs": tokens}]}
        return web.json_response(answer)

    async def use(server: Server, model: ServerModel) -> tuple[Completion, Any]:
        return await model.complete(CHOOSING), orjson.loads(server.bodies[0])

    found, sent = served(use, weigh)
    assert orjson.loads(found.text) == {"yes": 0.606531, "no": 0.22313}
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 20)


def test_a_server_that_weighs_no_choices_stops_the_run_at_once() -> None:
    async def use(server: Server, model: ServerModel) -> int:
        with pytest.raises(EngineError, match="gives no `logprobs`"):
            await model.complete(CHOOSING)
        return len(server.bodies)

    assert served(use) == 1
