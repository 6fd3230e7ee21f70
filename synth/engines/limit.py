"""How many calls a server gets at once: fewer when it is overloaded, more when it is well."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType

# TCP halves its window; a gentler cut loses less throughput where a single 429 was chance.
DECREASE = 0.75
# Calls of one burst are refused together and say only once that there were too many.
DECREASE_EVERY_S = 1.0
SUCCESSES_PER_INCREASE = 25


class AdaptiveLimit:
    """A semaphore whose size follows the server: additive increase, multiplicative decrease.

    Use it as ``async with limit:``; slots are handed out in the order of arrival. For one event
    loop.

    Args:
        most: The limit at the start, and what it never exceeds.
        clock: Seconds from any zero.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._limit = most
        self._in_flight = 0
        self._successes = 0
        self._decreased_s = -DECREASE_EVERY_S + clock()
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Slots there are now, in [1, most]."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """Slots taken; above the limit only until calls that began before a decrease end."""
        return self._in_flight

    async def __aenter__(self) -> None:
        if self._in_flight < self._limit:  # then nobody waits: see `_hand_out`
            self._in_flight += 1
            return
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled():  # a slot came together with the cancellation
                self._give_back()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_back()

    def succeeded(self) -> None:
        """A call was answered."""
        self._successes += 1
        if self._successes >= SUCCESSES_PER_INCREASE:
            self._successes = 0
            self._limit = min(self._most, self._limit + 1)
            self._hand_out()

    def overloaded(self) -> None:
        """The server said that it has too much to do."""
        now_s = self._clock()
        if now_s - self._decreased_s >= DECREASE_EVERY_S:
            self._decreased_s = now_s
            self._successes = 0
            self._limit = max(1, int(self._limit * DECREASE))

    def _give_back(self) -> None:
        self._in_flight -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        """Hand free slots to those who wait; after it, none is free or nobody waits."""
        while self._waiting and self._in_flight < self._limit:
            slot = self._waiting.popleft()
            if not slot.done():  # a cancelled waiter is still in the queue
                self._in_flight += 1
                slot.set_result(None)
