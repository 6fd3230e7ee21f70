"""The laws of a whole run: batching, identity, resume. Those of single steps are in tests/steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import yaml
from accounts import accounts, dataset_bytes, reply_keys

from synth.core.errors import DriftError
from synth.inputs.shipped import shipped_names
from synth.plan import make_plan
from synth.recipe import Recipe, load_recipe, parse_recipe
from synth.runner import Placement, run
from synth.runner.folder import RunFolder

TOPICS = ("glass", "volcano", "wheel", "camel", "harbour", "clock")
PROMPT = """\
---
purpose: Write a note.
needs: [text]
axes: {tone: [dry, warm]}
makes: columns
into: note
sampling: {max_tokens: 64}
---
Write a {{ axes.tone }} note on: {{ text }}
"""
# Something of every shape: map, generate (new rows, entries, columns), encode and corpus steps.
BROAD: dict[str, Any] = {
    "name": "broad",
    "seed": 5,
    "source": {"kind": "jsonl", "path": "docs.jsonl", "columns": {"id": "id", "text": "text"}},
    "models": {
        "one": {"kind": "fake", "model": "one", "fail_rate": 0.1},
        "two": {"kind": "fake", "model": "two"},
        "encoder": {"kind": "fake", "model": "encoder"},
    },
    "steps": [
        {"name": "docs", "kind": "minhash_dedup", "threshold": 0.8},
        {"name": "sized", "kind": "length_filter", "min_words": 4},
        {"name": "noted", "kind": "generate", "prompt": "note.md", "model": "two"},
        {"name": "corpus", "kind": "embed", "model": "encoder"},
        {
            "name": "queries",
            "kind": "generate",
            "prompt": "query_from_passage",
            "models": {"one": 2, "two": 1},
            "n": 2,
            "max_error_rate": 1,
        },
        {
            "name": "written",
            "kind": "generate",
            "prompt": "hard_negative",
            "model": "one",
            "on_failure": "keep",
            "max_error_rate": 1,
        },
        {"name": "vectors", "kind": "embed", "column": "query", "model": "encoder"},
        {"name": "mined", "kind": "mine_negatives", "corpus": "corpus", "depth": 5},
        {"name": "scores", "kind": "score", "model": "encoder"},
        {"name": "judged", "kind": "generate", "prompt": "judge_relevance", "model": "two"},
        {"name": "margin", "kind": "margin_filter", "relative_margin": 0.05, "keep": 3},
    ],
    "export": [
        {"format": "n_tuple", "negatives": 1, "ids": True, "splits": {"train": 0.8, "test": 0.2}},
        {"format": "documents", "name": "docs", "from": "docs"},
    ],
}


def sentence(draw: Random, topic: str, words: int) -> str:
    syllables = ("ka", "lo", "mi", "ne", "ru", "sa", "to", "vu")
    made = ["".join(draw.choices(syllables, k=draw.randint(1, 3))) for _ in range(words)]
    made[::5] = [topic] * len(made[::5])
    return " ".join(made)


def write_sources(folder: Path, number: int = 14) -> None:
    draw = Random(11)
    docs = [{"id": f"d{at:02}", "text": sentence(draw, TOPICS[at % 6], 30)} for at in range(number)]
    docs += [{"id": "copy", "text": docs[0]["text"]}, {"id": "short", "text": "too short"}]
    docs += [{"id": "blank", "text": " "}, {"id": "nul", "text": "a\0b"}]
    (folder / "docs.jsonl").write_bytes(b"\n".join(map(orjson.dumps, docs)) + b"\n")
    for name in ("note.md", "memo.md"):
        (folder / name).write_text(PROMPT)


def broad(folder: Path, change: Callable[[dict[str, Any]], object] = lambda data: None) -> Recipe:
    """The broad recipe over documents in `folder`, after a change to its data."""
    data = json.loads(json.dumps(BROAD))
    change(data)
    text = yaml.safe_dump(data, sort_keys=False)
    return parse_recipe(text, "broad.yaml").placed(folder, text)


# Law 2: batching.


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_rows_do_not_depend_on_batches_engines_or_on_where_a_step_runs(
    ray_session: None, tmp_path: Path
) -> None:
    write_sources(tmp_path)
    recipe = broad(tmp_path)
    here = run(recipe, out=str(tmp_path / "here"), placement=Placement(batch_rows=256))
    spread = run(
        recipe,
        out=str(tmp_path / "spread"),
        placement=Placement(in_process_rows=0, batch_rows=3, engines={"": 2}),
    )
    expected = accounts(Path(here.path))
    assert expected["margin"].live_ids
    assert expected["docs"].dropped == {"exact_duplicate": 1}
    found = accounts(Path(spread.path))
    assert list(found) == list(expected)
    for name, account in found.items():
        assert account.sorted_rows == expected[name].sorted_rows, name
        assert account.record.dropped == expected[name].record.dropped
    assert dataset_bytes(Path(spread.path)) == dataset_bytes(Path(here.path))


# Law 5: identity.

FINGERPRINTS = """
import sys
from pathlib import Path
import orjson
from synth.plan import make_plan
from synth.recipe import load_recipe
plans = [make_plan(load_recipe(name)) for name in sys.argv[1:]]
marks = [[table.fingerprint for table in plan.tables] + [plan.export_ingredients] for plan in plans]
print(orjson.dumps(marks).decode())
"""


def test_fingerprints_do_not_depend_on_the_process(tmp_path: Path) -> None:
    write_sources(tmp_path)
    (tmp_path / "broad.yaml").write_text(yaml.safe_dump(BROAD))
    names = [*shipped_names("recipes"), str(tmp_path / "broad.yaml")]
    plans = [make_plan(load_recipe(name)) for name in names]
    here = [[t.fingerprint for t in plan.tables] + [plan.export_ingredients] for plan in plans]
    for seed in ("1", "2", "3"):
        elsewhere = subprocess.run(
            [sys.executable, "-c", FINGERPRINTS, *names],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert orjson.loads(elsewhere.stdout) == here


def marked(recipe: Recipe, out: Path, limit: int | None = None) -> RunFolder:
    """A run's folder in which every step of the recipe is finished, without its rows."""
    folder = RunFolder(make_plan(recipe, limit), str(out))
    for table in folder.plan.tables:
        folder.finish(table, [], 0, 0.0)
    return folder


def step(name: str, **more: Any) -> Callable[[dict[str, Any]], object]:
    def change(data: dict[str, Any]) -> None:
        next(one for one in data["steps"] if one["name"] == name).update(more)

    return change


def model(name: str, **more: Any) -> Callable[[dict[str, Any]], object]:
    return lambda data: data["models"][name].update(more)


MATTERS: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "the recipe's seed": (lambda d: d.update(seed=6), "noted", "seed was 5, is 6"),
    "a step's parameter": (
        step("docs", threshold=0.7), "docs", "docs.threshold was 0.8, is 0.7"
    ),
    "a rule switched off": (
        step("margin", relative_margin=None), "margin", "margin.relative_margin was 0.05, is null"
    ),
    "sampling of a step": (
        step("queries", sampling={"temperature": 0.5}), "queries", "queries.sampling was"
    ),
    "sampling of a model": (
        model("one", sampling={"top_k": 7}), "queries", "sampling of model one was"
    ),
    "the model": (model("encoder", model="other"), "corpus", "model encoder was"),
    "weights of models": (
        step("queries", models={"one": 1, "two": 1}), "queries", "queries.models was"
    ),
    "how often it asks": (step("written", attempts=5), "written", "written.attempts was 3, is 5"),
    "replies of a row": (step("queries", n=3), "queries", "queries.n was 2, is 3"),
    "another prompt": (
        step("noted", prompt="memo.md"), "noted", "prompt memo is new"
    ),
    "what a step reads": (step("corpus", **{"from": "docs"}), "corpus", "the rows it reads"),
    "a column of the source": (
        lambda d: d["source"]["columns"].update(name="id"), "source", "source.columns was"
    ),
    "a step that is gone": (
        lambda d: d["steps"].pop(1), "sized", "step 'sized' is not in it any more"
    ),
    "steps in another order": (
        lambda d: d["steps"].insert(0, d["steps"].pop(1)),
        "docs", "step 'docs' has another place in the recipe",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MATTERS)
def test_a_change_that_matters_is_refused_by_name(what: str, tmp_path: Path) -> None:
    write_sources(tmp_path)
    marked(broad(tmp_path), tmp_path / "out")
    change, where, told = MATTERS[what]
    changed = RunFolder(make_plan(broad(tmp_path, change)), str(tmp_path / "out"))
    with pytest.raises(DriftError) as refused:
        changed.check_drift()
    said = str(refused.value)
    assert f"at step {where!r}" in said
    assert told in said
    assert "Raise `version`" in said
    assert "--restart-from " in said


@pytest.mark.parametrize(
    ("file", "edit", "where", "told"),
    [
        ("note.md", lambda text: text.replace("a {{", "one {{"), "noted", "prompt note was"),
        ("docs.jsonl", lambda text: text.replace("glass", "glaze"), "source", "content of source"),
        ("docs.jsonl", lambda text: text + '{"id": "z", "text": "z"}\n', "source", "content of"),
    ],
)
def test_a_changed_file_is_refused_by_name(
    file: str, edit: Callable[[str], str], where: str, told: str, tmp_path: Path
) -> None:
    write_sources(tmp_path)
    marked(broad(tmp_path), tmp_path / "out")
    (tmp_path / file).write_text(edit((tmp_path / file).read_text()))
    changed = RunFolder(make_plan(broad(tmp_path)), str(tmp_path / "out"))
    with pytest.raises(DriftError, match=f"at step '{where}', {told}"):
        changed.check_drift()


def test_a_limit_is_part_of_a_runs_identity_and_has_a_folder_of_its_own(tmp_path: Path) -> None:
    write_sources(tmp_path)
    whole, part = (make_plan(broad(tmp_path), limit) for limit in (None, 3))
    assert all(
        one.fingerprint != other.fingerprint
        for one, other in zip(whole.tables, part.tables, strict=True)
    )
    assert RunFolder(whole, "out").root != RunFolder(part, "out").root


NO_MATTER: dict[str, Callable[[dict[str, Any]], object]] = {
    "when a step gives up": step("queries", max_error_rate=0.3),
    "requests under way": model("one", max_in_flight=3),
    "a slow model": model("one", latency_s=0.5, tail_share=0.1),
    "the description": lambda d: d.update(description="Another one."),
    "the card": lambda d: d.update(card={"license": "cc-by-4.0", "tags": ["x"]}),
    "an unused model": lambda d: d["models"].update(more={"kind": "fake"}),
    "a default spelt out": step("written", n=1),
    "the order of keys": lambda d: d.update(source=dict(reversed(d["source"].items()))),
    "a name for what is read anyway": step("sized", **{"from": "docs"}),
}


@pytest.mark.parametrize("what", NO_MATTER)
def test_a_change_that_does_not_matter_is_accepted(what: str, tmp_path: Path) -> None:
    write_sources(tmp_path)
    before = marked(broad(tmp_path), tmp_path / "out")
    changed = RunFolder(make_plan(broad(tmp_path, NO_MATTER[what])), str(tmp_path / "out"))
    changed.check_drift()
    for one, other in zip(before.plan.tables, changed.plan.tables, strict=True):
        assert one.fingerprint == other.fingerprint
    assert before.plan.export_ingredients == changed.plan.export_ingredients


def test_a_copy_of_recipe_and_source_elsewhere_is_the_same_recipe(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        write_sources(tmp_path / name)
    here, there = (make_plan(broad(tmp_path / name)) for name in ("here", "there"))
    assert [t.fingerprint for t in here.tables] == [t.fingerprint for t in there.tables]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["export"][0].update(negatives=2),
        lambda d: d["export"][0].update(splits={"train": 0.5, "test": 0.5}),
        lambda d: d["export"][1].update({"from": "corpus"}),
        lambda d: d.update(seed=6),
    ],
)
def test_an_export_knows_all_that_changes_its_rows(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    write_sources(tmp_path)
    before, after = make_plan(broad(tmp_path)), make_plan(broad(tmp_path, change))
    assert before.export_ingredients != after.export_ingredients


# Law 6: resume.

DRIVER = """
import sys
from pathlib import Path
from synth.recipe import load_recipe
from synth.runner import Placement, run
run(load_recipe(sys.argv[1]), out=sys.argv[2], placement=Placement(batch_rows=4))
"""
IN_FLIGHT = 6


def slow(folder: Path, name: str) -> Path:
    """The broad recipe with models that take their time, as a file."""
    data = json.loads(json.dumps(BROAD))
    for spec in data["models"].values():
        spec.update(latency_s=0.05, tail_share=0.2, tail_latency_s=0.2, max_in_flight=IN_FLIGHT)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def stored(out: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in out.rglob("_replies/**/*.jsonl"))


def kill_after(replies: int, recipe: Path, out: Path) -> None:
    """Starts a driver and kills it when the store holds so many replies."""
    log = out.with_suffix(".log")
    with log.open("ab") as told:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(recipe), str(out)], stdout=told, stderr=told
        )
    deadline = time.monotonic() + 150
    while stored(out) < replies:
        assert driver.poll() is None, f"it ended by itself: {log.read_text()[-2000:]}"
        assert time.monotonic() < deadline, textwrap.shorten(log.read_text()[-2000:], 2000)
        time.sleep(0.01)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    # Ray's processes end when their driver has; until then a worker may finish what it asked.
    time.sleep(2.0)


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_run_killed_three_times_ends_as_one_never_killed(
    ray_session: None, tmp_path: Path
) -> None:
    write_sources(tmp_path)
    recipe = slow(tmp_path, "slow")
    unkilled = run(load_recipe(str(recipe)), out=str(tmp_path / "unkilled"))
    total = stored(tmp_path / "unkilled")
    draw, out = Random(3), tmp_path / "killed"
    instants = sorted(draw.sample(range(3, total - 3), 3))
    for instant in instants:
        kill_after(instant, recipe, out)
    resumed = run(load_recipe(str(recipe)), out=str(out))
    assert dataset_bytes(Path(resumed.path)) == dataset_bytes(Path(unkilled.path))
    expected = accounts(Path(unkilled.path))
    for name, account in accounts(Path(resumed.path)).items():
        assert account.sorted_rows == expected[name].sorted_rows, name
    keys = reply_keys(out, "broad")
    assert set(keys) == set(reply_keys(tmp_path / "unkilled", "broad"))
    again = sum(keys.values()) - len(keys)
    # At most two models answer one step.
    assert again <= len(instants) * 2 * IN_FLIGHT
