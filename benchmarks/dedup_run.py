"""Dedup as a whole run, Parquet to Parquet: ``python benchmarks/dedup_run.py [--docs N ...]``.

With ``--rival N ...`` datatrove's local executor gets the same files with the same bands in the
same run, at these numbers of documents: a million take it an hour or more, unless
``--rival-limit TIMES`` ends it after so many times the wall time of synth.

A recipe of one `minhash_dedup` step goes through `synth run` with Ray started and stopped, on more
and more documents; time should grow linearly and the memory of each worker stay flat. Writes
``benchmarks/results/dedup-run.json`` and a page beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from dedup_documents import documents
from dedup_job import NGRAM, NUM_PERM
from dedup_runs import ENVIRONMENTS
from machine import load, machine, versions
from process_cpu import TreeCpu
from rivals.setup import install

from synth import open_run
from synth.algorithms.minhash import bands

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "ray", "numba", "pyarrow", "numpy")
_SIZES = (10_000, 100_000, 1_000_000)
# More documents than so many are these with their words in another order, which makes other
# shingles and leaves near copies near.
_BASE = 100_000
_STRIDES = (1, 3, 7, 11, 13, 17, 19, 23, 29, 31)
_FILE_DOCS = 50_000
_LOOK_EVERY_S = 1.0
_WARM_DOCS = 1_000
_THRESHOLD = 0.8
# Tasks of `synth/steps/near_copies_on_ray.py`.
_TASKS = ("_signed", "_linked", "_split", "_search", "_told_near")
_RECIPE = """\
name: dedup
source: {kind: parquet, path: "docs/*.parquet", columns: {id: id, text: text}}
steps:
  - {kind: minhash_dedup, threshold: 0.8}
export: {format: documents}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=int, nargs="+", default=_SIZES)
    parser.add_argument("--data", type=Path, help="folder of real documents; else those we ship")
    parser.add_argument(
        "--rival", type=int, nargs="+", default=(), metavar="N", help="datatrove too, at these"
    )
    parser.add_argument(
        "--rival-limit", type=float, metavar="TIMES", help="end it after so many times synth's wall"
    )
    args = parser.parse_args()
    runs = []
    base = documents(min(_BASE, max(args.docs)), args.data)
    limit = args.rival_limit or float("inf")
    # Kernels are compiled once on a machine: that is not a part of any run below.
    _measured(base, _WARM_DOCS, 0)
    for count in args.docs:
        runs.append(_measured(base, count, limit if count in args.rival else 0))
        print(json.dumps(runs[-1]), flush=True)
    rivals = f" --rival {' '.join(map(str, args.rival))}" if args.rival else ""
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "packages": versions(*_PACKAGES),
        "load": load(),
        "command": f"python benchmarks/dedup_run.py --docs {' '.join(map(str, args.docs))}"
        f"{' --data DATA' if args.data else ''}{rivals}"
        f"{f' --rival-limit {args.rival_limit:g}' if args.rival_limit else ''}",
        "runs": runs,
    }
    path = _RESULTS / "dedup-run.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text(page(result))


def texts(base: Sequence[str], count: int) -> Iterator[str]:
    """So many documents: those of `base`, then the same with their words in other orders."""
    for number in range(count):
        turn, at = divmod(number, len(base))
        if not turn:
            yield base[at]
            continue
        words = base[at].split()
        stride = _STRIDES[turn % len(_STRIDES)]
        yield " ".join(word for first in range(stride) for word in words[first::stride])


def _measured(base: Sequence[str], count: int, rival_times: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="synth-dedup-") as name:
        folder = Path(name)
        size = _write(folder / "docs", base, count)
        (folder / "dedup.yaml").write_text(_RECIPE)
        out = folder / "out"
        synth = Path(sys.executable).with_name("synth")
        done = _watched([str(synth), "run", str(folder / "dedup.yaml"), "--out", str(out)])
        record = open_run(str(out / "dedup" / "1"))["minhash_dedup"].record
        told = {
            "docs": count,
            "mb": round(size / 1e6),
            **done,
            "step_s": round(record.seconds, 1),
            "dropped": record.rows_dropped,
        }
        print(json.dumps(told), flush=True)
        if rival_times:
            told["datatrove"] = _by_datatrove(folder, count, rival_times * done["wall_s"])
        return told


def _watched(command: Sequence[str], limit_s: float = math.inf) -> dict[str, Any]:
    """Wall and CPU seconds of a command and all that it starts, and their memory.

    Where it takes more than `limit_s` it is ended, and `ended` says so.
    """
    started_s = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        memory = _Memory(process.pid)
        with TreeCpu(process.pid, _LOOK_EVERY_S) as cpu:
            said, ended = _said(process, limit_s)
        memory.stop()
    wall_s = time.perf_counter() - started_s
    if process.returncode and not ended:
        raise RuntimeError(said[-2000:])
    return {
        "ended": ended,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu.cpu_s, 1),
        "driver_mb": memory.driver_mb,
        "workers_mb": dict(sorted(memory.workers_mb.items(), key=lambda one: -one[1])),
    }


def _said(process: subprocess.Popen[str], limit_s: float) -> tuple[str, bool]:
    """What a process printed, and whether it had to be ended."""
    try:
        said, _ = process.communicate(timeout=None if math.isinf(limit_s) else limit_s)
    except subprocess.TimeoutExpired:
        tree = psutil.Process(process.pid)
        for one in [*tree.children(recursive=True), tree]:
            one.kill()
        return process.communicate()[0], True
    return said, False


def _by_datatrove(folder: Path, count: int, limit_s: float) -> dict[str, Any]:
    """The same by datatrove: its stages' start and end, logs and files included."""
    rival = ENVIRONMENTS["datatrove"]
    install(rival)
    count_bands, count_rows = bands(_THRESHOLD, NUM_PERM)
    command = [str(rival.python), str(Path(__file__).with_name("dedup_datatrove.py"))]
    command += [str(folder / "docs"), str(folder / "datatrove"), "--ngram", str(NGRAM)]
    done = _watched([*command, "--bands", str(count_bands), "--rows", str(count_rows)], limit_s)
    told = {name: done[name] for name in ("wall_s", "cpu_s", "ended")}
    if done["ended"]:
        return told
    kept = sum(
        pq.read_metadata(path).num_rows for path in (folder / "datatrove/out").glob("*.parquet")
    )
    return told | {"dropped": count - kept}


def _write(folder: Path, base: Sequence[str], count: int) -> int:
    folder.mkdir()
    size, waiting = 0, []
    for number, text in enumerate(texts(base, count)):
        size += len(text.encode())
        waiting.append((f"d{number:08}", text))
        if len(waiting) == _FILE_DOCS or number == count - 1:
            ids, found = zip(*waiting, strict=True)
            table = pa.table({"id": pa.array(ids), "text": pa.array(found)})
            pq.write_table(table, folder / f"part-{number:08}.parquet")
            waiting = []
    return size


class _Memory:
    """The most private memory of the driver and of any one worker, by what the worker did."""

    def __init__(self, root: int) -> None:
        self.driver_mb = 0
        self.workers_mb: dict[str, int] = {}
        self._root = psutil.Process(root)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            try:
                self.driver_mb = max(self.driver_mb, _private_mb(self._root))
                for child in self._root.children(recursive=True):
                    task, used = child.cmdline()[:1], _private_mb(child)
                    name = task[0].removeprefix("ray::") if task else ""
                    if task and name != task[0] and name != "IDLE":
                        self.workers_mb[name] = max(self.workers_mb.get(name, 0), used)
            except psutil.Error:  # one of them has just ended
                continue


def _private_mb(process: psutil.Process) -> int:
    """Resident memory that is not shared: the object store is mapped into every worker."""
    told = process.memory_info()
    return int((told.rss - told.shared) / 1e6)


def _most(run: dict[str, Any], *, dedup: bool) -> str:
    """The worker with the most memory among the tasks of the step, or among the others."""
    found = {name: mb for name, mb in run["workers_mb"].items() if (name in _TASKS) is dedup}
    if not found:
        return ""
    name = max(found, key=found.__getitem__)
    return f"{found[name]:,} MB ({name.partition('(')[0]})"


def _rival_lines(runs: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Datatrove beside synth, where it ran."""
    if not any("datatrove" in run for run in runs):
        return
    yield (
        "\nThe same files by datatrove's local executor, two workers, the same bands; it compares "
        "no texts, so that a shared band is enough for it to drop one. The goal is 10 times its "
        "speed, end to end.\n"
    )
    yield "| docs | datatrove wall s | datatrove CPU s | dropped | wall, times synth's | CPU |"
    yield "|---|---|---|---|---|---|"
    for run in (run for run in runs if "datatrove" in run):
        other = run["datatrove"]
        more = "more than " if other["ended"] else ""
        dropped = "ended before it was done" if other["ended"] else f"{other['dropped']:,}"
        yield (
            f"| {run['docs']:,} | {other['wall_s']:,} | {other['cpu_s']:,} | {dropped} "
            f"| {more}{other['wall_s'] / run['wall_s']:.1f} "
            f"| {more}{other['cpu_s'] / run['cpu_s']:.1f} |"
        )


def page(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        f"| {run['docs']:,} | {run['mb']:,} | {run['wall_s']:,} | {run['step_s']:,} "
        f"| {run['cpu_s']:,} | {1e6 * run['step_s'] / run['docs']:,.0f} | {run['dropped']:,} "
        f"| {run['driver_mb']:,} MB | {_most(run, dedup=True)} | {_most(run, dedup=False)} |"
        for run in result["runs"]
    ]
    computer = result["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in result["packages"].items())
    return "\n".join(
        [
            "# Dedup as a whole run\n",
            "`synth run` of a recipe with one `minhash_dedup` step (5-word shingles, 128 "
            "permutations, threshold 0.8, verified), Parquet to Parquet, Ray's start and end, ids, "
            "ledger and export included. `step` is the step alone. Private memory: the object "
            "store is not counted; the most that one worker had at a task of the step, and at any "
            "other (reading, writing, and the export's sort by id).\n",
            "| docs | MB | wall s | step s | CPU s | step, µs a doc | dropped | driver, most "
            "| a worker of the step, most | another worker, most |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *lines,
            *_rival_lines(result["runs"]),
            f"\n`{result['command']}`, {result['date']}. {computer['cpu']}, {computer['cores']} "
            f"cores, {computer['memory_gib']} GiB, Python {computer['python']}; {packages}.\n",
        ]
    )


if __name__ == "__main__":
    main()
