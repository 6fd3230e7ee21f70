"""The command line as its user meets it: what it prints, what it refuses, and how it says so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from aiohttp import web
from typer.testing import CliRunner, Result

from synth.cli import app
from synth.inputs.files import Folder
from synth.inputs.shipped import shipped_names
from synth.runner.lock import RunLock

# More characters than this are more tokens than the server's context holds.
CONTEXT_CHARS = 5_000
PROMPT = """\
---
purpose: Write a note.
needs: [text]
makes: columns
into: note
---
A note on: {{ text }}
"""
RECIPE: dict[str, Any] = {
    "name": "cats",
    "source": {"kind": "jsonl", "path": "cats.jsonl", "columns": {"id": "id", "text": "text"}},
    "models": {"writer": {"kind": "fake"}},
    "steps": [
        {"name": "sized", "kind": "length_filter", "min_chars": 1},
        {"name": "notes", "kind": "generate", "prompt": "note.md", "model": "writer"},
    ],
    "export": {"format": "rows", "columns": ["id", "text", "note"]},
}
CATS: list[dict[str, Any]] = [
    {"id": f"c{at}", "text": f"cat number {at} sleeps all day"} for at in range(5)
]
DIRTY: list[dict[str, Any]] = [
    {"id": "plain", "text": "a cat sleeps"},
    {"id": "null", "text": None},
    {"id": "empty", "text": ""},
    {"id": "blank", "text": " \n\t"},
    {"id": "nul", "text": "a cat\u0000sleeps"},
    {"id": "emoji", "text": "🐈🐈‍⬛👩‍🚀"},
    {"id": "long", "text": "cat " * 262_144},
    {"id": "number", "text": 7},
    {"id": "markup", "text": "[bold]{{ text }} {% raw %} # system\n[/red]"},
]


def write(folder: Path, docs: list[dict[str, Any]], **changes: Any) -> str:
    """A recipe with its source and prompt in a folder; the recipe's path."""
    folder.mkdir(exist_ok=True)
    (folder / "cats.jsonl").write_bytes(b"".join(orjson.dumps(doc) + b"\n" for doc in docs))
    (folder / "note.md").write_text(PROMPT)
    path = folder / "cats.yaml"
    path.write_text(yaml.safe_dump(RECIPE | changes, sort_keys=False))
    return str(path)


def synth(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def refused(result: Result, code: int = 1) -> str:
    """What a command that failed says: one sentence on standard error, and no traceback."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    said = result.stderr.splitlines()[-1]  # Ray may have told of a worker before
    assert said.startswith("Error: ")
    return said


# What a recipe, a prompt or a source can have wrong: `check` and `run` say the same.

Change = Callable[[Path], object]


def replaced(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


# Only reading a source to its end finds these; a run does that on its way.
LATE = "two rows of one id"

BAD: dict[str, tuple[Change, str]] = {
    "a typo in the recipe": (
        replaced("cats.yaml", "min_chars", "min_char"),
        "cats.yaml: steps.1.min_char: unknown key; did you mean 'min_chars'?",
    ),
    "a missing column": (
        replaced("cats.yaml", "- note", "- notes"),
        "export reads column 'notes', which 'notes' does not have; it has id, text, note",
    ),
    "a prompt with an unknown variable": (
        replaced("note.md", "{{ text }}", "{{ texts }}"), "note.md uses variable 'texts'; `needs`"
    ),
    "a prompt that is not there": (
        lambda folder: (folder / "note.md").unlink(), "step 2 (notes): there is no prompt 'note.md'"
    ),
    "an empty source": (
        lambda folder: (folder / "cats.jsonl").write_text(""), "source: the source has no rows"
    ),
    "no source": (
        lambda folder: (folder / "cats.jsonl").unlink(), "the source finds no jsonl file at"
    ),
    "a file that is not JSON at line 3": (
        replaced("cats.jsonl", '{"id":"c2"', '{"id":"c2'),
        "cats.jsonl line 3 is not JSON (unexpected",
    ),
    LATE: (
        replaced("cats.jsonl", '"c3"', '"c1"'),
        "rows 2 and 4 of the source have the same id 'c1'; make ids unique, or map no `id`",
    ),
    "a model that does not exist": (
        replaced("cats.yaml", "kind: fake", "kind: vllm\n    model: ./models/none"),
        "model 'writer': there is no model './models/none': no such folder; give a folder, a Hub",
    ),
    "a file that is no YAML": (
        replaced("cats.yaml", "steps:", "steps: ["), "cats.yaml is not YAML at line"
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (command, what)
        for what in BAD
        for command in ("check", "run")
        if (command, what) != ("run", LATE)
    ],
)
def test_bad_input_is_one_sentence_before_a_model_loads(
    command: str, what: str, tmp_path: Path
) -> None:
    change, said = BAD[what]
    recipe = write(tmp_path, CATS)
    change(tmp_path)
    assert said in refused(synth(command, recipe, "--out", str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = synth("check", str(tmp_path / "none.yaml"), "--debug")
    assert result.exit_code == 1
    assert type(result.exception).__name__ == "RecipeError"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "quickstrat"], "no recipe 'quickstrat'; did you mean 'quickstart'?"),
        (["run", "quickstart", "--engines", "writter=2"], "--engines names model 'writter'; the"),
        (["run", "quickstart", "--engines", "many"], "--engines got 'many'; give one number, or"),
        (["run", "quickstart", "--engines", "0"], "--engines got '0'"),
        (["run", "quickstart", "--gpus-per-engine", "-1"], "--gpus-per-engine got '-1'"),
        (["run", "quickstart", "--engine-arg", "eager"], "--engine-arg got 'eager'; give name="),
        (["run", "quickstart", "--restart-from", "dosc"], "--restart-from names 'dosc', which is"),
        (["run", "quickstart", "--limit", "2", "--target-rows", "2"], "exclude each other"),
        (["view", "/no/such/run"], "/no/such/run"),
    ],
)
def test_an_argument_that_is_wrong_is_one_sentence(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    out = ["--out", str(tmp_path)] if arguments[0] == "run" else []
    assert said in refused(synth(*arguments, *out))


@pytest.mark.parametrize("arguments", [["check"], ["run", "x", "--limit", "0"], ["fly"]])
def test_what_the_command_line_does_not_know_is_a_usage_error(arguments: list[str]) -> None:
    result = synth(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.output


@pytest.mark.parametrize(
    ("out", "said"),
    [("a file", "cannot write to"), ("nope://bucket/runs", "cannot reach nope://bucket/runs/")],
)
def test_an_out_that_cannot_hold_a_run_is_one_sentence(out: str, said: str, tmp_path: Path) -> None:
    recipe = write(tmp_path, CATS)
    if "://" not in out:
        out = str(tmp_path / out)
        Path(out).write_text("in the way")
    assert said in refused(synth("run", recipe, "--out", out))


def test_a_folder_that_another_run_writes_is_refused(tmp_path: Path) -> None:
    recipe = write(tmp_path, CATS)
    with RunLock(Folder(str(tmp_path / "out" / "cats" / "1"))):
        said = refused(synth("run", recipe, "--out", str(tmp_path / "out")))
    assert f"is in use by `synth` on {os.uname().nodename}, process {os.getpid()}; wait" in said


# What needs no run.


def test_check_prints_the_plan_and_loads_no_model(tmp_path: Path) -> None:
    result = synth("check", write(tmp_path, CATS), "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    for part in (
        "cats, version 1",
        "source  jsonl, gives id, text",
        "1 sized  length_filter, from source (at most 5 rows)",
        "2 notes  generate by writer, from sized (at most 5 rows), 5 requests",
        "reads text; adds note, edits",
        "export  rows, from notes, into train",
        "The recipe is sound. At most 5 requests",
        "0 replies of earlier runs are in the store",
    ):
        assert part in result.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", shipped_names("recipes"))
def test_check_accepts_every_recipe_that_ships(name: str, tmp_path: Path) -> None:
    result = synth("check", name, "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "The recipe is sound" in result.stdout


def test_prompts_that_ship_are_listed_one_line_each() -> None:
    result = synth("prompts")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == shipped_names("prompts")
    assert all(len(line.split()) > 3 for line in lines)


def test_recipes_that_ship_are_a_gallery_of_purpose_needs_output_and_source() -> None:
    result = synth("recipes")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    named = [line.split()[0] for line in lines if re.match(r"  \S", line)]
    told = [line for line in lines if re.match(r" {28}needs .*; makes .*; from .*", line)]
    assert sorted(named) == shipped_names("recipes")
    assert len(told) == len(named)


def test_recipes_are_found_by_a_word() -> None:
    found = synth("recipes", "stress").stdout
    assert "limit" in found
    assert "quickstart" not in found


def test_a_recipe_is_begun_as_a_copy_that_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = synth("new", "mine", "--from", "listwise", "--with-prompts")
    assert made.exit_code == 0, made.output
    assert made.stdout.splitlines()[0] == "mine/mine.yaml"
    assert synth("check", "mine/mine.yaml").exit_code == 0
    said = refused(synth("new", "mine", "--from", "listwise"))
    assert "is not overwritten" in said


def test_the_command_loads_no_heavy_package() -> None:
    told = (
        "import sys, synth.cli; print(sorted({'ray','torch','vllm','datasets'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", told], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_output_that_nobody_reads_any_more_is_no_error() -> None:
    command = f"{sys.executable} -c 'from synth.cli import main; main()' prompts | head -n 1"
    done = subprocess.run(
        command, shell=True, check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("augment_pair")
    assert done.stderr == ""


# Runs against a server.


@dataclass
class Server:
    """An OpenAI-compatible server with a small context."""

    asked: list[str] = field(default_factory=list)
    port: int = 0

    def spec(self, **more: Any) -> dict[str, Any]:
        at = f"http://127.0.0.1:{self.port}/v1"
        return {"kind": "openai", "model": "tiny", "base_url": at, "max_in_flight": 4} | more

    async def models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny"}]})

    async def chat(self, request: web.Request) -> web.Response:
        content: str = (await request.json())["messages"][-1]["content"]
        self.asked.append(content[:100])
        if len(content) > CONTEXT_CHARS:
            message = "This model's maximum context length is 2048 tokens."
            return web.json_response({"error": {"message": message}}, status=400)
        choice = {"message": {"content": f"Noted: {content}"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 2}
        return web.json_response({"choices": [choice], "usage": usage})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server in a thread of its own; Ray's workers reach it by its port."""
    serving, loop, up = Server(), asyncio.new_event_loop(), threading.Event()

    async def start() -> web.AppRunner:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_get("/v1/models", serving.models)
        application.router.add_post("/v1/chat/completions", serving.chat)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        serving.port = runner.addresses[0][1]
        return runner

    def serve() -> None:
        runner = loop.run_until_complete(start())
        up.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert up.wait(10)
    yield serving
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)


def test_a_server_that_is_down_is_found_before_anything_is_read(tmp_path: Path) -> None:
    down = {"kind": "openai", "model": "tiny", "base_url": "http://127.0.0.1:9/v1"}
    recipe = write(tmp_path, CATS, models={"writer": down | {"max_retries": 0}})
    said = refused(synth("run", recipe, "--out", str(tmp_path / "out")))
    assert "http://127.0.0.1:9/v1" in said
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_model_that_the_server_does_not_know_is_found_as_early(
    server: Server, tmp_path: Path
) -> None:
    recipe = write(tmp_path, CATS, models={"writer": server.spec(model="huge")})
    said = refused(synth("run", recipe, "--out", str(tmp_path / "out")))
    assert "does not know the model 'huge'; it knows 'tiny'" in said


@dataclass(frozen=True)
class DirtyRun:
    """A run over a source that has everything wrong with it."""

    recipe: str
    out: str
    path: str
    result: Result


@pytest.fixture(scope="module")
def dirty(server: Server, ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> DirtyRun:
    folder = tmp_path_factory.mktemp("dirty")
    recipe = write(folder, DIRTY, models={"writer": server.spec()})
    out = str(folder / "out")
    return DirtyRun(recipe, out, f"{out}/cats/1", synth("run", recipe, "--out", out))


@pytest.mark.ray
def test_bad_rows_are_dropped_with_their_reasons_and_the_run_goes_on(dirty: DirtyRun) -> None:
    import datasets

    assert dirty.result.exit_code == 0, dirty.result.output
    records = [json.loads(p.read_bytes()) for p in sorted(Path(dirty.path).glob("0*/_man*"))]
    source, _, notes = records
    assert source["rows_in"] == len(DIRTY)
    assert source["dropped"] == {
        "bad_text": 1, "empty_text": 2, "no_text": 1, "nul_in_text": 1,
    }  # fmt: skip
    assert notes["dropped"] == {"prompt_too_long": 1}
    assert notes["rows_out"] == 3
    opened = datasets.load_dataset(dirty.path, cache_dir=f"{dirty.out}/cache")["train"]
    found = {row["id"]: row for row in opened}
    assert set(found) == {"plain", "emoji", "markup"}
    for row_id in found:
        text = next(doc["text"] for doc in DIRTY if doc["id"] == row_id)
        assert found[row_id]["text"] == text
        assert found[row_id]["note"] == f"Noted: A note on: {text}"


@pytest.mark.ray
def test_a_run_ends_with_ledger_rows_dataset_and_the_next_command(dirty: DirtyRun) -> None:
    said = dirty.result.stdout
    for part in (
        "sized: 4 rows in, 4 out, 0 dropped",
        "prompt_too_long 1",
        "notes: 3 of 3 rows",
        "[bold]{{ text }} {% raw %}",
        f"dataset: {dirty.path}  —  3 rows (rows)",
        f'load it: datasets.load_dataset("{dirty.path}")',
        f"look at it: synth view {dirty.path} --step notes -n 5",
    ):
        assert part in said
    assert "Traceback" not in said


@pytest.mark.ray
def test_run_again_it_uses_what_is_there(dirty: DirtyRun, server: Server) -> None:
    asked = len(server.asked)
    again = synth("run", dirty.recipe, "--out", dirty.out)
    assert again.exit_code == 0, again.output
    assert f"dataset: {dirty.path}  —  3 rows (rows)" in again.stdout
    assert len(server.asked) == asked


@pytest.mark.ray
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["cats 1", "source", "sized", "notes", "export", "nul_in_text 1", "seconds"]),
        (["--step", "notes", "-n", "1"], ["notes: 1 of 3 rows", "Noted: A note on:"]),
        (["--step", "source", "--dropped"], ["source: 5 of 5 dropped rows", "dropped: no_text"]),
        (["--dropped"], ["cats 1", "dropped: empty_text", "dropped: prompt_too_long"]),
        (["--why", "emoji"], ["emoji", "source", "read", "notes", "changed", "note.md"[:4]]),
        (["--why", "long"], ["source", "read", "dropped", "prompt_too_long"]),
    ],
)
def test_view_shows_ledger_rows_drops_and_lineage(
    dirty: DirtyRun, arguments: list[str], parts: list[str]
) -> None:
    result = synth("view", dirty.path, *arguments)
    assert result.exit_code == 0, result.output
    for part in parts:
        assert part in result.stdout


@pytest.mark.ray
def test_view_says_which_steps_and_ids_there_are(dirty: DirtyRun) -> None:
    said = refused(synth("view", dirty.path, "--step", "note"))
    assert "no finished step 'note'; there are: source, sized, notes" in said
    said = refused(synth("view", dirty.path, "--why", "c99"))
    assert "no row and no positive or negative has the id 'c99'; looked in source, sized" in said


@pytest.mark.ray
def test_an_edited_recipe_is_refused_until_told_how_to_go_on(
    dirty: DirtyRun, server: Server
) -> None:
    folder, asked = Path(dirty.recipe).parent, len(server.asked)
    longer = folder / "longer.yaml"
    longer.write_text(Path(dirty.recipe).read_text().replace("min_chars: 1", "min_chars: 12"))
    said = refused(synth("run", str(longer), "--out", dirty.out))
    assert f"{dirty.path} was made by another recipe: at step 'sized', " in said
    assert "sized.min_chars was 1, is 12" in said
    assert "Raise `version` to keep the old run, or run with --restart-from sized" in said

    late = ("--restart-from", "notes")
    assert "at step 'sized'" in refused(synth("run", str(longer), "--out", dirty.out, *late))
    assert list(Path(dirty.path, "data").glob("*.parquet"))

    result = synth("run", str(longer), "--out", dirty.out, "--restart-from", "sized")
    assert result.exit_code == 0, result.output
    assert "too_short 1" in result.stdout
    assert "2 rows (rows)" in result.stdout
    # Only what the server refused, and so never answered, is asked again.
    assert len(server.asked) <= asked + 1

    check = synth("check", str(longer), "--out", dirty.out)
    assert "3 replies of earlier runs are in the store" in check.stdout


@pytest.mark.ray
def test_a_limit_reads_so_many_records_into_a_folder_of_its_own(
    ray_session: None, tmp_path: Path
) -> None:
    recipe, out = write(tmp_path, CATS), str(tmp_path / "out")
    result = synth("run", recipe, "--out", out, "--limit", "2", "--batch-rows", "1")
    assert result.exit_code == 0, result.output
    assert "source: 2 rows in, 2 out" in result.stdout
    assert f"dataset: {out}/cats/1-limit-2  —  2 rows (rows)" in result.stdout
    assert not (tmp_path / "out" / "cats" / "1").exists()


@pytest.mark.ray
def test_a_run_in_which_no_row_is_left_ends_all_the_same(ray_session: None, tmp_path: Path) -> None:
    steps = [{"kind": "length_filter", "min_chars": 999}, *RECIPE["steps"][1:]]
    recipe, out = write(tmp_path, CATS, steps=steps), str(tmp_path / "out")
    result = synth("run", recipe, "--out", out)
    assert result.exit_code == 0, result.output
    assert "too_short 5" in result.stdout
    assert "0 rows (rows)" in result.stdout
    assert (tmp_path / "out" / "cats" / "1" / "README.md").exists()
    assert synth("view", f"{out}/cats/1", "--dropped").exit_code == 0


@pytest.mark.ray
def test_a_line_that_is_not_json_far_down_ends_the_run_before_a_model_loads(
    ray_session: None, tmp_path: Path
) -> None:
    many = [{"id": f"c{at}", "text": "a cat"} for at in range(1500)]
    encoder = {"kind": "sentence_transformers", "model": "bundled/all-minilm-l6-v2"}
    steps = [{"kind": "embed", "model": "writer"}]
    recipe = write(
        tmp_path, many, models={"writer": encoder}, steps=steps, export={"format": "rows"}
    )
    replaced("cats.jsonl", '{"id":"c1400"', '{"id":"c1400')(tmp_path)
    said = refused(synth("run", recipe, "--out", str(tmp_path / "out")))
    assert "cats.jsonl line 1401 is not JSON" in said
    assert "mend it, or set `bad_lines: drop`" in said


@contextlib.contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A filesystem of two megabytes."""
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "synth-test", str(at)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


@pytest.mark.ray
def test_a_full_disk_is_one_sentence_and_with_room_the_run_goes_on(
    ray_session: None, tmp_path: Path
) -> None:
    docs = [{"id": f"c{at}", "text": f"cat {at} " + "sleeps " * 200} for at in range(20)]
    recipe = write(tmp_path, docs)
    with small_disk(tmp_path / "disk") as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"\0" * ((2 << 20) - (48 << 10)))
        said = refused(synth("run", recipe, "--out", str(disk / "out")))
        assert "no space left on the filesystem of" in said
        assert "make room and run the same command again" in said
        ballast.unlink()
        result = synth("run", recipe, "--out", str(disk / "out"))
        assert result.exit_code == 0, result.output
        assert "20 rows (rows)" in result.stdout
