"""Runs a method of `dedup_methods` in a process of its own, under the interpreter it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dedup_job import NUM_PERM, Job
from rivals.setup import Rival, install

from synth.algorithms.minhash import bands

_SCRIPT = Path(__file__).parent / "dedup_methods.py"
_TEXT_DEDUP = Rival(
    "text_dedup", "", ("text-dedup==0.4.0", "datasets==5.2.0", "numpy==2.4.6", "xxhash==4.1.0")
)
# datatrove passes strings to xxhash, which version 4 refuses; it needs spaCy and tokenizers, which
# it does not declare, for English words.
_DATATROVE = Rival(
    "datatrove_dedup",
    "",
    (
        "datatrove[io]==0.10.1",
        "numpy==2.4.6",
        "regex==2026.11.19",
        "spacy==3.8.11",
        "tokenizers==0.23.3",
        "xxhash==3.6.0",
    ),
)
ENVIRONMENTS = {
    "rensa": Rival("rensa", "", ("rensa==0.5.0",)),
    "text-dedup": _TEXT_DEDUP,
    "text-dedup, its own bands": _TEXT_DEDUP,
    "datatrove": _DATATROVE,
}
# The end of the output that an error quotes.
_QUOTED_CHARACTERS = 600

Run = dict[str, Any]


def job(texts: Sequence[str], threshold: float, threads: int = 1) -> Job:
    """The task of every method: the bands that synth chooses for the threshold."""
    return Job(list(texts), threshold, *bands(threshold, NUM_PERM), threads)


def best_run(method: str, task: Job, repeats: int = 1, by: str = "cpu_s") -> Run:
    """What a method found and took: of so many runs, each a new process, the least `by`.

    Raises:
        RuntimeError: If the method fails.
    """
    rival = ENVIRONMENTS.get(method)
    if rival:
        install(rival)
    python = rival.python if rival else sys.executable
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")
    one_thread = {f"{name}_NUM_THREADS": "1" for name in names}
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as folder:
        asked, answered = Path(folder, "job.json"), Path(folder, "result.json")
        task.write(asked)
        runs = []
        for _ in range(repeats):
            command = [python, _SCRIPT, method, asked, answered]
            done = subprocess.run(
                [str(part) for part in command],
                env=os.environ | one_thread,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{method} failed: {done.stderr[-_QUOTED_CHARACTERS:]}")
            runs.append(json.loads(answered.read_text()))
    return min(runs, key=lambda run: float(run[by]))
