"""Engines as Ray actors: started when first needed, kept until no later step needs them."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError

from synth.core.chat import LLM, Completion, Request
from synth.core.errors import EngineError, RequestRefused, RunStopped, SynthError
from synth.engines.load import EngineArgs, load_encoder, load_llm, load_scorer
from synth.engines.specs import CrossEncoderSpec, LlmSpec, ModelSpec, OpenAISpec, VllmSpec
from synth.engines.vllm import environment
from synth.runner.meter import MeterHandle

# An engine that dies is started again this often; one that dies each time is broken.
_RESTARTS = 3
_CHECK_EVERY_S = 5.0
_LOG_TAIL_BYTES = 256 << 10
_EXCEPTION = re.compile(r"\b\w*(?:Error|Exception|Killed|OutOfMemory)\b: .+")
_RETRY_S = 1.0
# How long an actor may wait for a place on the cluster before the user is told.
_PLACEMENT_PATIENCE_S = 300.0
# How soon Ctrl-C is heard while engines start.
_STOP_POLL_S = 2.0


@dataclass(frozen=True)
class Placement:
    """Where and how wide a run goes: nothing of it changes a row.

    Attributes:
        engines: Engines of each model; ``""`` is for those not named.
        gpus_per_engine: GPUs of each engine of a model, likewise.
        engine_args: Handed to vLLM as they are, such as ``tensor_parallel_size``.
        batch_rows: Rows of one batch; chosen from the number of rows when None.
        address: Address of a Ray cluster; None starts one on this machine.
        in_process_rows: Steps on at most so many rows, but those that ask an LLM, run in this
            process: starting Ray's workers takes some ten times longer than their work.
    """

    engines: Mapping[str, int] = field(default_factory=dict)
    gpus_per_engine: Mapping[str, float] = field(default_factory=dict)
    engine_args: EngineArgs = field(default_factory=dict)
    batch_rows: int | None = None
    address: str | None = None
    in_process_rows: int = 10_000

    def engines_of(self, model: str) -> int:
        """How many engines a model gets."""
        return self.engines.get(model, self.engines.get("", 1))

    def gpus_of(self, model: str) -> float:
        """How many GPUs each engine of a model gets."""
        return self.gpus_per_engine.get(model, self.gpus_per_engine.get("", 0.0))


class _Loaded:
    """What both kinds of engine actors share: failing to load is an answer, not a traceback."""

    def __init__(self, spec: ModelSpec, engine_args: EngineArgs) -> None:
        self._failure: str | None = None
        try:
            self._model: Any = _load(spec, engine_args)
        except SynthError as error:
            self._failure = str(error)
        except Exception as error:  # noqa: BLE001  (whatever a model's code raises, as a sentence)
            self._failure = f"{spec.model} cannot be loaded: {type(error).__name__}: {error}"

    def _failure_to_load(self) -> str | None:
        return self._failure


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
        super().__init__(spec, engine_args)
        self._name = name
        self._meter = meter
        self._watch: asyncio.Task[None] | None = None

    async def ready(self) -> str | None:
        """Why the engine is not up, None when it is."""
        if self._failure_to_load() is None and self._watch is None:
            self._watch = asyncio.create_task(self._watch_engine())
        return self._failure_to_load()

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
    """One encoder or cross-encoder in a process of its own."""

    def ready(self) -> str | None:
        """Why the model is not loaded, None when it is."""
        return self._failure_to_load()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of shape (len(texts), dim)."""
        vectors: NDArray[np.float32] = self._model.encode(texts)
        return vectors

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Scores of shape (len(pairs),)."""
        scores: NDArray[np.float32] = self._model.score(pairs)
        return scores


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
                raise EngineError(await self._obituary())
            at = min(alive, key=self._under_way.__getitem__)
            self._under_way[at] += 1
            try:
                answer = await self._engines[at].complete.remote(request)
            except ActorUnavailableError:
                await self._tell("restarting")
                await asyncio.sleep(_RETRY_S)
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

    async def _obituary(self) -> str:
        words = await self._meter.last_words.remote(self._name)
        said = words or "it left no message; look into _logs/ of the run"
        return f"model {self._name!r}: its engine died {_RESTARTS + 1} times; the last time: {said}"


class EnginePool:
    """The engines of a run.

    Args:
        specs: The recipe's models.
        placement: How many engines, and with how many GPUs.
        meter: Told which engines are starting.
    """

    def __init__(
        self, specs: Mapping[str, ModelSpec], placement: Placement, meter: MeterHandle
    ) -> None:
        self._specs = specs
        self._placement = placement
        self._meter = meter
        self._running: dict[str, list[Any]] = {}

    def actors(self, models: Sequence[str]) -> dict[str, list[Any]]:
        """The running engines of each model that needs a process of its own; none for the others.

        Raises:
            EngineError: If one cannot be started.
        """
        wanted = [name for name in models if _needs_process(self._specs[name])]
        self._make_room(wanted)
        for name in wanted:
            if name not in self._running:
                self._running[name] = self._start(name)
        for name in wanted:
            self._wait(name)
        return {name: self._running.get(name, []) for name in models}

    def prepare(self, models: Sequence[str]) -> None:
        """Starts engines that are needed later, where they all find a place; waits for none."""
        wanted = [name for name in dict.fromkeys(models) if _needs_process(self._specs[name])]
        if self._gpus(wanted) <= ray.available_resources().get("GPU", 0.0):
            for name in wanted:
                if name not in self._running:
                    self._running[name] = self._start(name)

    def _gpus(self, models: Sequence[str]) -> float:
        placement = self._placement
        return sum(placement.gpus_of(name) * placement.engines_of(name) for name in models)

    def release(self, still_needed: Sequence[str]) -> None:
        """Stops the engines that no later step needs."""
        for name in [name for name in self._running if name not in still_needed]:
            for actor in self._running.pop(name):
                ray.kill(actor)

    def _make_room(self, wanted: Sequence[str]) -> None:
        """Stops idle engines where the GPUs left do not suffice for those about to start."""
        starting = [name for name in wanted if name not in self._running]
        gpus = self._gpus(starting)
        if gpus and gpus > ray.available_resources().get("GPU", 0.0):
            self.release(wanted)

    def _start(self, name: str) -> list[Any]:
        spec, gpus = self._specs[name], self._placement.gpus_of(name)
        options: dict[str, Any] = {
            "num_cpus": 1 if gpus else 0,
            "num_gpus": gpus,
            "max_restarts": _RESTARTS,
        }
        self._meter.engine.remote(name, "starting")
        count = self._placement.engines_of(name)
        if isinstance(spec, VllmSpec):
            options |= {"max_concurrency": 4 * spec.max_in_flight + 16}
            options |= {"runtime_env": {"env_vars": environment()}}
            actor = ray.remote(LlmEngine).options(**options)
            args = self._placement.engine_args
            return [actor.remote(name, spec, args, self._meter) for _ in range(count)]
        actor = ray.remote(EncoderEngine).options(max_task_retries=_RESTARTS, **options)
        return [actor.remote(spec, {}) for _ in range(count)]

    def _wait(self, name: str) -> None:
        """Waits until all engines of a model are up.

        Raises:
            EngineError: If one is not, or finds no place on the cluster.
            RunStopped: If the run was stopped meanwhile.
        """
        ready = [actor.ready.remote() for actor in self._running[name]]
        waited = 0.0
        while True:
            try:
                failures = ray.get(ready, timeout=_STOP_POLL_S)
                break
            except GetTimeoutError:
                if reason := ray.get(self._meter.reason_to_stop.remote()):
                    raise RunStopped(reason) from None
                waited += _STOP_POLL_S
                if waited % _PLACEMENT_PATIENCE_S < _STOP_POLL_S:
                    self._check_place(name, waited)
            except (ActorDiedError, ActorUnavailableError) as error:
                words = ray.get(self._meter.last_words.remote(name)) or str(error).splitlines()[0]
                raise EngineError(
                    f"model {name!r}: its engine died as it started: {words}"
                ) from error
        self._meter.engine.remote(name, None)
        if failure := next((one for one in failures if one is not None), None):
            raise EngineError(f"model {name!r}: {failure}")

    def _check_place(self, name: str, waited: float) -> None:
        wanted, have = self._placement.gpus_of(name), ray.cluster_resources().get("GPU", 0.0)
        if wanted * self._placement.engines_of(name) > have:
            raise EngineError(
                f"model {name!r}: waited {waited:.0f} s for {wanted:g} GPUs for each of "
                f"{self._placement.engines_of(name)} engines; the cluster has {have:g}; lower "
                "--engines or --gpus-per-engine"
            )


def _needs_process(spec: ModelSpec) -> bool:
    """Whether a model has weights that are loaded once and kept."""
    return spec.kind not in ("openai", "fake")


def llm_of(name: str, spec: ModelSpec, actors: Sequence[Any], meter: MeterHandle) -> LLM:
    """The live LLM as a worker sees it: actors' or, for a server and the fake, its own client."""
    if actors:
        return RemoteLLM(name, actors, meter)
    return load_llm(cast("LlmSpec", spec), {})  # the plan has checked that it is an LLM
