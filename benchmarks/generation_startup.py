"""Part C: how long a user waits for `synth check`, and a program for `import synth.recipe`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

HEAVY = ("ray", "torch", "vllm", "datasets")
_ROOT = Path(__file__).parents[1]
# Seconds of the import alone, in an interpreter that is up; then what it brought along.
_IMPORT = """
import json, sys, time
started_s = time.perf_counter()
import synth.recipe
seconds = time.perf_counter() - started_s
packages = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"seconds": seconds, "packages": packages}))
"""


def imported() -> dict[str, Any]:
    """Seconds of one `import synth.recipe` in a new interpreter; heavy packages that it loads."""
    told = json.loads(_output([sys.executable, "-c", _IMPORT]))
    return {
        "seconds": told["seconds"],
        "heavy": [name for name in HEAVY if name in told["packages"]],
    }


def checked_s() -> float:
    """Seconds of one `synth check recipes/quickstart.yaml`."""
    started_s = time.perf_counter()
    _output([str(Path(sys.executable).with_name("synth")), "check", "recipes/quickstart.yaml"])
    return time.perf_counter() - started_s


def measure_startup(*, repeats: int) -> dict[str, Any]:
    """Medians of both, each in a new process."""
    imports = [imported() for _ in range(repeats)]
    checks = [checked_s() for _ in range(repeats)]
    return {
        "repeats": repeats,
        "check_s": round(median(checks), 2),
        "checks_s": [round(one, 2) for one in checks],
        "import_s": round(median(one["seconds"] for one in imports), 2),
        "imports_s": [round(one["seconds"], 2) for one in imports],
        "heavy_modules": sorted({name for one in imports for name in one["heavy"]}),
    }


def _output(command: list[str]) -> str:
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}: {done.stderr}")
    return done.stdout
