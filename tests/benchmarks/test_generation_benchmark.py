"""The helpers of `benchmarks/generation.py`: what they count, and what they say of it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from generation_machinery import mock_server
from generation_machinery import summary as summary_of_runs
from generation_models import PROMPT_WORDS, Round, texts_of_mixed_length
from generation_models import summary as summary_of_rounds
from generation_report import page
from generation_startup import imported
from machine import machine
from process_cpu import TreeCpu
from rivals.runner import Measurement, ServerStats, server_stats

# A child burns CPU and starts a grandchild that burns as much and outlives it.
BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"
FAMILY = (
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', sys.argv[1] + 'time.sleep(0.6)'])\n"
    "exec(sys.argv[1])\ntime.sleep(0.6)\n"
)


def measurement(rows: int, cpu_s: float, active_s: float) -> Measurement:
    stats = ServerStats(requests=rows, peak_in_flight=50, active_s=active_s, cpu_s=0.1)
    return Measurement("synth", "0", rows, rows, 9.0, None, cpu_s, 0.0, stats)


def circumstances(result: dict[str, Any]) -> dict[str, Any]:
    told = {"command": "python benchmarks/generation.py", "date": "2026-01-01", "load": [0.1, 0.2]}
    return {**told, "machine": machine(), "versions": {"ray": "2"}, "result": result}


def test_cpu_of_a_grandchild_counts_after_its_parent_has_ended() -> None:
    burn = BURN.format(seconds=0.5)
    process = subprocess.Popen([sys.executable, "-c", FAMILY, burn])
    with TreeCpu(process.pid) as cpu:
        process.wait(60)
    assert cpu.cpu_s > 0.9


def test_prompts_are_different_and_of_mixed_length() -> None:
    texts = texts_of_mixed_length(256)
    assert len(set(texts)) == 256
    assert {len(text.split()) for text in texts} == set(PROMPT_WORDS)


def test_the_price_of_a_row_is_the_difference_of_two_sizes() -> None:
    runs = [measurement(1000, 20.0, 2.0), measurement(5000, 24.0, 10.0)]
    told = summary_of_runs(runs, (1000, 5000))
    assert told["marginal_cpu_ms_per_row"] == pytest.approx(1.0)
    assert told["active_s"] == {"1000": 2.0, "5000": 10.0}


def test_ratios_compare_rounds_that_stood_side_by_side() -> None:
    rates = {"a": [100, 200], "b": [99, 196], "c": [50, 50], "d": [45, 55]}
    rounds = [Round(way, rate, 1.0) for way in rates for rate in rates[way]]
    ratios = summary_of_rounds(rounds)["ratios"]
    assert ratios["b/a"] == {"median": pytest.approx(0.985), "all": [0.99, 0.98]}
    assert ratios["d/c"]["all"] == [0.9, 1.1]


def test_the_page_says_what_was_missed() -> None:
    startup = {"repeats": 1, "check_s": 2.5, "import_s": 0.4, "heavy_modules": []}
    text = page({"startup": circumstances(startup)})
    assert "| `synth check recipes/quickstart.yaml` | 2.5 s | < 2 s | **missed** |" in text
    assert "| `import synth.recipe` | 0.4 s | < 1 s | met |" in text


def test_the_mock_server_starts_and_counts() -> None:
    with mock_server(tail_share=0.0) as base_url:
        stats = server_stats(base_url, reset=True)
    assert stats is not None
    assert stats.requests == 0


def test_importing_recipes_loads_nothing_heavy() -> None:
    assert imported()["heavy"] == []
