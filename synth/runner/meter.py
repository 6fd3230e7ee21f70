"""How far a run is, and whether it shall stop: the one thing that all workers talk to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy


@dataclass(slots=True)
class Counts:
    """What has been done of one step so far."""

    rows: int = 0
    requests: int = 0
    reused: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0

    def add(self, more: Mapping[str, int]) -> None:
        """Count more of it."""
        for name, count in more.items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(slots=True)
class Snapshot:
    """What the display shows.

    Attributes:
        steps: Counts by step.
        engines: State of each engine that is starting, by name.
    """

    steps: dict[str, Counts] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)


class Meter:
    """Adds up what workers report and tells them when to stop.

    Args:
        max_tokens: Prompt and output tokens after which the run stops; None is no limit.
        deadline: Time of this machine's monotonic clock after which the run stops; None is no
            limit.
    """

    def __init__(self, max_tokens: int | None, deadline: float | None) -> None:
        self._snapshot = Snapshot()
        self._max_tokens = max_tokens
        self._deadline = deadline
        self._stop: str | None = None
        self._last_words: dict[str, str] = {}

    def report(self, step: str, counts: Mapping[str, int]) -> str | None:
        """Counts what was done since the last report; returns why to stop, if there is a reason."""
        self._snapshot.steps.setdefault(step, Counts()).add(counts)
        return self.reason_to_stop()

    def reason_to_stop(self) -> str | None:
        """Why the run shall stop, None while it shall go on."""
        if self._stop is None and self._max_tokens is not None:
            used = sum(c.prompt_tokens + c.output_tokens for c in self._snapshot.steps.values())
            if used >= self._max_tokens:
                self._stop = f"the budget of {self._max_tokens:,} tokens is used up"
        if self._stop is None and self._deadline is not None and time.monotonic() > self._deadline:
            self._stop = "the time allowed is over"
        return self._stop

    def stop(self, reason: str) -> None:
        """Asks all workers to send no more requests."""
        self._stop = self._stop or reason

    def engine(self, name: str, state: str | None) -> None:
        """Notes what an engine is doing; None when it is ready."""
        self._snapshot.engines.pop(name, None)
        if state is not None:
            self._snapshot.engines[name] = state

    def last_words(self, name: str, words: str | None = None) -> str | None:
        """What a dying engine said, kept for whoever finds it dead."""
        if words is not None:
            self._last_words[name] = words
        return self._last_words.get(name)

    def snapshot(self) -> Snapshot:
        """All counts."""
        return self._snapshot


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
