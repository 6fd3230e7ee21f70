"""The engines of a run: started when first needed, kept until no later step needs them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayError

from synth.core.errors import EngineError
from synth.engines.load import EngineArgs
from synth.engines.specs import ModelSpec, VllmSpec
from synth.engines.vllm import environment
from synth.runner.engine_actors import EncoderEngine, LlmEngine
from synth.runner.meter import MeterHandle

# An engine that dies is started again this often; one that dies each time is broken.
RESTARTS = 3
RETRY_S = 1.0
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


class EnginePool:
    """The engines of a run.

    Args:
        specs: The recipe's models.
        placement: How many engines, and with how many GPUs.
        meter: Told which engines are starting.
        lasting: Whether engines outlive the last step of a run, for the next run over more rows.
    """

    def __init__(
        self,
        specs: Mapping[str, ModelSpec],
        placement: Placement,
        meter: MeterHandle,
        *,
        lasting: bool = False,
    ) -> None:
        self._lasting = lasting
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
        """Stops the engines that no later step needs, unless a later run may."""
        if not self._lasting:
            self._stop_but(still_needed)

    def stop(self) -> None:
        """Stops all engines."""
        with contextlib.suppress(RayError):  # Ray has ended them already
            self._stop_but([])

    def _stop_but(self, needed: Sequence[str]) -> None:
        for name in [name for name in self._running if name not in needed]:
            for actor in self._running.pop(name):
                ray.kill(actor)

    def _make_room(self, wanted: Sequence[str]) -> None:
        """Stops idle engines where the GPUs left do not suffice for those about to start."""
        starting = [name for name in wanted if name not in self._running]
        gpus = self._gpus(starting)
        if gpus and gpus > ray.available_resources().get("GPU", 0.0):
            self._stop_but(wanted)

    def _start(self, name: str) -> list[Any]:
        spec, gpus = self._specs[name], self._placement.gpus_of(name)
        options: dict[str, Any] = {
            "num_cpus": 1 if gpus else 0,
            "num_gpus": gpus,
            "max_restarts": RESTARTS,
        }
        self._meter.engine.remote(name, "starting")
        count = self._placement.engines_of(name)
        args: EngineArgs = {}
        if isinstance(spec, VllmSpec):
            options |= {"max_concurrency": 4 * spec.max_in_flight + 16}
            options |= {"runtime_env": {"env_vars": environment()}}
            actor, args = ray.remote(LlmEngine).options(**options), self._placement.engine_args
        else:
            actor = ray.remote(EncoderEngine).options(max_task_retries=RESTARTS, **options)
        return [actor.remote(name, spec, args, self._meter) for _ in range(count)]

    def _wait(self, name: str) -> None:
        """Waits until all engines of a model are up.

        Raises:
            EngineError: If one is not, or finds no place on the cluster.
            RunStopped: If the run was stopped meanwhile.
        """
        ready, waited = self._readiness(name), 0.0
        while True:
            try:
                failures = ray.get(ready, timeout=_STOP_POLL_S)
                break
            except GetTimeoutError:
                if stop := ray.get(self._meter.reason_to_stop.remote()):
                    raise stop.error() from None
                waited += _STOP_POLL_S
                if waited % _PLACEMENT_PATIENCE_S < _STOP_POLL_S:
                    self._check_place(name, waited)
            except ActorUnavailableError:  # its process or node was lost: Ray starts it again
                time.sleep(RETRY_S)
                ready = self._readiness(name)
            except ActorDiedError as error:
                words = ray.get(self._meter.last_words.remote(name)) or str(error).splitlines()[0]
                raise EngineError(
                    f"model {name!r}: its engine died as it started: {words}"
                ) from error
        self._meter.engine.remote(name, None)
        if failure := next((one for one in failures if one is not None), None):
            raise EngineError(f"model {name!r}: {failure}")

    def _readiness(self, name: str) -> list[Any]:
        return [actor.ready.remote() for actor in self._running[name]]

    def _check_place(self, name: str, waited: float) -> None:
        wanted, have = self._placement.gpus_of(name), ray.cluster_resources().get("GPU", 0.0)
        if wanted * self._placement.engines_of(name) > have:
            raise EngineError(
                f"model {name!r}: waited {waited:.0f} s for {wanted:g} GPUs for each of "
                f"{self._placement.engines_of(name)} engines; the cluster has {have:g}; lower "
                "--engines or --gpus-per-engine"
            )


def obituary(name: str, words: str | None) -> str:
    """The sentence for a model whose engine is dead for good.

    Args:
        name: The model's name in the recipe.
        words: What the engine said last.
    """
    said = words or "it left no message; look into _logs/ of the run"
    return f"model {name!r}: its engine died {RESTARTS + 1} times; the last time: {said}"


def _needs_process(spec: ModelSpec) -> bool:
    """Whether a model has weights that are loaded once and kept."""
    return spec.kind not in ("openai", "fake")
