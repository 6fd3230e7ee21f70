"""The worker of a generate step: asks for what the store lacks, keeps a model's queue full."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import ray
from ray.exceptions import RayError

from synth.core.chat import LLM, Completion, Request
from synth.core.errors import EngineError, RequestRefused, RunStopped, SynthError
from synth.core.rows import Table
from synth.engines.guard import Guard
from synth.engines.specs import ModelSpec
from synth.inputs.files import Folder
from synth.manifest import Usage
from synth.replies import ReplyIndex, ReplyWriter
from synth.runner.meter import Counts, MeterHandle, Stop
from synth.runner.remote_llm import llm_of
from synth.runner.tally import with_tally
from synth.steps.ask import NOT_FOR_TASK, Answer, Ask
from synth.steps.generate import Generation
from synth.steps.reply import Parsed

# How often an asker tells the meter what it has done, and hears whether to stop.
_BEAT_S = 1.0
# Askers of a step may start so many times each without finishing a batch.
_FRUITLESS_STARTS = 5
_DRAIN_POLL_S = 0.2
# When something broke, replies that others wait for are waited for no longer than this.
_DRAIN_S = 10.0
# Rows that an early stop for too many failures looks back on.
_WINDOW_ROWS = 200
# The fewest rows that say anything about a share of failures.
_FEWEST_ROWS = 50


@dataclass(frozen=True)
class AskJob:
    """What every worker of a generate step is given.

    Attributes:
        generation: The step with its prompt and models.
        specs: The models it may ask, by name.
        actors: The engines of each model, none for a server or the fake.
        replies: Folder of the step's replies.
        meter: Gets counts, says when to stop.
        askers: How many workers there are.
    """

    generation: Generation
    specs: Mapping[str, ModelSpec]
    actors: Mapping[str, Sequence[Any]]
    replies: Folder
    meter: MeterHandle
    askers: int


@dataclass(slots=True)
class _Spent:
    """What the rows of one batch cost."""

    requests: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    asked_ms: int | None = None
    replied_ms: int | None = None

    def asked(self) -> None:
        """A request is sent."""
        if self.asked_ms is None:
            self.asked_ms = time.time_ns() // 1_000_000

    def replied(self, completion: Completion) -> None:
        """Its reply came."""
        self.replied_ms = time.time_ns() // 1_000_000
        self.requests += 1
        self.prompt_tokens += completion.prompt_tokens
        self.output_tokens += completion.output_tokens

    def usage(self) -> Usage:
        return Usage(**{name: getattr(self, name) for name in self.__slots__})


@dataclass(slots=True)
class _Model:
    """A live model with the bound on its requests under way."""

    llm: LLM
    slots: asyncio.Semaphore


class Asker:
    """It is called with several batches at once; all share one bound for each model."""

    def __init__(self, job: AskJob) -> None:
        self._job = job
        self._generation = job.generation
        self._store = ReplyIndex(job.replies)
        self._writer = ReplyWriter(job.replies)
        self._models = {
            name: _Model(
                llm_of(name, spec, job.actors[name], job.meter),
                asyncio.Semaphore(_in_flight(spec)),
            )
            for name, spec in job.specs.items()
        }
        self._failed: deque[bool] = deque(maxlen=_WINDOW_ROWS)
        self._name = uuid.uuid4().hex
        self._counts = Counts()
        self._under_way = 0
        self._stop: Stop | None = None
        self._guard = _guarded()
        self._beating: asyncio.Task[None] | None = None

    async def __call__(self, batch: Table) -> AsyncIterator[Table]:
        """The step's rows for a batch, as Ray Data wants them of an asynchronous class."""
        yield await self.ask(batch)

    async def ask(self, batch: Table) -> Table:
        """The step's rows for a batch of input rows, with its tally."""
        generation, spent = self._generation, _Spent()
        await self._live()
        asks = generation.ask(batch)
        values = batch.select([field.name for field in generation.needs()]).to_pylist()
        left = Counter(ask.row for ask in asks)
        self._counts.answered += batch.num_rows - len(left)

        async def answer(ask: Ask) -> Answer:
            found = await self._answer(ask, values[ask.row], spent)
            left[ask.row] -= 1
            self._counts.answered += not left[ask.row]
            return found

        try:
            answers = await _all([asyncio.ensure_future(answer(ask)) for ask in asks])
            self._check_failures(answers)
        except RunStopped:
            await self._drained()
            raise
        except SynthError as error:
            # The first error ends all workers: what they have paid for is waited for.
            await self._job.meter.stop.remote(str(error), failed=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained(), _DRAIN_S)
            raise
        made = generation.read(batch, answers)
        replaced = batch.num_rows - int(np.sum(~made.is_new))
        self._counts.rows += batch.num_rows
        await asyncio.to_thread(self._writer.flush)
        await self._beat()
        return with_tally(made.rows, made.is_new, replaced, spent.usage())

    async def _live(self) -> None:
        """Tells the meter that this worker is there, now and from now on.

        Raises:
            EngineError: If workers of this step start again and again and finish nothing.
        """
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat_often())
            starts = await self._job.meter.asker_started.remote(self._generation.name)
            if starts > _FRUITLESS_STARTS * self._job.askers:
                raise EngineError(
                    f"its worker ended {starts - 1} times before it finished a batch; look into "
                    "_logs/ of the run"
                )
        await self._beat()

    async def _beat_often(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_S)
            if self._guard is not None:
                self._guard.beat()
            with contextlib.suppress(RayError):  # the meter starts again
                await self._beat()

    async def _beat(self) -> None:
        self._stop = (
            await self._job.meter.beat.remote(
                self._generation.name, self._name, asdict(self._counts), self._under_way
            )
            or self._stop
        )

    async def _answer(self, ask: Ask, values: Mapping[str, Any], spent: _Spent) -> Answer:
        """The first reply that holds the prompt's checks, else why the last one did not."""
        parsed = Parsed(failure=ask.failure)
        for number in range(self._generation.step.attempts):
            request = ask.attempt(number)
            if request is None:
                break
            try:
                completion = await self._reply(ask.model, request, spent)
            except RequestRefused as refusal:
                return Answer(ask, Parsed(failure=refusal.reason))
            parsed = self._generation.verdict(values, completion, ask.axes)
            if parsed.failure is None:
                break
        return Answer(ask, parsed)

    async def _reply(self, name: str, request: Request, spent: _Spent) -> Completion:
        """The stored reply, or the model's, which is stored before anything else happens to it."""
        key = request.key(self._generation.cards[name].identity)
        stored = self._store.get(key)
        if stored is not None:
            spent.reused += 1
            self._counts.reused += 1
            return stored
        model = self._models[name]
        async with model.slots:
            if self._stop is not None:
                raise self._stop.error()
            spent.asked()
            self._under_way += 1
            try:
                completion = await model.llm.complete(request)
                completion = self._writer.put(key, completion)
            finally:
                self._under_way -= 1
        spent.replied(completion)
        self._counts.requests += 1
        self._counts.prompt_tokens += completion.prompt_tokens
        self._counts.output_tokens += completion.output_tokens
        return completion

    async def _drained(self) -> None:
        """Waits for the replies that any worker was promised: the first error ends them all."""
        while self._under_way or not await self._job.meter.is_drained.remote():
            await asyncio.sleep(_DRAIN_POLL_S)

    def _check_failures(self, answers: Sequence[Answer]) -> None:
        """Stops a run whose prompt or model is broken before it burns a cluster.

        Raises:
            EngineError: If too many of the last rows failed.
        """
        asked = sorted({answer.ask.row for answer in answers if answer.ask.failure != NOT_FOR_TASK})
        good = {answer.ask.row for answer in answers if answer.parsed.failure is None}
        self._failed.extend(at not in good for at in asked)
        limit = self._generation.step.max_error_rate
        share = sum(self._failed) / max(1, len(self._failed))
        if len(self._failed) < _FEWEST_ROWS or share <= limit:
            return
        reasons = [answer.parsed.failure for answer in answers if answer.parsed.failure]
        common = max(set(reasons), key=reasons.count) if reasons else "none in this batch"
        raise EngineError(
            f"{share:.0%} of the last {len(self._failed)} rows failed, most often as {common}, "
            f"where max_error_rate allows {limit:.0%}; mend the prompt (its replies are kept in "
            "_replies/), or raise max_error_rate of the step"
        )


def _guarded() -> Guard | None:
    """Prepares the process of an asker that has one of its own; what ends it when it hangs."""
    if not (ray.is_initialized() and ray.get_runtime_context().get_actor_id()):
        return None
    # What is imported by now stays: a fifth of the time went into looking through it again.
    gc.collect()
    gc.freeze()
    return Guard()


def _in_flight(spec: ModelSpec) -> int:
    return int(getattr(spec, "max_in_flight", 1))


async def _all(tasks: Sequence[asyncio.Future[Answer]]) -> list[Answer]:
    """All results; where one fails, only after the others have ended and their replies are kept."""
    if tasks:
        await asyncio.wait(tasks)
    return [task.result() for task in tasks]
