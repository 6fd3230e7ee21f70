"""Figures that the ledger alone tells."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from synth.html.figure import Bars, Figure, Series

if TYPE_CHECKING:
    from synth.view import Run


def funnel(run: Run) -> list[Figure]:
    """Rows that go on from each step, and those that it dropped."""
    records = run.records
    return [
        Bars(
            name="funnel",
            title="Rows that go on, and rows dropped, step by step",
            of="step",
            labels=tuple(record.name for record in records),
            series=(
                Series("go on", tuple(record.rows_out for record in records)),
                Series("dropped", tuple(record.rows_dropped for record in records)),
            ),
        )
    ]


def drop_reasons(run: Run) -> list[Figure]:
    """Rows dropped in all steps, by step and reason, the most frequent first."""
    counts = Counter(
        {
            f"{record.name}: {reason}": count
            for record in run.records
            for reason, count in record.dropped.items()
        }
    )
    if not counts:
        return []
    listed = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        Bars(
            name="drop_reasons",
            title="Why rows were dropped",
            of="step: reason",
            labels=tuple(reason for reason, _ in listed),
            series=(Series("rows", tuple(count for _, count in listed)),),
        )
    ]


def speed(run: Run) -> list[Figure]:
    """Tokens per second of each step that asked an LLM."""
    asked = [record for record in run.records if record.usage.requests]
    if not asked:
        return []
    seconds = [record.usage.asking_s or record.seconds for record in asked]
    used = [record.usage for record in asked]
    rates = (one.output_tokens / s if s else 0.0 for one, s in zip(used, seconds, strict=True))
    return [
        Bars(
            name="speed",
            title="Tokens written per second",
            of="step",
            labels=tuple(record.name for record in asked),
            series=(Series("tokens/s", tuple(round(rate, 1) for rate in rates)),),
            beside=(
                Series("tokens written", tuple(one.output_tokens for one in used)),
                Series("tokens read", tuple(one.prompt_tokens for one in used)),
                Series("requests", tuple(one.requests for one in used)),
                Series("reused", tuple(one.reused for one in used)),
                Series("seconds", tuple(seconds)),
            ),
            told="Seconds from the first request to the last reply; the start of engines is not in "
            "them.",
        )
    ]
