"""Reads prompt files: a YAML head between two lines of ``---``, and a Jinja body."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import cast

import jinja2
from jinja2 import meta, nodes
from pydantic import ValidationError

from synth.core.chat import Role
from synth.core.errors import RecipeError
from synth.core.ids import fingerprint
from synth.core.prompt import Prompt, PromptHead, Turn
from synth.core.sandbox import environment, refused
from synth.inputs.messages import first_problem, in_line
from synth.inputs.prompt_heads import check_head
from synth.inputs.shipped import find, shipped_names
from synth.inputs.yaml_text import read_yaml

_HEAD = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*\n(.*)\Z", re.DOTALL)
_TURN = re.compile(r"^# (system|user|assistant)[ \t]*$", re.MULTILINE)


def load_prompt(name: str, base: Path) -> Prompt:
    """The prompt with a shipped name, or in the file of a path.

    Raises:
        RecipeError: If there is none, or its file is wrong; the message names file and place.
    """
    path = find("prompts", name, base)
    if path is None:
        names = shipped_names("prompts")
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`synth prompts` lists those that ship"
        raise RecipeError(f"there is no prompt {name!r}; {hint} (or give the path of a .md file)")
    try:
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise RecipeError(f"prompt {path} is not UTF-8: byte {error.start}") from error
    except OSError as error:
        raise RecipeError(f"prompt {path} cannot be read: {error.strerror}") from error
    return parse_prompt(path.stem, text, str(path))


def parse_prompt(name: str, text: str, where: str) -> Prompt:
    """The prompt in a text.

    Args:
        name: What it is called.
        text: The whole file.
        where: What to call the file in messages.

    Raises:
        RecipeError: If head or body are wrong.
    """
    parts = _HEAD.match(text)
    if parts is None:
        raise RecipeError(f"{where} must begin with a YAML head between two lines of ---")
    head = _head(parts.group(1), where)
    turns = _turns(parts.group(2), where)
    check_head(head, where)
    for turn in turns:
        _check_body(head, turn.template, where)
    return Prompt(name, head, turns, fingerprint("prompt", text)[:16], text)


def _head(text: str, where: str) -> PromptHead:
    raw = read_yaml(text, f"the head of {where}", first_line=2)
    if not isinstance(raw, dict):
        raise RecipeError(f"the head of {where} must be a mapping such as `purpose: ...`")
    try:
        return PromptHead.model_validate(raw)
    except ValidationError as error:
        raise RecipeError(f"{where}: {first_problem(error, PromptHead)}") from error


def _turns(body: str, where: str) -> tuple[Turn, ...]:
    pieces = _TURN.split(body)
    if len(pieces) == 1:
        pieces = ["", "user", body]
    if pieces[0].strip():
        raise RecipeError(f"{where} has text before its first `# system` or `# user` line")
    turns = tuple(
        Turn(cast("Role", role), template.strip())
        for role, template in zip(pieces[1::2], pieces[2::2], strict=True)
    )
    if turns[-1].role != "user" or not turns[-1].template:
        raise RecipeError(f"{where} must end with a `# user` part that says something")
    return turns


def _check_body(head: PromptHead, template: str, where: str) -> None:
    try:
        tree = environment().parse(template)
        environment().compile(tree)  # finds filters and tests that do not exist
    except jinja2.TemplateSyntaxError as error:
        raise RecipeError(f"{where}: the body is not Jinja: {in_line(error.message)}") from error
    except (RecursionError, SyntaxError, ValueError) as error:  # nested beyond what Python compiles
        raise RecipeError(f"{where}: the body is too much for Jinja: {error}") from error
    if list(meta.find_referenced_templates(tree)):
        raise RecipeError(f"{where}: a prompt is one file and must not read another template")
    if (problem := refused(tree)) is not None:
        raise RecipeError(f"{where}: {problem}")
    shown = {"scores": ["passage"], "ranking": ["passages"]}
    given = ["axes", *shown.get(head.makes, [])]
    unknown = meta.find_undeclared_variables(tree) - set(head.needs) - set(given)
    if unknown:
        name = sorted(unknown)[0]
        allowed = ", ".join([*head.needs, *given])
        raise RecipeError(f"{where} uses variable {name!r}; `needs` allows {allowed}")
    for getter in tree.find_all((nodes.Getattr, nodes.Getitem)):
        axis = _axis_of(getter)
        if axis is not None and axis not in head.axes:
            known = ", ".join(head.axes) or "none"
            raise RecipeError(f"{where} uses axes.{axis}; its axes are {known}")


def _axis_of(getter: nodes.Node) -> str | None:
    target = getattr(getter, "node", None)
    if not (isinstance(target, nodes.Name) and target.name == "axes"):
        return None
    if isinstance(getter, nodes.Getattr):
        return getter.attr
    argument = getattr(getter, "arg", None)
    return str(argument.value) if isinstance(argument, nodes.Const) else None
