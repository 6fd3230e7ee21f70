"""Engines as Ray actors: a model in a process of its own, which ends itself when it hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from synth.core.chat import Completion, Request
from synth.core.errors import EngineError, RequestRefused, SynthError
from synth.engines.guard import SILENT_S, Guard
from synth.engines.load import EngineArgs, load_encoder, load_llm, load_scorer
from synth.engines.specs import CrossEncoderSpec, ModelSpec, OpenAISpec, VllmSpec
from synth.runner.meter import MeterHandle

_CHECK_EVERY_S = 5.0
# A call to an encoder that uses less CPU than this in so long is stuck.
_WORKING_S = 1.0
_LOG_TAIL_BYTES = 256 << 10
_EXCEPTION = re.compile(r"\b\w*(?:Error|Exception|Killed|OutOfMemory)\b: .+")


class _Loaded:
    """What both kinds of engine actors share: failing to load is an answer, not a traceback."""

    def __init__(
        self, name: str, spec: ModelSpec, engine_args: EngineArgs, meter: MeterHandle
    ) -> None:
        self._name = name
        self._meter = meter
        self._failure: str | None = None
        try:
            self._model: Any = _load(spec, engine_args)
        except SynthError as error:
            self._failure = str(error)
        except Exception as error:  # noqa: BLE001  (whatever a model's code raises, as a sentence)
            self._failure = f"{spec.model} cannot be loaded: {type(error).__name__}: {error}"


def _load(spec: ModelSpec, engine_args: EngineArgs) -> Any:  # noqa: ANN401  (LLM, encoder or scorer)
    if isinstance(spec, VllmSpec):
        return load_llm(spec, engine_args)
    if isinstance(spec, CrossEncoderSpec):
        return load_scorer(spec)
    if isinstance(spec, OpenAISpec):
        raise EngineError(f"{spec.model} is a server; no engine is started for it")
    return load_encoder(spec)


class LlmEngine(_Loaded):
    """One vLLM engine in a process of its own, which ends itself when the engine is dead."""

    def __init__(
        self, name: str, spec: VllmSpec, engine_args: EngineArgs, meter: MeterHandle
    ) -> None:
        super().__init__(name, spec, engine_args, meter)
        self._watch: asyncio.Task[None] | None = None

    async def ready(self) -> str | None:
        """Why the engine is not up, None when it is."""
        if self._failure is None and self._watch is None:
            self._watch = asyncio.create_task(self._watch_engine())
        return self._failure

    async def complete(self, request: Request) -> Completion | RequestRefused:
        """The reply, or the refusal as a value: an exception would be pickled with its stack."""
        if self._watch is None and await self.ready() is not None:
            await self._end(EngineError(self._failure or "the engine did not start"))
        try:
            reply: Completion = await self._model.complete(request)
        except RequestRefused as refusal:
            return refusal
        except EngineError as error:
            await self._end(error)
            raise
        return reply

    async def _watch_engine(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            try:
                await self._model.check()
            except EngineError as error:
                await self._end(error)

    async def _end(self, error: EngineError) -> None:
        """Ends the process: Ray starts it again, and every request under way is asked again."""
        logged = last_error_logged()
        words = f"{error} ({logged})" if logged else str(error)
        await self._meter.last_words.remote(self._name, words)
        os._exit(1)


def last_error_logged() -> str | None:
    """The last exception that this process or one of its children wrote to standard error."""
    try:
        with Path("/proc/self/fd/2").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:  # no log file on this system
        return None
    told = [found[0] for line in lines if (found := _EXCEPTION.search(line))]
    # What vLLM says of a dead engine is no reason for its death.
    own = [one for one in told if "EngineDeadError" not in one]
    return own[-1][:300] if own else None


class EncoderEngine(_Loaded):
    """One encoder or cross-encoder in a process of its own, which ends itself when it hangs."""

    def __init__(
        self, name: str, spec: ModelSpec, engine_args: EngineArgs, meter: MeterHandle
    ) -> None:
        super().__init__(name, spec, engine_args, meter)
        self._calls, self._busy = 0, False
        self._guard = Guard()
        threading.Thread(target=self._watch, daemon=True, name="watch").start()

    def ready(self) -> str | None:
        """Why the model is not loaded, None when it is."""
        return self._failure

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dim)."""
        with self._at_work():
            vectors: NDArray[np.float32] = self._model.encode(texts)
        return vectors

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Scores of shape (len(pairs),)."""
        with self._at_work():
            scores: NDArray[np.float32] = self._model.score(pairs)
        return scores

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        self._calls, self._busy = self._calls + 1, True
        try:
            yield
        finally:
            self._busy = False

    def _watch(self) -> None:
        """Beats while the process is well: a call that long uses no CPU is stuck, not slow."""
        calls, judged, spent_s = self._calls, time.monotonic(), time.process_time()
        while True:
            self._guard.beat()
            time.sleep(_CHECK_EVERY_S)
            idle = not self._busy or self._calls != calls
            if idle or time.process_time() - spent_s > _WORKING_S:
                calls, judged, spent_s = self._calls, time.monotonic(), time.process_time()
            elif time.monotonic() - judged > SILENT_S:
                words = f"the encoder did not answer for {SILENT_S} s"
                ray.get(self._meter.last_words.remote(self._name, words))
                os._exit(1)
