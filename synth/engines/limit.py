"""How many calls a server gets at once: fewer when it is overloaded, more when it is well."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

# A server that refuses fewer calls than this is used well: repeating them costs less than waiting.
# Cut at each refusal instead, 6 % of calls refused by chance brought 50 in flight down to 3.
REFUSED_SHARE = 0.1
# TCP halves its window; a gentler cut loses less throughput.
DECREASE = 0.75
GROWTH = 1 / 8
# The fewest calls that say anything about a share.
FEWEST_CALLS = 20


class AdaptiveLimit:
    """A semaphore whose size follows the server.

    It is judged once for each window, as many calls as may be under way: where more than a tenth
    were refused as too many, it shrinks by a quarter, else it grows by an eighth.

    Use it as ``async with limit:``; slots are handed out in the order of arrival. For one event
    loop.

    Args:
        most: The limit at the start, and what it never exceeds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most
        self._in_flight = 0
        self._ended = 0  # calls of this window
        self._refused = 0
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
        self._judge()

    def overloaded(self) -> None:
        """The server said that it has too much to do."""
        self._refused += 1
        self._judge()

    def _judge(self) -> None:
        self._ended += 1
        if self._ended < max(FEWEST_CALLS, self._limit):
            return
        if self._refused > REFUSED_SHARE * self._ended:
            self._limit = max(1, int(self._limit * DECREASE))
        else:
            self._limit = min(self._most, self._limit + max(1, int(self._limit * GROWTH)))
        self._ended = self._refused = 0
        self._hand_out()

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
