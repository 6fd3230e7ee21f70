"""Speed and accuracy of near-duplicate detection: ``python benchmarks/dedup.py [--data DATA]``.

Every library finds the near duplicates of the same documents with the same threshold (see
`dedup_methods`), in a process of its own. What each found is compared with all pairs whose exact
Jaccard similarity reaches the threshold. Other parts: ``--threads``, ``--chains``, ``--scaling``
and ``--labelled DATA`` (see `dedup_labelled`). Writes ``benchmarks/results/dedup.json`` and a page
beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dedup_chains
import dedup_labelled
import numpy as np
import xxhash
from dedup_documents import documents
from dedup_job import NGRAM
from dedup_methods import METHODS
from dedup_plot import chart
from dedup_quality import quality, similarity_of, together
from dedup_report import page
from dedup_runs import ENVIRONMENTS, Run, best_run, job
from dedup_truth import near_pairs
from machine import load, machine, versions
from rivals.setup import SetupError

_RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("synth-recipes", "numba", "datasketch", "pyarrow", "numpy", "xxhash")
_THRESHOLD = 0.8
_SYNTH = "synth"
_THREADED = (_SYNTH, "text-dedup", "datatrove")
# A run of it takes minutes.
_SLOW = "datatrove"
_SCALING = (10_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, default=30_000)
    parser.add_argument(
        "--repeats", type=int, default=3, help="runs of each method; the best counts"
    )
    parser.add_argument("--data", type=Path, help="folder of real documents, for more kinds")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--threads", action="store_true", help="one thread and two")
    part.add_argument("--chains", action="store_true", help="what verification does to chains")
    part.add_argument("--scaling", action="store_true", help="how synth grows, to 1,000,000")
    part.add_argument("--labelled", type=Path, metavar="DATA", help="folder of labelled documents")
    args = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "comparison": lambda: _compared(documents(args.docs, args.data), args.repeats),
        "threads": lambda: _threaded(documents(args.docs, args.data), args.repeats),
        "chains": lambda: {"rows": dedup_chains.measured(documents(args.docs, args.data))},
        "scaling": lambda: {"rows": [_scaled(n, args.data, args.repeats) for n in _SCALING]},
        "labelled": lambda: dedup_labelled.measured(args.labelled),
    }
    chosen = [name for name in parts if getattr(args, name, None)]
    name = chosen[0] if chosen else "comparison"
    told = parts[name]()
    told |= {"command": _command(), "date": datetime.now(UTC).date().isoformat()}
    _write(name, told)


def _command() -> str:
    """What was typed, but for where the documents lie on this machine."""
    typed = sys.argv[1:]
    after = [None, *typed]
    folders = ("--data", "--labelled")
    words = [
        "DATA" if before in folders else word for before, word in zip(after, typed, strict=False)
    ]
    return " ".join(["python", "benchmarks/dedup.py", *words])


def _write(name: str, told: dict[str, Any]) -> None:
    path = _RESULTS / "dedup.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    others = sorted({need for rival in ENVIRONMENTS.values() for need in rival.requirements})
    result |= {name: told, "machine": machine(), "packages": versions(*_PACKAGES), "others": others}
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text(page(result))
    if "labelled" in result:
        (_RESULTS / "dedup-labelled.svg").write_text(_drawing(result["labelled"]["rows"]))
    print("written: dedup.json and dedup.md in benchmarks/results")


def _drawing(rows: Sequence[dict[str, Any]]) -> str:
    """F1 of each method by threshold, from the tenth below every point on."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        point = row["threshold"], row["labels"]["f1"]
        lines.setdefault(row["method"], []).append(point)
    lowest = int(10 * min(y for line in lines.values() for _, y in line)) / 10
    return chart(lines, "threshold", "F1 by the labels", lowest)


def _compared(texts: Sequence[str], repeats: int) -> dict[str, Any]:
    before, size = load(), sum(len(text.encode()) for text in texts)
    print(f"{len(texts)} documents, {size / 1e6:.1f} MB; exact pairs", flush=True)
    pairs, similarity = near_pairs(texts, _THRESHOLD, NGRAM), similarity_of(texts)
    task, rows = job(texts, _THRESHOLD), []
    for method in METHODS:
        print(method, flush=True)
        row: dict[str, Any] = {"method": method}
        rows.append(row)
        try:
            run = best_run(method, task, 1 if method == _SLOW else repeats)
        except (RuntimeError, SetupError) as error:
            row["failed"] = str(error).splitlines()[-1]
            print(error, file=sys.stderr)
            continue
        row |= _figures(run, size, len(texts))
        row |= quality(run["of"], pairs, similarity, _THRESHOLD)
        row["together"] = together(run["cluster"], pairs)
    return {
        "load": [before, load()],
        "docs": len(texts),
        "mb": size / 1e6,
        "pairs": len(pairs),
        "threshold": _THRESHOLD,
        "bands": task.bands,
        "rows": task.rows,
        "repeats": repeats,
        "methods": rows,
        "floor": _floor(texts),
    }


def _threaded(texts: Sequence[str], repeats: int) -> dict[str, Any]:
    rows = []
    for method in _THREADED:
        for threads in (1, 2):
            print(method, threads, flush=True)
            run = best_run(
                method,
                job(texts, _THRESHOLD, threads),
                1 if method == _SLOW else repeats,
                by="wall_s",
            )
            times = {name: run[name] for name in ("cpu_s", "wall_s")}
            rows.append({"method": method, "threads": threads, **times})
    return {"docs": len(texts), "methods": rows}


def _scaled(count: int, data: Path | None, repeats: int) -> dict[str, Any]:
    texts = documents(count, data)
    size = sum(len(text.encode()) for text in texts)
    print(f"{count} documents, {size / 1e6:.0f} MB", flush=True)
    runs = 1 if count == max(_SCALING) else repeats
    run = best_run(_SYNTH, job(texts, _THRESHOLD), runs)
    return {"docs": count, "mb": size / 1e6, "repeats": runs, **_figures(run, size, count)}


def _figures(run: Run, size: int, count: int) -> dict[str, float]:
    times = {name: run[name] for name in ("cpu_s", "system_s", "wall_s", "added_mb")}
    return times | {
        "docs_per_cpu_s": count / run["cpu_s"],
        "mb_per_cpu_s": size / 1e6 / run["cpu_s"],
    }


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


if __name__ == "__main__":
    main()
