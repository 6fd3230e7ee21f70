"""How far a run is, and whether it shall stop: the one thing that all workers talk to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray


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
        deadline_s: Seconds after which the run stops; None is no limit.
    """

    def __init__(self, max_tokens: int | None, deadline_s: float | None) -> None:
        self._snapshot = Snapshot()
        self._max_tokens = max_tokens
        self._deadline = None if deadline_s is None else time.monotonic() + deadline_s
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


def start_meter(max_tokens: int | None, deadline_s: float | None) -> MeterHandle:
    """A meter in a process of its own."""
    return ray.remote(Meter).options(num_cpus=0).remote(max_tokens, deadline_s)
