"""Part B: what our own machinery costs, against a server that answers after 0.1 s.

`synth` runs a whole recipe: rows are read, asked for, checked, stored and written, and a dataset is
exported. Wall time counts from the first request to the last answer as the server sees them; CPU is
that of all processes, and the difference of two sizes is free of the start of Ray and of imports.
Ray's daemons use some CPU for each second that a run takes; it is in the figure.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rivals.harness import MAX_TOKENS, MODEL, PROMPT
from rivals.runner import (
    Failure,
    Measurement,
    marginal_cpu_ms_per_row,
    measure,
    server_stats,
)
from synth_runs import run_recipe, write_recipe

from synth import __version__

IN_FLIGHT = 50
LATENCY_S = 0.1
TAIL_SHARES = {"uniform": 0.0, "long-tailed": 0.1}
BARE = "raw_asyncio"
RIVALS = ("datatrove", "bespoke", "sdg_hub", "data_designer", "distilabel")
_START_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        sizes: Rows of the small and of the large run.
        repeats: Runs of `synth` and of the bare client at each size, in turn.
        rivals: The other tools, run once at each size against even answers: a late answer costs
            them no CPU.
    """

    sizes: tuple[int, int]
    repeats: int
    rivals: tuple[str, ...] = RIVALS


def measure_machinery(plan: Plan) -> dict[str, Any]:
    """All tools, with answers that come evenly and with a long tail."""
    told: dict[str, Any] = {"in_flight": IN_FLIGHT, "latency_s": LATENCY_S, "sizes": plan.sizes}
    told["repeats"] = plan.repeats
    for shape, share in TAIL_SHARES.items():
        print(f"  {shape}", flush=True)
        with mock_server(share) as base_url:
            told[shape] = _shape(plan, base_url, () if share else plan.rivals)
    return told


def _shape(plan: Plan, base_url: str, rivals: Sequence[str]) -> dict[str, Any]:
    runs: dict[str, list[Measurement]] = {}
    failures: dict[str, str] = {}
    for name in [*("synth", BARE) * plan.repeats, *rivals]:
        for rows in plan.sizes:
            if name in failures:
                continue
            one = _measured(name, base_url, rows)
            if isinstance(one, Failure):
                failures[name] = one.reason
                print(f"  {name}: {one.reason}", flush=True)
                continue
            runs.setdefault(name, []).append(one)
            print(
                f"  {name}, {rows} rows: {_active_s(one):.2f} s, CPU {one.cpu_s:.2f} s", flush=True
            )
    tools = {
        name: summary(found, plan.sizes) for name, found in runs.items() if name not in failures
    }
    ratios = {}
    if "synth" in tools and BARE in tools:
        ours, bare = tools["synth"]["active_s"], tools[BARE]["active_s"]
        ratios = {size: round(ours[size] / bare[size], 3) for size in ours}
    return {"tools": tools, "wall_over_bare": ratios, "failures": failures}


def summary(runs: list[Measurement], sizes: tuple[int, int]) -> dict[str, Any]:
    """Medians of one tool: active seconds by size, CPU seconds by size, CPU of one more row."""
    by_size = {rows: [one for one in runs if one.rows == rows] for rows in sizes}
    active = {str(rows): round(median(map(_active_s, ones)), 3) for rows, ones in by_size.items()}
    cpu = {str(rows): round(median(one.cpu_s for one in ones), 2) for rows, ones in by_size.items()}
    # Runs stood side by side, so the machine was about as busy for both of a pair.
    pairs = zip(*by_size.values(), strict=True)
    marginal_ms = [marginal_cpu_ms_per_row(small, large) for small, large in pairs]
    return {
        "version": runs[0].version,
        "active_s": active,
        "cpu_s": cpu,
        "all_cpu_s": {str(rows): [one.cpu_s for one in ones] for rows, ones in by_size.items()},
        "all_active_s": {
            str(rows): [_active_s(one) for one in ones] for rows, ones in by_size.items()
        },
        "marginal_cpu_ms_per_row": round(median(marginal_ms), 2),
        "all_marginal_cpu_ms_per_row": [round(one, 2) for one in marginal_ms],
        "rows_ok": all(one.rows_ok == one.rows for one in runs),
    }


def _active_s(one: Measurement) -> float:
    return one.server.active_s if one.server else 0.0


def _measured(name: str, base_url: str, rows: int) -> Measurement | Failure:
    if name != "synth":
        return measure(name, base_url=base_url, rows=rows, in_flight=IN_FLIGHT)
    return _synth(base_url, rows)


def _synth(base_url: str, rows: int) -> Measurement | Failure:
    """One run of `synth` on the rows and the prompt that the other tools get."""
    model = {"kind": "openai", "model": MODEL, "base_url": base_url, "max_in_flight": IN_FLIGHT}
    texts = (PROMPT.format(row=row) for row in range(rows))
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as folder:
        recipe = write_recipe(Path(folder), texts, model, {"max_tokens": MAX_TOKENS})
        server_stats(base_url, reset=True)
        try:
            run = run_recipe(recipe, {}, os.environ)
        except RuntimeError as error:
            return Failure("synth", str(error))
        stats = server_stats(base_url, reset=False)
    return Measurement(
        rival="synth",
        version=__version__,
        rows=rows,
        rows_ok=run.rows_ok,
        wall_s=run.wall_s,
        steady_wall_s=run.asking_s,
        cpu_s=run.cpu_s,
        import_s=0.0,
        server=stats,
    )


@contextmanager
def mock_server(tail_share: float) -> Iterator[str]:
    """The mock server in a process of its own; its address."""
    port = 18_100 + os.getpid() % 100 + (100 if tail_share else 0)
    command = [sys.executable, str(Path(__file__).with_name("mock_server.py"))]
    command += ["--port", str(port), "--latency-s", str(LATENCY_S)]
    command += ["--tail-share", str(tail_share)]
    process = subprocess.Popen(command)
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        patience_ends_s = time.monotonic() + _START_TIMEOUT_S
        while not _is_up(base_url):
            if process.poll() is not None or time.monotonic() > patience_ends_s:
                raise RuntimeError(f"the mock server did not start on port {port}")
            time.sleep(0.1)
        yield base_url
    finally:
        process.terminate()
        process.wait()


def _is_up(base_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base_url}/models", timeout=5):
            return True
    except urllib.error.URLError:
        return False
