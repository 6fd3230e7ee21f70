from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.runner.meter import Meter, Stop


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("synth.runner.meter.time", clock)
    return clock


def _counts(rows: int = 0, tokens: int = 0) -> dict[str, int]:
    return {
        "rows": rows,
        "requests": 0,
        "reused": 0,
        "prompt_tokens": tokens,
        "output_tokens": tokens,
    }


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(0, 2))))
def test_a_report_that_comes_twice_counts_once(done: list[tuple[str, int, int]]) -> None:
    """Ray sends a call again whose answer was lost, and a meter that was killed starts anew."""
    meter, totals = Meter(None, None), dict.fromkeys("abc", 0)
    for asker, rows, repeats in done:
        totals[asker] += rows
        for _ in range(1 + repeats):
            meter.beat("ask", asker, _counts(totals[asker]), 0)
    again = Meter(None, None)
    for asker in {name for name, _, _ in done}:
        again.beat("ask", asker, _counts(totals[asker]), 0)
    told = meter.snapshot().steps
    assert told == again.snapshot().steps
    assert sum(one.rows for one in told.values()) == sum(totals.values())


def test_rows_of_steps_and_of_askers_are_told_together() -> None:
    meter = Meter(None, None)
    meter.rows("dedup", 3)
    meter.rows("dedup", 4)
    meter.beat("ask", "a", _counts(5), 2)
    told = meter.snapshot().steps
    assert {name: one.rows for name, one in told.items()} == {"dedup": 7, "ask": 5}


def test_the_budget_of_tokens_is_over_all_steps() -> None:
    meter = Meter(100, None)
    assert meter.beat("first", "a", _counts(tokens=24), 0) is None
    assert meter.beat("second", "b", _counts(tokens=26), 0) == Stop(
        "the budget of 100 tokens is used up"
    )


def test_time_that_is_over_is_a_reason() -> None:
    assert Meter(None, deadline=0.0).reason_to_stop() == Stop("the time allowed is over")


def test_the_first_reason_to_stop_is_the_reason() -> None:
    meter = Meter(None, None)
    meter.stop("its server is down", failed=True)
    meter.stop("stopped by Ctrl-C")
    assert meter.reason_to_stop() == Stop("its server is down", failed=True)


def test_a_run_is_drained_once_all_that_live_have_heard_and_have_their_replies(
    clock: Clock,
) -> None:
    meter = Meter(None, None)
    for asker in "ab":
        meter.beat("ask", asker, _counts(), 1)
    meter.stop("enough")
    meter.beat("ask", "a", _counts(), 0)  # hears it now: it may have sent one more meanwhile
    assert not meter.is_drained()
    meter.beat("ask", "a", _counts(), 0)
    assert not meter.is_drained()  # b still waits for a reply
    for _ in range(2):
        meter.beat("ask", "b", _counts(), 1)
    assert not meter.is_drained()
    meter.beat("ask", "b", _counts(), 0)
    assert meter.is_drained()


def test_a_dead_asker_is_not_waited_for(clock: Clock) -> None:
    meter = Meter(None, None)
    for asker in "ab":
        meter.beat("ask", asker, _counts(), 1)
    meter.stop("enough")
    clock.now_s += 60
    for _ in range(2):
        meter.beat("ask", "a", _counts(), 0)
    assert meter.is_drained()


def test_starts_are_counted_until_rows_are_done() -> None:
    meter = Meter(None, None)
    assert [meter.asker_started("ask") for _ in range(3)] == [1, 2, 3]
    meter.beat("ask", "a", _counts(rows=0), 0)
    assert meter.asker_started("ask") == 4
    meter.beat("ask", "a", _counts(rows=8), 0)
    assert meter.asker_started("ask") == 1
