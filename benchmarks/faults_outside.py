"""Servers that misbehave, disks that fill up, and what it costs to sync replies to disk."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from statistics import median

from faults_runs import (
    IN_FLIGHT,
    LATENCY_S,
    Recipe,
    data_digest,
    fill,
    finish,
    lost_and_doubled,
    run_folder,
    start,
    stored_keys,
)
from faults_server import FAULTS, CountingServer
from faults_table import Finding

from synth.core.chat import Completion
from synth.inputs.files import Folder
from synth.manifest import read_record
from synth.replies import ReplyWriter

_FAULT_SHARE = 0.2
_DOWN_S = 3.0
_DISK_MB = 20
_MOST_SYNC_SHARE = 0.02
# In every Python process of a run: replies are not synced, or the seconds that it takes are noted.
_SWITCH = """
import os, time
switch = os.environ.get("FAULTS_SYNC")
if switch:
    from synth.replies import ReplyWriter
    sync = ReplyWriter.sync
    def timed(self):
        started = time.perf_counter()
        sync(self)
        with open(os.environ["FAULTS_LOG"], "a") as log:
            log.write(f"{time.perf_counter() - started}\\n")
    ReplyWriter.sync = timed if switch == "on" else lambda self: None
"""
_PUTS = 100_000


def server(work: Path, *, quick: bool) -> list[Finding]:
    """A server that misbehaves for a fifth of its requests and is restarted in mid-run."""
    rows = 400 if quick else 2_000
    with CountingServer(LATENCY_S) as good:
        finish(_on_server(work / "good", good, rows), work / "good" / "out")
    with CountingServer(LATENCY_S, _FAULT_SHARE) as bad:
        recipe, out = _on_server(work / "bad", bad, rows), work / "bad" / "out"
        run = start(recipe, out)
        run.until(lambda: len(stored_keys(out)) > rows // 3)
        bad.restart(_DOWN_S)
        code = run.end()
        lost, doubled = lost_and_doubled(out, rows)
        same = data_digest(out) == data_digest(work / "good" / "out")
        faults = sum(bad.faults.values())
        return [
            Finding(
                "server",
                f"{rows:,} rows from a server with {_FAULT_SHARE:.0%} faults ({', '.join(FAULTS)})"
                f" and a restart of {_DOWN_S:g} s in mid-run",
                code == 0 and same and not lost and not doubled,
                f"{faults} faults in {bad.requests:,} requests; {lost} rows lost, {doubled} "
                f"doubled; `data/` {'the same as' if same else 'not that of'} a faultless "
                "server's",
                {
                    "faults": faults,
                    "requests": bad.requests,
                    "rows_lost": lost,
                    "rows_doubled": doubled,
                    "seconds": round(run.seconds(), 1),
                },
            )
        ]


def _on_server(folder: Path, server: CountingServer, rows: int) -> Path:
    # With a revision the port, which is another each time, identifies nothing.
    model = (
        f"{{kind: openai, model: mock, base_url: '{server.url}', revision: trial, "
        f"max_in_flight: {IN_FLIGHT}, timeout_s: 2}}"
    )
    return Recipe(folder, rows, model).write()


def disk(work: Path, *, quick: bool) -> list[Finding]:
    """A small filesystem that is full in mid-run, and has room again afterwards."""
    rows = 300 if quick else 2_000
    trial = f"a filesystem of {_DISK_MB} MB fills up in mid-step, {rows:,} rows"
    model = f"{{kind: fake, latency_s: {LATENCY_S}, max_in_flight: {IN_FLIGHT}}}"
    recipe = Recipe(work, rows, model).write()
    mount = work / "small"
    mount.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs"]
    mounted = subprocess.run(["mount", *options, mount], capture_output=True, check=False)
    if mounted.returncode:
        return [Finding("disk", trial, None, "mounting a filesystem takes root")]
    try:
        finish(recipe, work / "unfilled")
        out = mount / "out"
        run = start(recipe, out)
        run.until(lambda: len(stored_keys(out)) >= rows // 10)
        ballast = mount / "ballast"
        fill(ballast)
        code, said = run.end(), run.said()
        kept = len(stored_keys(out))
        ballast.unlink()
        finish(recipe, out)
        same = data_digest(out) == data_digest(work / "unfilled")
    finally:
        subprocess.run(["umount", "-l", mount], check=False)
    told = [line for line in said.splitlines() if line.startswith("Error:")]
    clear = len(told) == 1 and "no space left" in told[0] and "Traceback" not in said
    return [
        Finding(
            "disk",
            trial,
            code == 1 and clear and same,
            f"exit code {code}; {'one sentence' if clear else 'NO clear sentence'}; {kept} replies "
            f"kept; after room was made `data/` is {'the same' if same else 'NOT the same'}",
            {"exit_code": code, "replies_kept": kept, "same": same},
        )
    ]


def sync(work: Path, *, quick: bool) -> list[Finding]:
    """What it costs that replies are synced to disk."""
    return [_puts(work / "store", 1 if quick else 5), _runs(work / "runs", quick=quick)]


def _puts(work: Path, times: int) -> Finding:
    """The store alone, as fast as it can: far faster than any model answers."""
    reply = Completion("word " * 30, "stop", 60, 30)
    keys = [f"{number:032x}" for number in range(_PUTS)]
    seconds: dict[bool, list[float]] = {True: [], False: []}
    kept = ReplyWriter.sync
    for number in range(times):
        for synced in seconds:
            ReplyWriter.sync = kept if synced else _not  # type: ignore[method-assign,assignment]
            writer = ReplyWriter(Folder(str(work / f"{synced}-{number}")))
            started = time.perf_counter()
            for key in keys:
                writer.put(key, reply)
            seconds[synced].append(time.perf_counter() - started)
    ReplyWriter.sync = kept  # type: ignore[method-assign]
    on, off = median(seconds[True]), median(seconds[False])
    return Finding(
        "sync",
        f"{_PUTS:,} replies put into the store in a loop, synced and not",
        None,
        f"{on / _PUTS * 1e6:.1f} and {off / _PUTS * 1e6:.1f} µs a reply (medians of {times})",
        {"synced_us": round(on / _PUTS * 1e6, 2), "unsynced_us": round(off / _PUTS * 1e6, 2)},
    )


def _not(_writer: ReplyWriter) -> None:
    return


def _runs(work: Path, *, quick: bool) -> Finding:
    # Fewer are answered before the first sync is due.
    rows, pairs = (20_000, 1) if quick else (60_000, 5)
    hook = work / "hook"
    hook.mkdir(parents=True)
    (hook / "sitecustomize.py").write_text(_SWITCH)
    recipe = Recipe(work, rows, f"{{kind: fake, max_in_flight: {IN_FLIGHT}}}").write()
    log = work / "synced.txt"
    seconds: dict[str, list[float]] = {"on": [], "off": []}
    for number in range(pairs):
        for switch in ("on", "off") if number % 2 else ("off", "on"):
            out = work / f"{switch}-{number}"
            finish(recipe, out, PYTHONPATH=str(hook), FAULTS_SYNC=switch, FAULTS_LOG=str(log))
            record = read_record(Folder(str(run_folder(out) / "01-again")))
            seconds[switch].append(record.seconds if record else 0.0)
    synced = sum(map(float, log.read_text().split())) / sum(seconds["on"])
    cost = median(seconds["on"]) / median(seconds["off"]) - 1
    return Finding(
        "sync",
        f"runs of {rows:,} rows on the fake engine without latency, {pairs} with replies synced "
        f"and {pairs} without, in turns",
        synced < _MOST_SYNC_SHARE,
        f"the thread that syncs is busy for {synced:.2%} of the step; the step took {cost:+.1%} "
        f"longer with it ({_spread(seconds['on'])} and {_spread(seconds['off'])})",
        {"busy_share": round(synced, 5), "longer_share": round(cost, 4)},
    )


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.1f} s, {min(seconds):.1f} to {max(seconds):.1f}"
