"""A model as a generate step sees it, wherever its engines are."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from typing import Any, cast

from ray.exceptions import ActorDiedError, ActorUnavailableError

from synth.core.chat import LLM, Completion, Request
from synth.core.errors import EngineError, RequestRefused
from synth.engines.load import load_llm
from synth.engines.specs import LlmSpec, ModelSpec
from synth.runner.engines import RETRY_S, obituary
from synth.runner.meter import MeterHandle


class RemoteLLM:
    """An LLM whose engines are actors: each request goes to the one with the fewest under way.

    A request whose engine dies is asked of another, or of the same one after its restart.

    Args:
        name: The model's name in the recipe.
        engines: Its `LlmEngine` actors.
        meter: Knows the last words of a dead engine.
    """

    def __init__(self, name: str, engines: Sequence[Any], meter: MeterHandle) -> None:
        self._name = name
        self._engines = list(engines)
        random.Random(os.getpid()).shuffle(self._engines)
        self._under_way = [0] * len(self._engines)
        self._dead: set[int] = set()
        self._told: str | None = None
        self._meter = meter

    async def complete(self, request: Request) -> Completion:
        """The reply to one request."""
        while True:
            alive = [at for at in range(len(self._engines)) if at not in self._dead]
            if not alive:
                words = await self._meter.last_words.remote(self._name)
                raise EngineError(obituary(self._name, words))
            at = min(alive, key=self._under_way.__getitem__)
            self._under_way[at] += 1
            try:
                answer = await self._engines[at].complete.remote(request)
            except ActorUnavailableError:
                await self._tell("restarting")
                await asyncio.sleep(RETRY_S)
                continue
            except ActorDiedError:
                self._dead.add(at)
                continue
            finally:
                self._under_way[at] -= 1
            if isinstance(answer, RequestRefused):
                raise answer
            await self._tell(None)
            reply: Completion = answer
            return reply

    async def _tell(self, state: str | None) -> None:
        """Lets the display say that an engine is not there, and that it is again."""
        if state != self._told:
            self._told = state
            await self._meter.engine.remote(self._name, state)


def llm_of(name: str, spec: ModelSpec, actors: Sequence[Any], meter: MeterHandle) -> LLM:
    """The live LLM as a worker sees it: actors' or, for a server and the fake, its own client."""
    if actors:
        return RemoteLLM(name, actors, meter)
    return load_llm(cast("LlmSpec", spec), {})  # the plan has checked that it is an LLM
