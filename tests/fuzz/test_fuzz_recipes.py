"""5,000 damaged recipes and prompts: each is accepted, or refused in a sentence with a place."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

import pytest
import yaml

from synth.core.chat import Completion
from synth.core.errors import SynthError
from synth.core.prompt import Prompt
from synth.estimate import estimate
from synth.inputs.prompts import parse_prompt
from synth.inputs.shipped import shipped_folder, shipped_names
from synth.plan import make_plan
from synth.recipe import parse_recipe
from synth.steps import Generate
from synth.steps.ask import ModelCard
from synth.steps.generate import Generation

FILES = 5000
# Two thirds are recipes; a share of a hundred for each round of the test.
ROUNDS, RECIPES_A_ROUND, PROMPTS_A_ROUND = 10, 300, 200
# A sound file takes some 30 ms; a machine under load may take ten times as long.
MOST_S = 5.0
MOST_CHARS = 1500

BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + at)}: &{chr(98 + at)} [{','.join(['*' + chr(97 + at)] * 10)}]\n" for at in range(12)
)
SCALARS = (
    "null", "~", "true", "no", "0", "-1", "1", "3.5", "1e400", ".nan", "-.inf",
    "0x7fffffffffffffff", "9" * 30, "9" * 5000, "2026-01-31", "2026-99-99", "12:30:45", "[]", "{}",
    "[1, 2]", "{a: b}", "[[[[[[]]]]]]", '""', '" "', '"\\0"', '"\\ud800"', '"\\u2028"', "é日本語🎉",
    "'x: y'", "|", ">", "text", "source", "export", "generate", "id", "drop_reason", "..",
    "../../etc", "a/b", "'*'", "x" * 300, "x/" * 200 + "y.md", "~nobody-here/x.md", "&a 1", "*a",
    "*nothing", "!!binary x", "!!python/object:os.system x", "!!python/name:os.system",
    "!!timestamp x", "!!int x", "!!int ''", "!!float x", "!!bool x", "!!set {a, b}",
    "!!omap [a: 1]", "!unknown x", "<<: *a", "? [a]", "http", "s3", "://", "file://",
    "nosuch://x/y.jsonl", "{{ text }}", "{% for", "#/$defs/x", "\\",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 7, 10**15, 10**18, 10**30, 0.5, 1e308, -0.0, "", " ", "text",
    "no such thing", "..", "a/b", "x" * 300, "é日本語🎉", [], {}, [None], [[[]]], {"a": 1},
    {"a": {"a": {"a": []}}}, ["text", 3], {"$ref": "#/$defs/x"}, {"type": "object"},
    {"kind": "fake"}, "2026-01-31", "1",
)  # fmt: skip
BODIES = (
    "{{ text", "{% endif %}", "{{ text | nosuch }}", "{{ text.__class__ }}", "{{ 'a' * 10**9 }}",
    "{{ 10**10**10 }}", "{% for i in range(10**9) %}x{% endfor %}", "{{ text | center(10**9) }}",
    "{{ '%1000000000d' % 1 }}", "{{ text.ljust(10**9) }}", "{{ axes.nosuch }}", "{{ axes }}",
    "# system\n", "# assistant\n", "{% include 'a' %}", "{% import text as t %}",
    "{{ text is nosuch }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% raw %}", "{# ",
    "{{ " + "(" * 3000, "{% for a in text %}" * 30 + "{% endfor %}" * 30,
    "{{ " + "9" * 5000 + " }}", "{{ [] }}", "{{ }}",
    "{% for a in text recursive %}{{ loop(text) }}{% endfor %}", "{{ text[10:] }}", "{{ text() }}",
    "{{ '{:>1000000000}'.format(1) }}", "{{ positives[0].text }}", "{{ text.join(1) }}", "\0",
    "\ufeff", "{{ text|dictsort }}", "{{ text|first.x }}", "{{ 1 // 0 }}", "{{ 1 if text }}",
    "{{ loop.index }}",
)  # fmt: skip

Lines = list[str]
TextChange = Callable[[Random, Lines], Lines]
TreeChange = Callable[[Random, Any], None]


# On the text.


def deleted(draw: Random, lines: Lines) -> Lines:
    at = draw.randrange(len(lines))
    return lines[:at] + lines[at + draw.randint(1, 3) :]


def doubled(draw: Random, lines: Lines) -> Lines:
    at = draw.randrange(len(lines))
    return lines[:at] + [lines[at]] * draw.choice((2, 2, 2, 50)) + lines[at + 1 :]


def swapped(draw: Random, lines: Lines) -> Lines:
    one, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    changed = list(lines)
    changed[one], changed[other] = lines[other], lines[one]
    return changed


def indented(draw: Random, lines: Lines) -> Lines:
    at = draw.randrange(len(lines))
    moved = draw.choice(("  " + lines[at], lines[at].lstrip(), "\t" + lines[at], " " + lines[at]))
    return [*lines[:at], moved, *lines[at + 1 :]]


def replaced(draw: Random, lines: Lines) -> Lines:
    """One scalar of one line becomes another."""
    at = draw.randrange(len(lines))
    found = list(re.finditer(r"[\w./%-]+", lines[at]))
    if not found:
        return lines
    hit = draw.choice(found)
    line = lines[at][: hit.start()] + draw.choice(SCALARS) + lines[at][hit.end() :]
    return [*lines[:at], line, *lines[at + 1 :]]


def cut(draw: Random, lines: Lines) -> Lines:
    text = "\n".join(lines)
    return text[: draw.randrange(len(text))].split("\n")


def scribbled(draw: Random, lines: Lines) -> Lines:
    """A few characters are put in, taken out or turned into signs that mean something."""
    text = "\n".join(lines)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice("{}[]:,-#&*!|>'\"%@`\t\0\n ?é\u2028") + text[at + 1 :]
    return text.split("\n")


def bombed(draw: Random, lines: Lines) -> Lines:
    bomb = draw.choice((BOMB, BOMB + "name: *l\n", "deep: " + "[" * 600, "deep: " + "{a: " * 500))
    return [*bomb.split("\n"), *lines] if draw.random() < 0.5 else [*lines, *bomb.split("\n")]


def aliased(draw: Random, lines: Lines) -> Lines:
    """A value is named, and stands in another place too."""
    at, other = sorted((draw.randrange(len(lines)), draw.randrange(len(lines))))
    changed = list(lines)
    changed[at] = re.sub(r": ", ": &it ", lines[at], count=1)
    changed[other] = re.sub(r": .*", ": *it", lines[other], count=1)
    return changed


def injected(draw: Random, lines: Lines) -> Lines:
    """Text that means something to Jinja or splits a chat stands where a line ends."""
    at = draw.randrange(len(lines))
    return [
        *lines[:at],
        lines[at] + draw.choice(("", "\n")) + draw.choice(BODIES),
        *lines[at + 1 :],
    ]


ON_TEXT: tuple[TextChange, ...] = (
    deleted, doubled, swapped, indented, replaced, replaced, cut, scribbled, bombed, aliased,
)  # fmt: skip


# On the structure.


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = []
    for key, value in inside if isinstance(tree, dict | list) else ():
        found.append((tree, key))
        found.extend(places(value) if isinstance(value, dict | list) else ())
    return found


def dropped_key(draw: Random, tree: Any) -> None:
    container, key = draw.choice(places(tree))
    del container[key]


def renamed_key(draw: Random, tree: Any) -> None:
    keyed = [(c, k) for c, k in places(tree) if isinstance(c, dict)]
    container, key = draw.choice(keyed)
    name = draw.choice(
        (f"{key}s", str(key)[1:], "no such key", "", 7, None, "kind", "a\nb", "é" * 99)
    )
    container[name] = container.pop(key)


def other_value(draw: Random, tree: Any) -> None:
    container, key = draw.choice(places(tree))
    container[key] = draw.choice(VALUES)


def swapped_values(draw: Random, tree: Any) -> None:
    (one, key), (other, name) = draw.choice(places(tree)), draw.choice(places(tree))
    if draw.random() < 0.9:  # seldom a value that holds itself
        one[key], other[name] = copy.deepcopy([other[name], one[key]])
    else:
        one[key] = other[name]


def wrong_word(draw: Random, tree: Any) -> None:
    worded = [(c, k) for c, k in places(tree) if isinstance(c[k], str)]
    container, key = draw.choice(worded)
    container[key] = draw.choice((container[key][:-1], container[key] + "s", "nonsense", "source"))


def nested(draw: Random, tree: Any) -> None:
    container, key = draw.choice(places(tree))
    for _ in range(draw.choice((1, 2, 60))):
        container[key] = {"a": container[key]} if draw.random() < 0.5 else [container[key]]


def grown(draw: Random, tree: Any) -> None:
    lists = [c[k] for c, k in places(tree) if isinstance(c[k], list) and c[k]]
    if lists:
        chosen = draw.choice(lists)
        chosen.extend([draw.choice(chosen)] * draw.choice((1, 2, 200)))


ON_TREE: tuple[TreeChange, ...] = (
    dropped_key, renamed_key, other_value, other_value, swapped_values, wrong_word, nested, grown,
)  # fmt: skip


@functools.cache
def tree_of(text: str) -> Any:
    return yaml.safe_load(text)


def damaged(text: str, draw: Random, *, prompt: bool) -> str:
    """The file after one to three changes."""
    changes = draw.choice((1, 1, 1, 2, 3))
    if draw.random() < 0.4:
        head, body = (text[4:].split("\n---\n", 1)) if prompt else (text, "")
        tree = copy.deepcopy(tree_of(head))
        with contextlib.suppress(ValueError, RecursionError):  # a tree that holds itself
            for _ in range(changes):
                if places(tree):
                    draw.choice(ON_TREE)(draw, tree)
            head = json.dumps(tree, indent=1, ensure_ascii=draw.random() < 0.5)  # JSON is YAML too
        return f"---\n{head}\n---\n{body}" if prompt else head
    lines = text.split("\n")
    for _ in range(changes):
        lines = draw.choice((*ON_TEXT, injected, injected) if prompt else ON_TEXT)(draw, lines)
        lines = "\n".join(lines).split("\n")
    return "\n".join(lines)


class TooSlowError(Exception):
    """A file took longer than any file may."""


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the damaged recipes, with the data that shipped recipes read."""
    made = tmp_path_factory.mktemp("recipes")
    shutil.copytree(shipped_folder("recipes") / "data", made / "data")
    return made


def without_comments(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not re.match(r"\s*#|\s*$", line))


RECIPES = {
    name: without_comments((shipped_folder("recipes") / f"{name}.yaml").read_text())
    for name in shipped_names("recipes")
}
PROMPTS = {
    name: (shipped_folder("prompts") / f"{name}.md").read_text()
    for name in shipped_names("prompts")
}


def plan_it(text: str, folder: Path) -> None:
    plan = make_plan(parse_recipe(text, "mutant.yaml").placed(folder, text), limit=3)
    estimate(plan, str(folder / "outputs"))


def use_it(text: str) -> None:
    """A prompt that is accepted serves: it renders or says why not, and reads any reply."""
    prompt = parse_prompt("mutant", text, "mutant.md")
    row: dict[str, Any] = dict.fromkeys(prompt.head.needs, "Some text.")
    row |= {"positives": [{"id": "a", "text": "Some text.", "score": None}], "negatives": []}
    generation = bound(prompt)
    generation.adds()
    ask = generation._ask(0, "row", row, 0)
    assert (ask.request is None) == (ask.failure is not None)
    for reply in ("Some words.", "{}", "[]", '{"query": "a b", "text": 3}', '{"positive": ["x"]}'):
        generation.verdict(row, Completion(reply))


def bound(prompt: Prompt) -> Generation:
    step = Generate(prompt="mutant.md", model="fake")
    return Generation(step, "mutant", prompt, {"fake": ModelCard("fake", "fake")}, 0)


def tried(text: str, use: Callable[[], None], where: str) -> bool:
    """Whether a file is accepted; a refusal is one sentence that names a place."""
    try:
        with bounded(MOST_S):
            use()
    except SynthError as error:
        message = str(error)
        assert "\n" not in message, message
        assert len(message) < MOST_CHARS, message
        assert re.search(where, message), message
        return False
    return True


PLACE = r"mutant\.(yaml|md)|step \d+ \(|source|export|model '|source '"


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_damaged_file_is_accepted_or_refused_in_a_sentence_that_names_the_place(
    number: int, folder: Path
) -> None:
    draw = Random(number)
    accepted = []
    for at in range(RECIPES_A_ROUND):
        name = draw.choice(sorted(RECIPES))
        text = damaged(RECIPES[name], draw, prompt=False)
        try:
            accepted.append(tried(text, lambda text=text: plan_it(text, folder), PLACE))  # type: ignore[misc]
        except Exception as error:
            raise AssertionError(f"recipe {name}, number {at}:\n{text[:3000]}") from error
    for at in range(PROMPTS_A_ROUND):
        name = draw.choice(sorted(PROMPTS))
        text = damaged(PROMPTS[name], draw, prompt=True)
        try:
            accepted.append(tried(text, lambda text=text: use_it(text), r"mutant\.md"))  # type: ignore[misc]
        except Exception as error:
            raise AssertionError(f"prompt {name}, number {at}:\n{text[:3000]}") from error
    # Some changes hurt nothing, most do: else the mutations would not be worth their time.
    assert 0.05 < sum(accepted) / len(accepted) < 0.6


def test_the_rounds_make_five_thousand_files_of_all_that_ships() -> None:
    assert ROUNDS * (RECIPES_A_ROUND + PROMPTS_A_ROUND) == FILES
    assert len(RECIPES) >= 6
    assert len(PROMPTS) >= 6
