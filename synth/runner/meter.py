"""How far a run is, and whether it shall stop: the one thing that all workers talk to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from synth.core.errors import EngineError, RunStopped, SynthError

# An asker that has not been heard of for so long is dead, or as good as.
_LOST_AFTER_S = 10.0


@dataclass(slots=True)
class Counts:
    """What has been done of one step so far.

    Attributes:
        rows: Rows of batches that are done.
        answered: Rows that wait for no reply, also of batches under way.
        requests: Requests that were sent and answered.
        reused: Replies that were there already.
        prompt_tokens: What the requests had.
        output_tokens: What the replies have.
    """

    rows: int = 0
    answered: int = 0
    requests: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and output tokens."""
        return self.prompt_tokens + self.output_tokens

    def add(self, more: Counts) -> None:
        """Count more of it."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(more, name))


@dataclass(slots=True)
class Snapshot:
    """What the display shows.

    Attributes:
        steps: Counts by step.
        engines: State of each engine that is starting, by name.
    """

    steps: dict[str, Counts] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run stops.

    Attributes:
        reason: For the user.
        failed: Whether something broke, and the run did not just reach its bound.
    """

    reason: str
    failed: bool = False

    def error(self) -> SynthError:
        """What a worker raises that hears of it."""
        return EngineError(self.reason) if self.failed else RunStopped(self.reason)


@dataclass(slots=True)
class AskerState:
    """What an asker said of itself last.

    Attributes:
        step: The step it works for.
        counts: What it has done since it started.
        under_way: Requests that wait for their replies.
        at: When it said so, on this process's monotonic clock.
        heard: Whether it knew by then that the run stops: it sends nothing more.
        told: Whether it was answered that the run stops.
    """

    step: str
    counts: Counts
    under_way: int
    at: float
    heard: bool
    told: bool = False


class Meter:
    """Adds up what workers report and tells them when to stop.

    Args:
        max_tokens: Prompt and output tokens after which the run stops; None is no limit.
        deadline: Time of this machine's monotonic clock after which the run stops; None is no
            limit.
    """

    def __init__(self, max_tokens: int | None, deadline: float | None) -> None:
        self._steps: dict[str, Counts] = {}
        self._askers: dict[str, AskerState] = {}
        self._starts: Counter[str] = Counter()
        self._engines: dict[str, str] = {}
        self._max_tokens = max_tokens
        self._deadline = deadline
        self._stop: Stop | None = None
        self._last_words: dict[str, str] = {}

    def rows(self, step: str, rows: int) -> None:
        """Counts rows of a step that asks no LLM."""
        self._steps.setdefault(step, Counts()).rows += rows

    def beat(self, step: str, asker: str, counts: Mapping[str, int], under_way: int) -> Stop | None:
        """Hears what an asker has done in all, so that nothing is counted twice or forgotten.

        Args:
            step: The step it works for.
            asker: Its name.
            counts: What it has done since it started.
            under_way: Requests that wait for their replies.
        """
        before = self._askers.get(asker)
        if counts["rows"] > (before.counts.rows if before else 0):
            self._starts.pop(step, None)
        heard = before is not None and before.told
        state = AskerState(step, Counts(**counts), under_way, time.monotonic(), heard)
        self._askers[asker] = state
        stop = self.reason_to_stop()
        state.told = stop is not None
        return stop

    def asker_started(self, step: str) -> int:
        """How many askers of a step have started since a batch of it was last finished."""
        self._starts[step] += 1
        return self._starts[step]

    def is_drained(self) -> bool:
        """Whether no live asker of a stopping run has a request under way or will send one."""
        now = time.monotonic()
        live = [one for one in self._askers.values() if now - one.at < _LOST_AFTER_S]
        return all(one.heard and not one.under_way for one in live)

    def reason_to_stop(self) -> Stop | None:
        """Why the run shall stop, None while it shall go on."""
        if self._stop is None and self._max_tokens is not None:
            used = sum(one.counts.tokens for one in self._askers.values())
            if used >= self._max_tokens:
                self._stop = Stop(f"the budget of {self._max_tokens:,} tokens is used up")
        if self._stop is None and self._deadline is not None and time.monotonic() > self._deadline:
            self._stop = Stop("the time allowed is over")
        return self._stop

    def stop(self, reason: str, *, failed: bool = False) -> None:
        """Asks all workers to send no more requests."""
        self._stop = self._stop or Stop(reason, failed)

    def engine(self, name: str, state: str | None) -> None:
        """Notes what an engine is doing; None when it is ready."""
        self._engines.pop(name, None)
        if state is not None:
            self._engines[name] = state

    def last_words(self, name: str, words: str | None = None) -> str | None:
        """What a dying engine said, kept for whoever finds it dead."""
        if words is not None:
            self._last_words[name] = words
        return self._last_words.get(name)

    def snapshot(self) -> Snapshot:
        """All counts."""
        steps = {name: replace(counts) for name, counts in self._steps.items()}
        for asker in self._askers.values():
            steps.setdefault(asker.step, Counts()).add(asker.counts)
        return Snapshot(steps, dict(self._engines))


# A handle on the `Meter` actor; Ray's handles have no types.
MeterHandle = Any


def start_meter(max_tokens: int | None, allowed_s: float | None) -> MeterHandle:
    """A meter in a process of its own, on the driver's node: no other node takes it along.

    Args:
        max_tokens: Prompt and output tokens after which the run stops; None is no limit.
        allowed_s: Seconds after which the run stops; None is no limit.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # A process that is killed alone comes again: what it had counted is lost, the run is not.
    lasting = ray.remote(Meter).options(
        num_cpus=0, max_restarts=-1, max_task_retries=-1, scheduling_strategy=here
    )
    deadline = None if allowed_s is None else time.monotonic() + allowed_s
    return lasting.remote(max_tokens, deadline)
