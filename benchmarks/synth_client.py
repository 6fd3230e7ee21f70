"""Runs a recipe in a process of its own, as `synth run` does; the last line is what it came to."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from synth import load_recipe, run
from synth.runner import Placement


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--engine-args", type=json.loads, default={}, help="as a JSON object")
    args = parser.parse_args()
    started_s = time.perf_counter()
    placement = Placement(engine_args=args.engine_args)
    outcome = run(load_recipe(str(args.recipe)), out=str(args.out), placement=placement)
    wall_s = time.perf_counter() - started_s
    step = [record for record in outcome.records if record.kind == "generate"][-1]
    measured = {
        "wall_s": round(wall_s, 3),
        "asking_s": step.usage.asking_s,
        "rows_ok": step.rows_out,
        "requests": step.usage.requests,
        "output_tokens": step.usage.output_tokens,
    }
    print("\n" + json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
