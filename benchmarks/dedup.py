"""Speed and accuracy of near-duplicate detection: ``python benchmarks/dedup.py [--docs N]``.

Every library finds the near duplicates of the same documents with the same rule (see
`dedup_methods`), on one core, in a process of its own. What each found is compared with all pairs
whose exact Jaccard similarity reaches the threshold. Writes ``benchmarks/results/dedup.json`` and a
page beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from dedup_documents import documents
from dedup_methods import BANDS, METHODS, NGRAM, NUM_PERM, ROWS, THRESHOLD
from dedup_truth import Pairs, near_pairs
from machine import load, machine, versions

from synth.algorithms.text import jaccard, normalized, shingles

_HERE = Path(__file__).parent
_RESULTS = _HERE / "results"
_PACKAGES = ("synth-recipes", "numba", "datasketch", "pyarrow", "numpy", "xxhash")
_RENSA = "rensa==0.5.0"
_SYNTH = "synth"
_SCALING = (10_000, 30_000, 100_000, 300_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=30_000)
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs of each method; the best counts"
    )
    parser.add_argument("--scaling", action="store_true", help="measure how synth grows, to 300k")
    args = parser.parse_args()
    path = _RESULTS / "dedup.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    if args.scaling:
        result["scaling"] = [_scaled(count, args.repeats) for count in _SCALING]
    else:
        result |= _compared(args.docs, args.repeats)
    result |= {"machine": machine(), "packages": versions(*_PACKAGES), "rensa": _RENSA}
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text(_page(result))
    print(f"written: {path.with_suffix('.md').name} and .json in benchmarks/results")


def _compared(count: int, repeats: int) -> dict[str, Any]:
    before, texts = load(), documents(count)
    size = sum(len(text.encode()) for text in texts)
    print(f"{count} documents, {size / 1e6:.1f} MB; exact pairs", flush=True)
    pairs = near_pairs(texts, THRESHOLD, NGRAM)
    rows = []
    for method in METHODS:
        print(method, flush=True)
        runs = _measured(method, texts, repeats)
        best = min(runs, key=lambda run: float(run["cpu_s"]))
        figures = _figures(best, size, count) | _quality(best, texts, pairs)
        rows.append({"method": method, **figures})
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "load": [before, load()],
        "docs": count,
        "mb": size / 1e6,
        "pairs": len(pairs),
        "repeats": repeats,
        "methods": rows,
        "floor": _floor(texts),
    }


def _scaled(count: int, repeats: int) -> dict[str, Any]:
    texts = documents(count)
    size = sum(len(text.encode()) for text in texts)
    print(f"{count} documents, {size / 1e6:.0f} MB", flush=True)
    run = min(_measured(_SYNTH, texts, repeats), key=lambda one: float(one["cpu_s"]))
    return {"docs": count, "mb": size / 1e6, **_figures(run, size, count)}


def _figures(run: dict[str, Any], size: int, count: int) -> dict[str, float]:
    times = {name: run[name] for name in ("cpu_s", "wall_s", "added_mb")}
    return times | {
        "docs_per_cpu_s": count / run["cpu_s"],
        "mb_per_cpu_s": size / 1e6 / run["cpu_s"],
    }


def _measured(method: str, texts: Sequence[str], repeats: int) -> list[dict[str, Any]]:
    """What a method found and took, each time in a new process with one thread."""
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "documents.json")
        path.write_text(json.dumps(texts))
        command = [_interpreter(method), str(_HERE / "dedup_methods.py"), method, str(path)]
        done = [
            subprocess.run(
                command, env=os.environ | one_thread, stdout=subprocess.PIPE, check=True, text=True
            )
            for _ in range(repeats)
        ]
    return [json.loads(one.stdout) for one in done]


def _interpreter(method: str) -> str:
    """The interpreter that has the library, in an environment that is made if it is not there."""
    if method != "rensa":
        return sys.executable
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    python = Path(cache, "synth-bench", "rensa", "bin", "python")
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", _RENSA], check=True)
    return str(python)


def _quality(run: dict[str, Any], texts: Sequence[str], pairs: Pairs) -> dict[str, float]:
    """How much of the truth was found, and how much of what was found is true.

    `recall` is the share of near pairs of which one at least is dropped, `together` the share that
    is in one cluster, and `precision` the share of dropped documents that reach the threshold to
    the one that they are said to duplicate.
    """
    of, cluster = run["of"], run["cluster"]
    together = sum(cluster[one] == cluster[other] for one, other in pairs)
    left = sum(of[one] < 0 and of[other] < 0 for one, other in pairs)
    dropped = [(at, to) for at, to in enumerate(of) if to >= 0]
    true = sum(_similarity(texts[at], texts[to]) >= THRESHOLD for at, to in dropped)
    return {
        "recall": 1 - left / len(pairs),
        "together": together / len(pairs),
        "precision": true / len(dropped),
        "dropped": len(dropped),
    }


def _similarity(one: str, other: str) -> float:
    first, second = (shingles(normalized(text), NGRAM, "word") for text in (one, other))
    return jaccard(first, second)


def _floor(texts: Sequence[str]) -> dict[str, float]:
    """GB/s of hashing all bytes once, document by document, and of copying them."""
    encoded = [text.encode() for text in texts]
    array = np.frombuffer(b"".join(encoded), np.uint8)
    target = np.zeros_like(array)

    def hash_all() -> None:
        for one in encoded:
            xxhash.xxh3_64_intdigest(one)

    runs: dict[str, Callable[[], object]] = {
        "xxh3 of one buffer": lambda: xxhash.xxh3_64_intdigest(array.data),
        "xxh3 of each document": hash_all,
        "memcpy": lambda: np.copyto(target, array),
    }
    return {name: len(array) / 1e9 / min(map(_cpu_s, [run] * 5)) for name, run in runs.items()}


def _cpu_s(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def _page(result: dict[str, Any]) -> str:
    parts = ["# Deduplication\n"]
    if "methods" in result:
        parts += [_comparison(result), _floor_text(result)]
    if "scaling" in result:
        parts.append(_scaling_text(result["scaling"]))
    computer = result["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in result["packages"].items())
    parts.append(
        f"Machine: {computer['cpu']}, {computer['cores']} cores, {computer['memory_gib']} GiB, "
        f"Python {computer['python']}; {packages}, {result['rensa']}. Made by "
        "`python benchmarks/dedup.py` and, for the growth, `--scaling`.\n"
    )
    return "\n".join(parts)


def _comparison(result: dict[str, Any]) -> str:
    rows = result["methods"]
    ours = rows[0]["docs_per_cpu_s"]
    lines = [
        "| method | docs per CPU-s | MB per CPU-s | synth is faster by | memory added | recall "
        "| in one cluster | precision | dropped |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['method']} | {row['docs_per_cpu_s']:,.0f} | {row['mb_per_cpu_s']:,.1f} "
        f"| {ours / row['docs_per_cpu_s']:.1f} x | {row['added_mb']:,.0f} MB "
        f"| {row['recall']:.4f} | {row['together']:.4f} | {row['precision']:.4f} "
        f"| {row['dropped']:,} |"
        for row in rows
    ]
    low, high = result["load"]
    return "\n".join(
        [
            f"{result['docs']:,} documents, {result['mb']:.1f} MB, of which {result['pairs']:,} "
            f"pairs have an exact Jaccard similarity of {THRESHOLD} or more. {NGRAM}-word "
            f"shingles, {NUM_PERM} permutations, {BANDS} bands of {ROWS}, one thread, from texts "
            "in memory to duplicates; reading files, starting and compiling are not counted. CPU "
            f"seconds, the best of {result['repeats']} runs; {low} to {high} processes wanted a "
            f"core of this machine meanwhile. Measured on {result['date']}.\n",
            *lines,
            "\n`recall`: near pairs of which one at least is dropped (two dropped texts are not "
            "compared, so a pair of them need not be in one cluster). `precision`: dropped "
            "documents that reach the threshold to the one they are said to duplicate.\n",
        ]
    )


def _floor_text(result: dict[str, Any]) -> str:
    ours = result["methods"][0]["mb_per_cpu_s"] / 1e3
    lines = [
        f"- {name}: {speed:.1f} GB/s; synth reaches {ours / speed:.1%} of it"
        for name, speed in result["floor"].items()
    ]
    return "\n".join(["## Distance to the floor\n", *lines, ""])


def _scaling_text(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        f"| {row['docs']:,} | {row['mb']:,.0f} | {row['cpu_s']:.2f} | {row['docs_per_cpu_s']:,.0f} "
        f"| {row['added_mb']:,.0f} MB |"
        for row in rows
    ]
    head = ["| docs | MB | CPU s | docs per CPU-s | memory added |", "|---|---|---|---|---|"]
    return "\n".join(["## Growth (synth, verified, one thread)\n", *head, *lines, ""])


if __name__ == "__main__":
    main()
