"""The rules that the head of a prompt file has to hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
from pydantic import JsonValue

from synth.algorithms.languages import code_of
from synth.core.errors import RecipeError
from synth.core.prompt import InLanguage, PromptHead
from synth.inputs.messages import in_line

# Columns that a reply must fill, by what the prompt makes.
_REQUIRED = {"pairs": "query", "positives": "text", "negatives": "text"}
# What a reply may become that is a number.
_NUMBERS = ("columns", "scores")


def check_head(head: PromptHead, where: str) -> None:
    """Proves that what a head declares can be asked for and put into rows.

    Args:
        head: The declaration.
        where: What to call the file in messages.

    Raises:
        RecipeError: If not.
    """
    if head.choices is not None:
        _check_choices(head, where)
    filled = _plain_columns(head, where) if head.reply is None else _check_reply(head, where)
    if head.makes == "scores" and head.reply is not None:
        _check_scores(_fields(head), where)
    if head.makes == "ranking" and head.reply is not None:
        raise RecipeError(
            f"{where}: the reply of `makes: ranking` lists numbers, by a schema that is made for "
            "each request; leave `reply` out"
        )
    required = _REQUIRED.get(head.makes)
    if required and required not in filled:
        raise RecipeError(f"{where}: `makes: {head.makes}` needs `into` to fill {required!r}")
    filled |= _axis_columns(head, filled, where)
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
        if isinstance(check, InLanguage):
            _check_language(check, head, where)


def _check_language(check: InLanguage, head: PromptHead, where: str) -> None:
    """Of the check `language`: what names the language is there."""
    if check.column is not None and check.column not in head.needs:
        raise RecipeError(
            f"{where}: check language reads {check.column!r}, which `needs` must name"
        )
    if check.axis is None:
        return
    if check.axis not in head.axes:
        known = ", ".join(head.axes) or "none"
        raise RecipeError(
            f"{where}: check language names axis {check.axis!r}; its axes are {known}"
        )
    if (problem := no_languages(check, head.axes)) is not None:
        raise RecipeError(f"{where}: {problem}")


def no_languages(check: InLanguage, axes: Mapping[str, Mapping[str, float]]) -> str | None:
    """Why values of an axis are no languages that a check can tell; None where they are."""
    values = axes.get(check.axis or "", {})
    unknown = [value for value in values if code_of(value) is None]
    if check.of is not None:
        # The language of another text, which the check finds out.
        unknown = [value for value in unknown if "same" not in value.casefold().split()]
    if not unknown:
        return None
    others = "" if check.of is None else ", or say `the same language`"
    return (
        f"check language cannot tell {in_line(unknown[0])!r} of axis {check.axis!r}; give a "
        f"language by its English name or its ISO 639-1 code{others}"
    )


def _axis_columns(head: PromptHead, filled: set[str], where: str) -> set[str]:
    """The columns that drawn values fill."""
    if head.axes_into and head.makes not in ("columns", "rows", "pairs"):
        raise RecipeError(
            f"{where}: `axes_into` fills columns beside the reply, for which `makes: {head.makes}` "
            "has no place; it may be columns, rows or pairs"
        )
    for column, axis in head.axes_into.items():
        if axis not in head.axes:
            known = ", ".join(head.axes) or "none"
            raise RecipeError(f"{where}: `axes_into` names axis {axis!r}; its axes are {known}")
        if column in filled:
            raise RecipeError(f"{where}: `axes_into` fills {column!r}, as the reply does")
    return set(head.axes_into)


def _plain_columns(head: PromptHead, where: str) -> set[str]:
    """The columns that a reply without a schema fills."""
    if head.makes == "scores" and head.choices is None:
        raise RecipeError(
            f'{where}: `makes: scores` needs `choices`, such as {{"yes": 1, "no": 0}}, or a '
            "`reply` with one number that has a minimum and a maximum"
        )
    if head.items is not None or isinstance(head.into, dict):
        raise RecipeError(f"{where}: without `reply` (plain text), `into` is one column name")
    return {head.into or _REQUIRED.get(head.makes, "text")}


def _check_choices(head: PromptHead, where: str) -> None:
    if head.makes not in _NUMBERS:
        raise RecipeError(
            f"{where}: `choices` give a number, which `makes: {head.makes}` has no use for; "
            f"it may be {' or '.join(_NUMBERS)}"
        )
    unused = [
        name
        for name, given in (
            ("reply", head.reply),
            ("items", head.items),
            ("checks", head.checks),
            ("sampling", head.sampling.model_dump(exclude_none=True)),
        )
        if given
    ]
    if unused:
        raise RecipeError(
            f"{where}: with `choices` the reply is one of them and nothing is drawn; "
            f"leave `{unused[0]}` out"
        )


def _check_scores(fields: Mapping[str, Any], where: str) -> None:
    """Of `makes: scores`: the reply is one number of which it is known how far it can go."""
    schema = next(iter(fields.values()))
    ends = [schema.get(end) for end in ("minimum", "maximum")]
    known = all(isinstance(end, int | float) for end in ends) and ends[0] < ends[1]
    if len(fields) != 1 or schema.get("type") not in ("integer", "number") or not known:
        raise RecipeError(
            f"{where}: the reply of `makes: scores` is one field, a number or an integer with a "
            "minimum and a maximum above it"
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


def _check_reply(head: PromptHead, where: str) -> set[str]:
    """The columns that a reply with a schema fills."""
    reply: dict[str, Any] = dict(head.reply or {})
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
