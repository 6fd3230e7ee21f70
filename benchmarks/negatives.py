"""Speed of mining hard negatives: ``python benchmarks/negatives.py [--quick]``.

`synth`'s steps (`mine_negatives`, `margin_filter`, triplets out) beside
`sentence_transformers.util.mine_hard_negatives` on the same vectors with the same margin and the
same number of negatives, each in a process of its own; then `synth` alone on more and more
passages. Writes ``benchmarks/results/negatives.json`` and a page beside it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import load, machine, made_by, versions
from markdown_table import table
from negatives_speed import DEPTH, DIM, KEEP, MARGIN, WAYS

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = (
    "synth-recipes", "sentence-transformers", "faiss-cpu", "torch", "numba", "pyarrow", "numpy",
)  # fmt: skip
_EXACT, _RIVALS = "synth exact", "sentence-transformers"
_GROWTH = (10_000, 30_000, 100_000, 300_000)
_GROWTH_QUERIES = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the queries and passages")
    quick = parser.parse_args().quick
    queries, passages = (2_000, 10_000) if quick else (20_000, 100_000)
    ways = [_measured(way, queries, passages) for way in WAYS]
    sizes, asked = (_GROWTH[:2], 1_000) if quick else (_GROWTH, _GROWTH_QUERIES)
    growth = [
        {"queries": asked, "passages": size} | _measured(_EXACT, asked, size) for size in sizes
    ]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"python benchmarks/negatives.py{' --quick' if quick else ''}",
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "load": load(),
        "queries": queries,
        "passages": passages,
        "ways": ways,
        "growth": growth,
    }
    path = _RESULTS / "negatives.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join(_page(result)) + "\n")


def _measured(way: str, queries: int, passages: int) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("negatives_speed.py")), way]
    command += ["--queries", str(queries), "--passages", str(passages)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{way}: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    print(told, flush=True)
    return told


def _page(result: dict[str, Any]) -> Iterator[str]:
    rivals = [one for one in result["ways"] if one["way"].startswith(_RIVALS)]
    best = min(one["cpu_s"] for one in rivals)
    yield "# Mining hard negatives: speed"
    yield ""
    yield (
        f"{result['queries']:,} queries, {result['passages']:,} passages, {DIM} dimensions, "
        f"vectors given (random, around centres); the {DEPTH} nearest, margin {MARGIN:g}, "
        f"{KEEP} negatives a query, triplets out. Memory is what was used most beyond vectors "
        "and packages. The goal is 1.4 times sentence-transformers exact, 2.5 times approximate, "
        "and at most 500 MB."
    )
    yield ""
    yield from table(
        (
            "way",
            "CPU s",
            "wall s",
            "memory, MB",
            "triplets",
            "search",
            "CPU of the fastest rival, times ours",
        ),
        [
            (
                one["way"],
                one["cpu_s"],
                one["wall_s"],
                one["memory_mb"],
                f"{one['rows']:,}",
                one["search"],
                f"{best / one['cpu_s']:.2f}" if one not in rivals else "",
            )
            for one in result["ways"]
        ],
    )
    yield ""
    yield f"## Growth of `{_EXACT}`"
    yield ""
    yield from table(
        ("passages", "CPU s", "wall s", "memory, MB", "µs a query and 1,000 passages"),
        [
            (
                f"{one['passages']:,}",
                one["cpu_s"],
                one["wall_s"],
                one["memory_mb"],
                f"{1e9 * one['cpu_s'] / (one['queries'] * one['passages']):.2f}",
            )
            for one in result["growth"]
        ],
    )
    yield ""
    yield made_by(result)


if __name__ == "__main__":
    main()
