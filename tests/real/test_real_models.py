"""The main street on real models: the bundled LLM in process, and behind a server of vLLM's own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest

from synth.core.chat import Sampling
from synth.engines.bundled import local_model
from synth.engines.specs import OpenAISpec
from synth.engines.vllm import environment
from synth.formats import PairExport
from synth.inputs.sources import JsonlSource
from synth.recipe import Recipe
from synth.runner import run
from synth.steps import Generate
from synth.view import open_run

REPOSITORY = Path(__file__).parents[2]
PASSAGES = REPOSITORY / "recipes" / "data" / "passages.jsonl"
MODEL = "bundled/smollm2-135m-instruct"
# The server imports vLLM and loads the model: half a minute on a quiet machine.
START_S = 600


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    synth = Path(sys.executable).with_name("synth")
    return subprocess.run(
        [str(synth), *words], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.vllm
@pytest.mark.timeout(1500)
def test_the_quickstart_turns_passages_into_rows_that_load_dataset_opens(tmp_path: Path) -> None:
    recipe = str(REPOSITORY / "recipes" / "quickstart.yaml")
    done = command("run", recipe, "--limit", "10", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "datasets.load_dataset(" in done.stdout
    folder = tmp_path / "outputs" / "quickstart" / "1-limit-10"
    shown = open_run(folder)
    assert all(record.adds_up for record in shown.records)
    pairs = shown["queries"].to_arrow()
    assert pairs.num_rows >= 5
    assert all(pairs["query"].to_pylist())
    made_by = pairs["provenance"].to_pylist()[0]
    assert (made_by["model"], made_by["prompt"]) == (MODEL, "query_from_passage")
    written = [
        entry["origin"]
        for row in shown["margin"].to_arrow()["negatives"].to_pylist()
        for entry in row
    ]
    assert "mined" in written
    loaded = datasets.load_dataset(str(folder))
    assert {"query", "positive", "negative_1"} <= set(loaded["train"].column_names)
    again = command("run", recipe, "--limit", "10", cwd=tmp_path)
    assert again.returncode == 0
    assert open_run(folder)["queries"].record == shown["queries"].record


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a vLLM server of the bundled model, on the loopback interface."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    # `vllm serve` looks for a distribution called vllm, which the CPU build is not.
    flags = ["--host", "127.0.0.1", "--port", str(port), "--served-model-name", "small"]
    flags += ["--enforce-eager", "--no-enable-chunked-prefill", "--max-model-len", "1024"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "vllm.entrypoints.openai.api_server",
                "--dtype=float32",
                "--model",
                local_model(MODEL),
                "--max-num-seqs",
                "16",
                *flags,
            ],
            env={**os.environ, **environment()},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.mark.vllm
@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
@pytest.mark.timeout(1500)
def test_a_vllm_server_writes_queries_and_grades_in_the_schema(server: str, tmp_path: Path) -> None:
    columns = {"id": "_id", "text": "text"}
    recipe = Recipe(
        name="served",
        seed=3,
        source=JsonlSource(kind="jsonl", path=str(PASSAGES), columns=columns),
        models={
            "writer": OpenAISpec(
                kind="openai", model="small", base_url=server, sampling=Sampling(temperature=0.7)
            )
        },
        steps=(
            Generate(prompt="query_from_passage", model="writer", max_error_rate=1),
            Generate(prompt="judge_pair", model="writer", max_error_rate=1),
        ),
        export=(PairExport(),),
    )
    outcome = run(recipe, out=str(tmp_path), limit=6)
    judged = open_run(outcome.path)["judge_pair"].to_arrow()
    assert judged.num_rows >= 3
    assert all(0 <= score <= 10 for score in judged["judge_score"].to_pylist())
    told = json.loads((Path(outcome.path) / "_run.json").read_text())
    assert told["limit"] == 6
