from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.engines.limit import FEWEST_CALLS, AdaptiveLimit


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


class Calls:
    """Calls that last until they are told to end."""

    def __init__(self, limit: AdaptiveLimit) -> None:
        self.limit = limit
        self.inside = 0
        self._may_end: dict[asyncio.Task[None], asyncio.Event] = {}

    def begin(self) -> None:
        may_end = asyncio.Event()
        self._may_end[asyncio.create_task(self._call(may_end))] = may_end

    def end(self, pick: int) -> None:
        if running := [task for task in self._may_end if not task.done()]:
            self._may_end[running[pick % len(running)]].set()

    def cancel(self, pick: int) -> None:
        if running := [task for task in self._may_end if not task.done()]:
            running[pick % len(running)].cancel()

    async def end_all(self) -> None:
        for may_end in self._may_end.values():
            may_end.set()
        await asyncio.wait_for(asyncio.gather(*self._may_end, return_exceptions=True), 5)
        assert all(task.cancelled() or task.exception() is None for task in self._may_end)

    async def _call(self, may_end: asyncio.Event) -> None:
        async with self.limit:
            self.inside += 1
            try:
                await may_end.wait()
            finally:
                self.inside -= 1


async def _act(calls: Calls, action: str, pick: int) -> None:
    before, inside = calls.limit.limit, calls.inside
    match action:
        case "begin":
            calls.begin()
        case "end":
            calls.end(pick)
        case "cancel":
            calls.cancel(pick)
        case "succeeded":
            for _ in range(FEWEST_CALLS):
                calls.limit.succeeded()
        case "overloaded":
            for _ in range(FEWEST_CALLS):
                calls.limit.overloaded()
    if pick % 2:  # else the next action falls between a slot's release and its use
        await _settle()
        assert calls.inside == calls.limit.in_flight
    assert calls.inside <= max(before, calls.limit.limit, inside)


ACTIONS = st.sampled_from(("begin", "begin", "end", "cancel", "succeeded", "overloaded"))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(
    most=st.integers(1, 5), actions=st.lists(st.tuples(ACTIONS, st.integers(0, 99)), max_size=60)
)
def test_no_call_begins_above_the_limit_and_no_slot_is_lost(
    most: int, actions: list[tuple[str, int]]
) -> None:
    async def main() -> None:
        limit = AdaptiveLimit(most)
        calls = Calls(limit)
        for action, pick in actions:
            await _act(calls, action, pick)
            assert 1 <= limit.limit <= most
        await calls.end_all()
        assert limit.in_flight == 0
        async with asyncio.timeout(1), limit:
            assert limit.in_flight == 1

    asyncio.run(main())


def test_a_waiter_cancelled_as_it_gets_its_slot_passes_the_slot_on() -> None:
    async def main() -> list[str]:
        limit, began = AdaptiveLimit(1), []

        async def call(name: str) -> None:
            async with limit:
                began.append(name)

        async with limit:
            cancelled, next_one = asyncio.create_task(call("a")), asyncio.create_task(call("b"))
            await _settle()
        cancelled.cancel()  # the slot has been handed to it, and it has not run yet
        await asyncio.wait_for(next_one, 1)
        return began

    assert asyncio.run(main()) == ["b"]


def test_calls_begin_in_the_order_they_came() -> None:
    async def main() -> list[int]:
        limit, began = AdaptiveLimit(2), []

        async def call(number: int) -> None:
            async with limit:
                began.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*map(call, range(9)))
        return began

    assert asyncio.run(main()) == list(range(9))


def test_a_burst_of_refusals_cuts_the_limit_once_and_never_below_one() -> None:
    limit = AdaptiveLimit(64)
    for _ in range(64):
        limit.overloaded()
    assert limit.limit == 48
    seen = []
    for _ in range(16 * 48):
        limit.overloaded()
        seen.append(limit.limit)
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == 1


def test_successes_raise_the_limit_again_up_to_what_it_was() -> None:
    limit = AdaptiveLimit(64)
    for _ in range(20 * 64):
        limit.overloaded()
    assert limit.limit == 1
    seen = []
    for _ in range(1_000):
        limit.succeeded()
        seen.append(limit.limit)
    assert seen == sorted(seen)
    assert seen[-1] == 64


def test_refusals_by_chance_leave_the_limit_high() -> None:
    limit, draw = AdaptiveLimit(50), random.Random(0)
    seen = []
    for _ in range(5_000):
        if draw.random() < 0.06:
            limit.overloaded()
        else:
            limit.succeeded()
        seen.append(limit.limit)
    assert sum(seen) / len(seen) > 40


@pytest.mark.parametrize("slots", [1, 5, 20])
def test_the_limit_settles_where_the_server_has_slots(slots: int) -> None:
    """Of `limit` calls at once a server with `slots` places refuses the rest."""
    limit = AdaptiveLimit(64)
    seen = []
    for _ in range(400):
        at_once = limit.limit
        for number in range(at_once):
            if number < slots:
                limit.succeeded()
            else:
                limit.overloaded()
        seen.append(limit.limit)
    settled = seen[200:]
    assert 0.7 * slots <= sum(settled) / len(settled) <= 1.3 * slots + 1


def test_a_raised_limit_lets_a_waiter_in_at_once() -> None:
    async def main() -> None:
        limit = AdaptiveLimit(2)
        for _ in range(FEWEST_CALLS):
            limit.overloaded()
        async with limit:
            second = asyncio.create_task(limit.__aenter__())
            await _settle()
            assert not second.done()
            for _ in range(FEWEST_CALLS):
                limit.succeeded()
            await asyncio.wait_for(second, 1)

    asyncio.run(main())
