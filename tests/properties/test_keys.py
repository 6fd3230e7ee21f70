"""The key of a reply: what can change an answer changes it, what cannot leaves it alone.

Each change is made to the files of a recipe, and the keys are those of the requests that its step
would send: a stale answer is one whose key did not change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from synth.core.chat import Sampling
from synth.plan import make_plan
from synth.recipe import parse_recipe
from synth.steps.generate import Generation

Tree = dict[str, Any]
Change = Callable[["Files"], object]
Keys = dict[tuple[str, int, int], str]  # by row, sample and attempt

HEAD: Tree = {
    "purpose": "Write a query.",
    "needs": ["text"],
    "axes": {"length": {"short": 1, "long": 1}, "tone": {"dry": 1}},
    "reply": {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    },
    "makes": "pairs",
    "into": {"query": "query"},
    "checks": [{"kind": "words", "max": 30}],
    "sampling": {"top_p": 0.8, "max_tokens": 64},
}
BODY = """\
# system
You write queries.
# user
Passage: Glass is made of sand.
# assistant
{"query": "what is glass made of"}
# user
Passage: {{ text }}
A {{ axes.length }}, {{ axes.tone }} query.
"""
RECIPE: Tree = {
    "name": "keys",
    "seed": 3,
    "source": {"kind": "jsonl", "path": "docs.jsonl", "columns": {"id": "id", "text": "text"}},
    "models": {
        "writer": {
            "kind": "vllm",
            "model": "weights",
            "max_model_len": 512,
            "chat_template_kwargs": {"enable_thinking": False},
            "sampling": {"min_p": 0.1},
        }
    },
    "steps": [
        {
            "name": "queries",
            "kind": "generate",
            "prompt": "ask.md",
            "model": "writer",
            "n": 2,
            "sampling": {"temperature": 0.7},
        }
    ],
    "export": {"format": "rows"},
}
SERVER: Tree = {
    "kind": "openai",
    "model": "m",
    "base_url": "http://127.0.0.1:9/v1",
    "revision": "one",
    "sampling": {"min_p": 0.1},
}


class Files:
    """A recipe, its prompt and its local model, before they are written."""

    def __init__(self) -> None:
        self.recipe, self.head, self.body = copy.deepcopy(RECIPE), copy.deepcopy(HEAD), BODY
        self.weights = {"config.json": b'{"layers": 2}', "model.safetensors": bytes(1000)}
        self.rows = [{"id": "d1", "text": "Camels store fat."}, {"id": "d2", "text": "Sheep too."}]

    @property
    def step(self) -> Tree:
        step: Tree = self.recipe["steps"][0]
        return step

    @property
    def model(self) -> Tree:
        model: Tree = self.recipe["models"]["writer"]
        return model

    def generation(self, folder: Path) -> Generation:
        """The step as the runner gets it, from files in an empty folder."""
        folder.mkdir()
        (folder / "weights").mkdir()
        for name, data in self.weights.items():
            (folder / "weights" / name).write_bytes(data)
        (folder / "docs.jsonl").write_text('{"id": "d1", "text": "x"}\n')
        (folder / "ask.md").write_text(f"---\n{yaml.safe_dump(self.head)}---\n{self.body}")
        text = yaml.safe_dump(self.recipe, sort_keys=False)
        plan = make_plan(parse_recipe(text, "keys.yaml").placed(folder, text))
        made = plan.steps[0].generation
        assert made is not None
        return made

    def keys(self, folder: Path) -> Keys:
        """Every request's key for two rows, two samples and two attempts."""
        generation = self.generation(folder)
        return {
            (str(self.rows[ask.row]["id"]), ask.sample, number): request.key(
                generation.cards[ask.model].identity
            )
            for ask in generation.ask(pa.Table.from_pylist(self.rows))
            for number in range(2)
            if (request := ask.attempt(number)) is not None
        }


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Keys, Keys]]:
    """The keys before and after a change, each from files of their own."""

    def both(change: Change, given: Change = lambda files: None) -> tuple[Keys, Keys]:
        found = []
        for name, changes in (("before", [given]), ("after", [given, change])):
            files = Files()
            for one in changes:
                one(files)
            # A model's folder is looked for where the process is, as any path of a shell is.
            monkeypatch.chdir(tmp_path)
            files.model["model"] = files.model["model"].replace("weights", f"{name}/weights")
            found.append(files.keys(tmp_path / name))
        return found[0], found[1]

    return both


def put(which: str, *path: Any) -> Change:
    """Sets a value deep in `recipe`, `head`, `step` or `model`."""
    *way, last, value = path

    def change(files: Files) -> None:
        tree = getattr(files, which)
        for part in way:
            tree = tree[part]
        tree[last] = value

    return change


def say(old: str, new: str) -> Change:
    def change(files: Files) -> None:
        assert old in files.body
        files.body = files.body.replace(old, new)

    return change


def weigh(name: str, data: bytes) -> Change:
    return lambda files: files.weights.update({name: data})


OTHER_SAMPLING: Tree = {
    "temperature": 0.2,
    "top_p": 0.5,
    "top_k": 7,
    "min_p": 0.2,
    "repetition_penalty": 1.1,
    "presence_penalty": 0.3,
    "frequency_penalty": 0.4,
    "max_tokens": 33,
    "stop": ["\n\n"],
}
LAYERS = ("step", "head", "model")

FLIPS: dict[str, Change] = {
    "system prompt": say("You write queries.", "You write good queries."),
    "user prompt": say("Passage: {{ text }}", "Text: {{ text }}"),
    "a blank of the user prompt": say("Passage: {{ text }}", "Passage:  {{ text }}"),
    "few-shot question": say("made of sand", "made of soda"),
    "few-shot answer": say("what is glass made of", "what glass is made of"),
    "role of a turn": say("# system\n", "# user\n"),
    "axis value": put("head", "axes", "tone", {"warm": 1}),
    "schema field": put("head", "reply", "properties", "query", {"type": "string", "maxLength": 9}),
    "schema rule": put("head", "reply", "additionalProperties", True),
    "seed of the recipe": put("recipe", "seed", 4),
    "name of the step": put("step", "name", "questions"),
    "one byte of the weights": weigh("model.safetensors", bytes(999) + b"\1"),
    "one more byte of the weights": weigh("model.safetensors", bytes(1001)),
    "config beside the weights": weigh("config.json", b'{"layers": 3}'),
    "a chat template that was not there": weigh("chat_template.jinja", b"{{ messages }}"),
    "context length": put("model", "max_model_len", 1024),
    "number format": put("model", "dtype", "bfloat16"),
    "quantization": put("model", "quantization", "fp8"),
    "switch of the chat template": put("model", "chat_template_kwargs", "enable_thinking", True),
    "new switch of the chat template": put("model", "chat_template_kwargs", "effort", "low"),
    "code of the model's repository": put("model", "trust_remote_code", True),
}


@pytest.mark.parametrize("change", FLIPS.values(), ids=FLIPS)
def test_what_can_change_an_answer_changes_every_key(
    change: Change, changed: Callable[..., tuple[Keys, Keys]]
) -> None:
    before, after = changed(change)
    assert len(before) == len(after) == 8
    assert not set(before.values()) & set(after.values())


@pytest.mark.parametrize("field", Sampling.model_fields)
@pytest.mark.parametrize("layer", LAYERS)
def test_every_sampling_field_of_every_layer_changes_every_key(
    layer: str, field: str, changed: Callable[..., tuple[Keys, Keys]]
) -> None:
    def only(files: Files) -> None:
        for name in LAYERS:
            getattr(files, name)["sampling"] = {}

    before, after = changed(put(layer, "sampling", field, OTHER_SAMPLING[field]), only)
    assert not set(before.values()) & set(after.values())


def test_a_wider_layer_counts_only_where_no_narrower_one_speaks(
    changed: Callable[..., tuple[Keys, Keys]],
) -> None:
    before, after = changed(put("head", "sampling", "temperature", 0.1))  # the step says 0.7
    assert before == after


SERVER_FLIPS: dict[str, Change] = {
    "model": put("model", "model", "m2"),
    "revision": put("model", "revision", "two"),
    "no revision": put("model", "revision", None),
    "kind": put("recipe", "models", "writer", {"kind": "fake", "model": "m"}),
}


def served(files: Files) -> None:
    files.recipe["models"]["writer"] = dict(SERVER)


@pytest.mark.parametrize("change", SERVER_FLIPS.values(), ids=SERVER_FLIPS)
def test_another_model_of_a_server_changes_every_key(
    change: Change, changed: Callable[..., tuple[Keys, Keys]]
) -> None:
    before, after = changed(change, served)
    assert not set(before.values()) & set(after.values())


def test_an_address_counts_unless_a_revision_names_the_weights(
    changed: Callable[..., tuple[Keys, Keys]],
) -> None:
    moved = put("model", "base_url", "http://127.0.0.1:10/v1")
    before, after = changed(moved, served)
    assert before == after


def test_an_address_is_all_that_tells_nameless_weights_apart(
    changed: Callable[..., tuple[Keys, Keys]],
) -> None:
    def nameless(files: Files) -> None:
        served(files)
        del files.model["revision"]

    before, after = changed(put("model", "base_url", "http://127.0.0.1:10/v1"), nameless)
    assert not set(before.values()) & set(after.values())


def test_text_and_id_of_a_row_change_its_keys_and_no_others(
    changed: Callable[..., tuple[Keys, Keys]],
) -> None:
    def other_text(files: Files) -> None:
        files.rows[0]["text"] += "!"

    before, after = changed(other_text)
    assert {key for key in before if before[key] != after[key]} == {
        k for k in before if k[0] == "d1"
    }


def test_the_id_of_a_row_changes_its_keys(changed: Callable[..., tuple[Keys, Keys]]) -> None:
    def other_id(files: Files) -> None:
        files.rows[0]["id"] = "d9"

    before, after = changed(other_id)
    assert {v for k, v in before.items() if k[0] == "d2"} == {
        v for k, v in after.items() if k[0] == "d2"
    }
    assert not {v for k, v in before.items() if k[0] == "d1"} & set(after.values())


def test_rows_samples_and_attempts_have_keys_of_their_own(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    files = Files()
    files.model["model"] = "here/weights"
    files.rows[1]["text"] = files.rows[0]["text"]  # the same text in two rows
    assert len(set(files.keys(tmp_path / "here").values())) == 8


def test_weights_of_an_axis_change_only_the_keys_whose_draw_changes(tmp_path: Path) -> None:
    drawn, keys = [], []
    for name, weights in (("even", {"short": 1, "long": 1}), ("uneven", {"short": 3, "long": 1})):
        files = Files()
        served(files)
        files.head["axes"]["length"] = weights
        files.rows = [{"id": f"d{at}", "text": "Camels store fat."} for at in range(40)]
        generation = files.generation(tmp_path / name)
        asks = generation.ask(pa.Table.from_pylist(files.rows))
        drawn.append([ask.axes["length"] for ask in asks])
        keys.append([ask.request.key("") for ask in asks if ask.request])
    same_draw = [one == other for one, other in zip(*drawn, strict=True)]
    same_key = [one == other for one, other in zip(*keys, strict=True)]
    assert same_key == same_draw
    assert {True, False} == set(same_draw)


KEEPS: dict[str, Change] = {
    "checks": put("head", "checks", [{"kind": "no_phrase", "phrases": ["as an AI"]}]),
    "no checks": put("head", "checks", []),
    "purpose": put("head", "purpose", "Ask something."),
    "where the idea comes from": put("head", "source", "A book."),
    "reply cut off": put("head", "cut", "trim"),
    "into another column": put("head", "into", {"query": "query", "topic": "query"}),
    "what a reply becomes": lambda files: files.head.update(makes="rows", into={"title": "query"}),
    "failures": put("step", "on_failure", "keep"),
    "inputs that go on": put("step", "keep_inputs", True),
    "attempts": put("step", "attempts", 9),
    "error rate": put("step", "max_error_rate", 1),
    "requests in flight": put("model", "max_in_flight", 3),
    "name of the model in the recipe": lambda files: (
        files.recipe.update(models={"author": files.model}),
        files.step.update(model="author"),
        files.recipe["models"].update(writer=files.recipe["models"]["author"]),
    ),
    "name and version of the recipe": lambda files: files.recipe.update(name="k", version="2"),
    "card": put("recipe", "card", {"license": "cc0-1.0"}),
    "export": put("recipe", "export", {"format": "rows", "splits": {"a": 1, "b": 1}}),
    "a step after it": lambda files: files.recipe["steps"].append(
        {"kind": "sample", "fraction": 0.5}
    ),
}


@pytest.mark.parametrize("change", KEEPS.values(), ids=KEEPS)
def test_what_changes_no_answer_keeps_every_key(
    change: Change, changed: Callable[..., tuple[Keys, Keys]]
) -> None:
    before, after = changed(change)
    assert before == after


@pytest.mark.parametrize(
    ("setting", "value"),
    [("max_in_flight", 1), ("timeout_s", 5), ("api_key_env", "OTHER_KEY"), ("max_retries", 1)],
)
def test_how_a_server_is_called_keeps_every_key(
    setting: str, value: object, changed: Callable[..., tuple[Keys, Keys]]
) -> None:
    before, after = changed(put("model", setting, value), served)
    assert before == after


def test_more_samples_keep_the_keys_of_those_there_were(
    changed: Callable[..., tuple[Keys, Keys]],
) -> None:
    before, after = changed(put("step", "n", 5))
    assert len(after) == 20
    assert before.items() <= after.items()


def test_the_middle_of_a_large_file_of_weights_counts(
    changed: Callable[..., tuple[Keys, Keys]],
) -> None:
    """A merged adapter may leave the first and the last tensor of a file as they were."""
    size = 40 << 20
    trained = bytearray(size)
    trained[size // 2 : size // 2 + (64 << 10)] = b"\1" * (64 << 10)  # a small tensor

    before, after = changed(
        weigh("model.safetensors", bytes(trained)), weigh("model.safetensors", bytes(size))
    )
    assert not set(before.values()) & set(after.values())
