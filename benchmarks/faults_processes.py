"""Processes of a run that are killed or hang in mid-step, one at a time: the run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import ray
from faults_runs import (
    IN_FLIGHT,
    LATENCY_S,
    Recipe,
    Run,
    data_digest,
    finish,
    lost_and_doubled,
    named,
    rows_of,
    start,
    stop,
    stored_keys,
)
from faults_table import Finding
from ray.cluster_utils import Cluster

_REAL_MODEL = "{kind: vllm, model: bundled/smollm2-135m-instruct, max_model_len: 512}"
_REAL_TOKENS = 40
_NOTICED_S = 60.0
_MOST_PLACINGS = 8
_ASKER, _ENGINE, _CORE = "ray::Asker", "ray::LlmEngine", "EngineCore"
Hit = Callable[[psutil.Process], None]


def processes(work: Path, *, quick: bool) -> list[Finding]:
    """A worker of Ray, the two processes of an engine, and whole nodes of a cluster."""
    rows = 400 if quick else 2_000
    model = f"{{kind: fake, latency_s: {LATENCY_S}, max_in_flight: {IN_FLIGHT}}}"
    recipe = Recipe(work / "fake", rows, model).write()
    finish(recipe, work / "fake" / "unharmed")
    found = [
        _harmed(recipe, "asker-killed", "kill -9 of the Ray worker that asks", _ASKER, _kill),
        _harmed(recipe, "asker-hangs", "SIGSTOP of the Ray worker that asks", _ASKER, stop),
        _node_killed(recipe, "asker-node-killed", _ASKER),
    ]
    real = Recipe(work / "real", 24 if quick else 48, _REAL_MODEL, max_tokens=_REAL_TOKENS).write()
    finish(real, work / "real" / "unharmed")
    trials: list[tuple[str, str, str, Hit]] = [
        ("core-killed", "kill -9 of vLLM's EngineCore", _CORE, _kill),
        ("engine-killed", "kill -9 of the Ray actor that holds vLLM", _ENGINE, _kill),
        ("core-hangs", "SIGSTOP of vLLM's EngineCore", _CORE, stop),
        ("engine-hangs", "SIGSTOP of the Ray actor that holds vLLM", _ENGINE, stop),
    ]
    found += [_harmed(real, *trial) for trial in trials]
    return [*found, _node_killed(real, "engine-node-killed", _ENGINE)]


def _kill(process: psutil.Process) -> None:
    process.kill()


def _harmed(recipe: Path, name: str, what: str, part: str, hit: Hit) -> Finding:
    """A run of which one process is hit once a quarter of its replies is there."""
    unharmed, out = recipe.parent / "unharmed", recipe.parent / name
    rows = len(rows_of(unharmed))
    run = start(recipe, out)
    run.until(lambda: len(stored_keys(out)) > rows // 4)
    victims = named(run.process.pid, part)
    if not victims:
        raise RuntimeError(f"no process of the run is named {part}")
    hit(victims[0])
    noticed_s = _seconds_until_gone(victims[0], run)
    return _finding(run, recipe, out, what, noticed_s)


def _seconds_until_gone(process: psutil.Process, run: Run) -> float:
    """Seconds until a process has ended, as it must where it hangs."""
    started = time.monotonic()
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() - started > 3 * _NOTICED_S or run.process.poll() is not None:
            break
        time.sleep(0.2)
    return time.monotonic() - started


def _finding(run: Run, recipe: Path, out: Path, what: str, noticed_s: float) -> Finding:
    unharmed = recipe.parent / "unharmed"
    rows = len(rows_of(unharmed))
    code = run.end()
    lost, doubled = lost_and_doubled(out, rows) if code == 0 else (rows, 0)
    same = code == 0 and data_digest(out) == data_digest(unharmed)
    keys = stored_keys(out)
    return Finding(
        "processes",
        f"{what} in mid-step, {rows:,} rows",
        code == 0 and not lost and not doubled and noticed_s < _NOTICED_S,
        f"exit code {code}; {lost} rows lost, {doubled} doubled; `data/` "
        f"{'identical' if same else 'differs'}; gone after {noticed_s:.0f} s, the run took "
        f"{run.seconds():.0f} s; {sum(keys.values()) - len(keys)} replies stored twice",
        {
            "exit_code": code,
            "rows_lost": lost,
            "rows_doubled": doubled,
            "identical": same,
            "noticed_s": round(noticed_s, 1),
        },
    )


def _node_killed(recipe: Path, name: str, part: str) -> Finding:
    """A run on a cluster, of which the node is lost that has a certain process."""
    rows = len(rows_of(recipe.parent / "unharmed"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=4) for _ in range(2)]
        # Ray may put it beside the driver, whose node cannot be lost: then once more.
        for number in range(_MOST_PLACINGS):
            out = recipe.parent / f"{name}-{number}"
            run = start(recipe, out, ["--ray-address", cluster.address])
            run.until(lambda out=out: len(stored_keys(out)) > rows // 4)  # type: ignore[misc]
            if lost := next((node for node in nodes if _holds(node, part)), None):
                cluster.remove_node(lost, allow_graceful=False)
                what = f"kill of the raylet of the node with {part}"
                return _finding(run, recipe, out, what, 0.0)
            run.kill(whole=True)
        raise RuntimeError(f"Ray put {part} beside the driver {_MOST_PLACINGS} times")
    finally:
        cluster.shutdown()
        ray.shutdown()


def _holds(node: Any, part: str) -> bool:  # noqa: ANN401  (Ray ships no types)
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    return any(part in " ".join(one.cmdline()) for one in raylet.children())
