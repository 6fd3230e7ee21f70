"""A model behind an OpenAI-compatible server, reached through the `openai` package.

`AsyncOpenAI` holds address and key, and lists the models. Chats go straight through its HTTP client
with headers made once: 0.25 ms of CPU each, where its `post` takes 0.55 and its
`chat.completions.create` 1.0 ms for building headers, address and reply objects anew each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
from random import Random

import aiohttp
import httpx2
import openai

from synth.core.chat import Completion, Message, Request, Sampling
from synth.core.errors import QUOTED_CHARS, EngineError, RequestRefused, in_one_line
from synth.engines.chat_api import (
    chat_body,
    read_completion,
    read_error,
    read_model_names,
    retry_after_s,
)
from synth.engines.limit import AdaptiveLimit
from synth.engines.specs import OpenAISpec

BACKOFF_BASE_S = 0.5
BACKOFF_CAP_S = 30.0
# Who asks for more is out of quota for the day: the run stops sooner than it waits for that.
RETRY_AFTER_CAP_S = 300.0
# A host that drops packets must not hold a call for as long as a reply may take.
CONNECT_TIMEOUT_S = 10.0
CHECK_TIMEOUT_S = 30.0
# uvicorn, under `vllm serve`, closes an idle connection after 5 s; a request sent at that moment
# would be lost and repeated.
KEEPALIVE_S = 3.0
NAMED_MODELS = 20  # a hosted API knows hundreds

_OK = 200
_BUSY = frozenset({429, 503})
_TRANSIENT = frozenset({408, 409, 425, 429, *range(500, 600)})
_REFUSED = frozenset({400, 413, 422})
_NO_ENTRY = frozenset({401, 403})
_NOT_FOUND = 404
_LISTS_NOTHING = frozenset({404, 405})  # some gateways have no list of models
# As vLLM, SGLang, llama.cpp and the hosted APIs put it.
_TOO_LONG = re.compile(r"context.?(?:length|size|window)|too many tokens|prompt is too long", re.I)
_NO_KEY = "none"  # a server that wants no key takes any

_HELLO = Request((Message("user", "Hello"),), Sampling(max_tokens=1), seed=0)

_log = logging.getLogger(__name__)


class _Fault(Exception):  # noqa: N818  (never leaves this file)
    """An attempt that failed where another may not; the server may have said when to come back."""

    def __init__(self, what: str, wait_s: float = 0.0) -> None:
        super().__init__(what)
        self.wait_s = wait_s


class ServerModel:
    """An LLM behind a server. It connects when first used, and stays in that event loop.

    Args:
        spec: The model and its server.
        backoff_base_s: Longest wait before a call is repeated the first time; then it doubles.

    Raises:
        EngineError: If address or key cannot be sent.
    """

    def __init__(self, spec: OpenAISpec, *, backoff_base_s: float = BACKOFF_BASE_S) -> None:
        self._spec = spec
        self._backoff_base_s = backoff_base_s
        self._key = os.environ.get(spec.api_key_env, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise EngineError(
                f"the key in ${spec.api_key_env} holds characters that no HTTP header may hold; "
                "set the variable to the key alone"
            )
        try:
            base = httpx2.URL(spec.base_url)
        except httpx2.InvalidURL as error:
            raise EngineError(f"base_url is not an address: {error}") from error
        if base.userinfo:
            raise EngineError(
                f"base_url holds a user name or a password; put the key into ${spec.api_key_env}"
            )
        # Without the query, which may hold a secret.
        self._server = f"{base.scheme}://{base.netloc.decode()}{base.path}".rstrip("/")
        self._url = base.copy_with(path=base.path.rstrip("/") + "/chat/completions")
        self._limit = AdaptiveLimit(spec.max_in_flight)
        self._jitter = Random()
        self._answered = 0

    async def complete(self, request: Request) -> Completion:
        """The reply to one request; what may pass is asked again, up to `max_retries` times.

        Raises:
            RequestRefused: If this one fails to the last while the server answers others.
            EngineError: If the server answers none.
        """
        body = chat_body(self._spec.model, request)
        attempt, answered = 0, self._answered
        while True:
            attempt += 1
            try:
                async with self._limit:
                    return await self._attempt(body, request.choices)
            except _Fault as fault:
                if attempt > self._spec.max_retries and self._answered > answered:
                    raise RequestRefused("server_failed", str(fault)) from fault
                if attempt > self._spec.max_retries:
                    raise EngineError(
                        f"the model server at {self._server} failed one request {attempt} times "
                        f"in a row, at last with: {fault}; see to the server and start the same "
                        "run again, the replies that came are kept"
                    ) from fault
                wait_s = max(fault.wait_s, self._backoff_s(attempt))
                _log.info("attempt %d failed (%s); next in %.1f s", attempt, fault, wait_s)
            await asyncio.sleep(wait_s)

    async def check(self) -> None:
        """Whether the server answers, takes the key and knows the model.

        Raises:
            EngineError: If it does not.
        """
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                answer = await self._client.models.with_raw_response.list()
        except openai.APIStatusError as error:
            if error.status_code not in _LISTS_NOTHING:
                # Without the cause, in whose text some servers repeat the key.
                raise self._stopped(error.status_code, error.response.content) from None
            with contextlib.suppress(RequestRefused):
                await self.complete(_HELLO)
            return
        except (openai.APIConnectionError, aiohttp.ClientError, OSError) as error:
            cause = isinstance(error, openai.APIConnectionError) and error.__cause__
            raise EngineError(
                f"no model server answers at {self._server} ({in_one_line(cause or error)}); start "
                f"it, as with `vllm serve {self._spec.model}`, or correct `base_url`"
            ) from error
        known = read_model_names(answer.content)
        if known is None:
            raise EngineError(
                f"what answers at {self._server} is no OpenAI-compatible server "
                f"({self._said(answer.content)}); does `base_url` end in /v1?"
            )
        if self._spec.model not in known:
            listed = ", ".join(map(repr, known[:NAMED_MODELS]))
            more = f" and {len(known) - NAMED_MODELS} more" if len(known) > NAMED_MODELS else ""
            raise EngineError(
                f"the model server at {self._server} does not know the model "
                f"{self._spec.model!r}; it knows {listed or 'none'}{more}"
            )

    async def close(self) -> None:
        """Close all connections; a later call opens new ones."""
        client = self.__dict__.pop("_client", None)
        self.__dict__.pop("_http", None)
        if client is not None:
            await client.close()

    @functools.cached_property
    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self._spec.base_url, api_key=self._key or _NO_KEY, http_client=self._http
        )

    @functools.cached_property
    def _http(self) -> httpx2.AsyncClient:
        # Over aiohttp, because httpx2's own transport takes 0.35 ms more for each request.
        size = self._spec.max_in_flight
        return openai.DefaultAioHttpClient(
            limits=httpx2.Limits(
                max_connections=size, max_keepalive_connections=size, keepalive_expiry=KEEPALIVE_S
            ),
            # The exchange as a whole is timed in `_exchange`.
            timeout=httpx2.Timeout(None, connect=min(CONNECT_TIMEOUT_S, self._spec.timeout_s)),
        )

    @functools.cached_property
    def _headers(self) -> httpx2.Headers:
        return httpx2.Headers(
            {
                **self._client.auth_headers,
                "content-type": "application/json",
                "accept": "application/json",
                "accept-encoding": "gzip, deflate",  # what httpx2 reads without further packages
                "user-agent": self._client.user_agent,
            }
        )

    async def _attempt(self, body: bytes, choices: tuple[str, ...]) -> Completion:
        response = await self._exchange(body)
        if response.status_code != _OK:
            raise self._failure(response)
        completion = read_completion(response.content, choices)
        if completion is None and choices and read_completion(response.content) is not None:
            raise EngineError(
                f"the model server at {self._server} gives no `logprobs`, by which prompts with "
                "`choices` score; use a server that does, such as `vllm serve`, or a prompt whose "
                "`reply` is a number"
            )
        if completion is None:
            raise _Fault(f"a reply that is no chat completion: {self._said(response.content)}")
        self._answered += 1
        self._limit.succeeded()
        return completion

    async def _exchange(self, body: bytes) -> httpx2.Response:
        request = httpx2.Request("POST", self._url, headers=self._headers, content=body)
        try:
            async with asyncio.timeout(self._spec.timeout_s) as timer:
                return await self._http.send(request)
        except (httpx2.RequestError, aiohttp.ClientError, OSError) as error:
            late = timer.expired()
            what = f"no reply within {self._spec.timeout_s:g} s" if late else in_one_line(error)
            raise _Fault(what) from error

    def _failure(self, response: httpx2.Response) -> Exception:
        """What an answer other than 200 means: try again, drop the row, or stop the run."""
        status = response.status_code
        if status in _BUSY:
            self._limit.overloaded()
        if status in _TRANSIENT:
            wait_s = min(RETRY_AFTER_CAP_S, retry_after_s(response.headers))
            return _Fault(f"HTTP {status}: {self._said(response.content)}", wait_s)
        if status in _REFUSED:
            said = self._said(response.content)
            reason = "prompt_too_long" if _TOO_LONG.search(said) else "server_refused"
            return RequestRefused(reason, f"HTTP {status}: {said}")
        return self._stopped(status, response.content)

    def _stopped(self, status: int, body: bytes) -> EngineError:
        """An answer that every other request would get as well."""
        spec = self._spec
        if status in _NO_ENTRY:
            held = "refuses the key in" if self._key else "wants a key, and none is in"
            advice = f"it {held} ${spec.api_key_env}; set it to a key that is valid there"
        elif status == _NOT_FOUND:
            advice = f"does it serve {spec.model!r}, and does `base_url` end in /v1?"
        else:
            advice = "correct `base_url` or see to the server"
        said = self._said(body)
        return EngineError(
            f"the model server at {self._server} says HTTP {status}: {said}; {advice}"
        )

    def _said(self, body: bytes) -> str:
        """The message of an answer in one line, without the key."""
        text = read_error(body) or body.decode(errors="replace")
        if self._key:  # some servers repeat it
            text = text.replace(self._key, "***")
        return " ".join(text.split())[:QUOTED_CHARS] or "nothing"

    def _backoff_s(self, attempt: int) -> float:
        # Half of it is sure: if all of it were drawn ("full jitter"), 1 call in 40 would use up its
        # 8 repetitions within the 20 s of a restart, and with 64 in flight most runs would stop.
        longest_s = min(BACKOFF_CAP_S, self._backoff_base_s * 2 ** (attempt - 1))
        return self._jitter.uniform(longest_s / 2, longest_s)
