"""`synth` as a benchmark runs it: a recipe that asks a model, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from process_cpu import LOOK_EVERY_S, TreeCpu

TIMEOUT_S = 1200.0
PROMPT_HEAD = "---\npurpose: Ask about one text.\nneeds: [text]\nmakes: columns\ninto: answer\n"
_QUOTED_CHARS = 1500


@dataclass(frozen=True)
class SynthRun:
    """What one run came to.

    Attributes:
        wall_s: Seconds of the whole run, the start of Ray and of engines in it.
        asking_s: Seconds from the first request of the last pass to its last reply.
        rows_ok: Rows with an answer.
        requests: Requests sent.
        output_tokens: Tokens of all replies.
        cpu_s: CPU seconds of all its processes: driver, Ray's daemons, workers, engines.
        cpu_by_command: The same by the name of the process.
    """

    wall_s: float
    asking_s: float
    rows_ok: int
    requests: int
    output_tokens: int
    cpu_s: float
    cpu_by_command: dict[str, float]


def write_recipe(
    folder: Path,
    texts: Iterable[str],
    model: Mapping[str, Any],
    sampling: Mapping[str, Any],
    body: str = "{{ text }}",
    passes: int = 1,
) -> Path:
    """A recipe that asks a model about each text and keeps whatever it answers.

    Args:
        folder: Where recipe, prompt and rows are written.
        texts: One row each.
        model: The model's spec.
        sampling: Of the step.
        body: The prompt's.
        passes: Steps that ask the same, each with seeds of its own: all but the last warm an engine
            up.

    Returns:
        The recipe's file.
    """
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    # A reply that `max_tokens` cut off is an answer here, as it is to the other tools.
    (folder / "ask.md").write_text(f"{PROMPT_HEAD}cut: trim\n---\n{body}\n", encoding="utf-8")
    step = {"kind": "generate", "prompt": "./ask.md", "model": "writer", "attempts": 1}
    step |= {"on_failure": "keep", "max_error_rate": 1.0, "sampling": dict(sampling)}
    steps = [{"name": f"pass-{number + 1}", **step} for number in range(passes)]
    recipe = {
        "name": "benchmark",
        "source": {"kind": "jsonl", "path": "rows.jsonl"},
        "models": {"writer": dict(model)},
        "steps": steps,
        "export": {"format": "rows"},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def run_recipe(
    recipe: Path,
    engine_args: Mapping[str, Any],
    environment: Mapping[str, str],
    look_every_s: float = LOOK_EVERY_S,
) -> SynthRun:
    """Runs a recipe into a folder beside it.

    Args:
        recipe: Its file.
        engine_args: Placement, handed to vLLM.
        environment: Of the process.
        look_every_s: Seconds between two looks at its CPU times.

    Raises:
        RuntimeError: If the run fails; with the end of what it said.
    """
    folder, log = recipe.parent, recipe.parent / "log.txt"
    command = [sys.executable, str(Path(__file__).with_name("synth_client.py")), str(recipe)]
    command += ["--out", str(folder / "out"), "--engine-args", json.dumps(dict(engine_args))]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
        with TreeCpu(process.pid, look_every_s) as cpu:
            status = process.wait(TIMEOUT_S)
    said = log.read_text(errors="replace").strip()
    if status != 0:
        raise RuntimeError(f"synth ended with status {status}: {said[-_QUOTED_CHARS:]}")
    measured = json.loads(said.rpartition("\n")[2])
    return SynthRun(
        **measured,
        cpu_s=round(cpu.cpu_s, 3),
        cpu_by_command={name: round(spent_s, 2) for name, spent_s in cpu.by_command().items()},
    )
