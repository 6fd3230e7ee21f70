"""Reads prompt files: a YAML head between two lines of ``---``, and a Jinja body."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jinja2
import jsonschema
from jinja2 import meta, nodes
from pydantic import JsonValue, ValidationError

from synth.core.chat import Role
from synth.core.errors import RecipeError
from synth.core.ids import fingerprint
from synth.core.prompt import Prompt, PromptHead, Turn
from synth.core.sandbox import environment, refused
from synth.inputs.messages import first_problem, in_line
from synth.inputs.shipped import find, shipped_names
from synth.inputs.yaml_text import read_yaml

_HEAD = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*\n(.*)\Z", re.DOTALL)
_TURN = re.compile(r"^# (system|user|assistant)[ \t]*$", re.MULTILINE)
# Columns that a reply must fill, by what the prompt makes.
_REQUIRED = {"pairs": "query", "positives": "text", "negatives": "text"}


def load_prompt(name: str, base: Path) -> Prompt:
    """The prompt with a shipped name, or in the file of a path.

    Raises:
        RecipeError: If there is none, or its file is wrong; the message names file and place.
    """
    path = find("prompts", name, base)
    if path is None:
        names = shipped_names("prompts")
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
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
    _check_head(head, where)
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


def _check_head(head: PromptHead, where: str) -> None:
    if head.reply is None:
        if head.items is not None or isinstance(head.into, dict):
            raise RecipeError(f"{where}: without `reply` (plain text), `into` is one column name")
        filled = {head.into or _REQUIRED.get(head.makes, "text")}
    else:
        filled = _check_reply(head, head.reply, where)
    required = _REQUIRED.get(head.makes)
    if required and required not in filled:
        raise RecipeError(f"{where}: `makes: {head.makes}` needs `into` to fill {required!r}")
    reserved = filled & {"id", "drop_reason", "parent_id", "source_id", "provenance", "edits"}
    if reserved:
        raise RecipeError(f"{where}: `into` may not fill {sorted(reserved)[0]!r}; synth does")
    for check in head.checks:
        of = getattr(check, "of", None)
        if of is not None and of not in head.needs:
            raise RecipeError(f"{where}: check {check.kind} reads {of!r}, which `needs` must name")
        if check.field is not None and check.field not in _fields(head):
            raise RecipeError(
                f"{where}: check {check.kind}: the reply has no field {check.field!r}"
            )


def _fields(head: PromptHead) -> dict[str, Any]:
    """The schema of each field of the reply, or of one item of it."""
    schema: dict[str, Any] = dict(head.reply or {})
    if head.items is not None:
        schema = _inside(_inside(_inside(schema, "properties"), head.items), "items")
    return _inside(schema, "properties")


def _inside(schema: dict[str, Any], key: str) -> dict[str, Any]:
    """The schema under a key; `true` and `false` are JSON schemas too, without anything inside."""
    found = schema.get(key)
    return found if isinstance(found, dict) else {}


def _check_reply(head: PromptHead, reply: dict[str, Any], where: str) -> set[str]:
    try:
        jsonschema.Draft202012Validator.check_schema(reply)
    except jsonschema.SchemaError as error:
        raise RecipeError(
            f"{where}: `reply` is no JSON schema: {in_line(error.message)}"
        ) from error
    except RecursionError as error:
        raise RecipeError(f"{where}: `reply` is nested too deeply") from error
    for target in _references(reply):
        if not _resolves(reply, target):
            raise RecipeError(f"{where}: `reply` refers to {target!r}, which is not in it")
    fields = _fields(head)
    if reply.get("type") != "object" or not fields:
        raise RecipeError(f"{where}: `reply` must be an object with properties (in `items`)")
    vague = sorted(field for field, schema in fields.items() if not isinstance(schema, dict))
    if vague:
        raise RecipeError(f"{where}: `reply` must say what {vague[0]!r} is, such as type: string")
    if isinstance(head.into, str):
        raise RecipeError(f"{where}: with `reply`, `into` maps columns to its fields")
    into = head.into or {field: field for field in fields}
    for field in into.values():
        if field not in fields:
            known = in_line(", ".join(sorted(fields)))
            raise RecipeError(f"{where}: `into` names field {field!r}; the reply has {known}")
    return set(into)


def _references(schema: JsonValue) -> Iterator[str]:
    """Every schema that a schema names by its place, whatever that leads to."""
    inside: list[JsonValue] = schema if isinstance(schema, list) else []
    if isinstance(schema, dict):
        yield from (str(schema[key]) for key in ("$ref", "$dynamicRef") if key in schema)
        inside = list(schema.values())
    for one in inside:
        yield from _references(one)


def _resolves(reply: JsonValue, target: str) -> bool:
    """Whether a reference leads to a schema inside of the reply's own, and not to a circle."""
    seen: set[str] = set()
    while target not in seen:
        seen.add(target)
        start, *path = target.split("/")
        found = reply
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        if start != "#" or not path or not isinstance(found, dict):
            return False
        if "$ref" not in found:
            return True
        target = str(found["$ref"])
    return False


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
    unknown = meta.find_undeclared_variables(tree) - set(head.needs) - {"axes"}
    if unknown:
        name = sorted(unknown)[0]
        allowed = ", ".join([*head.needs, "axes"])
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
