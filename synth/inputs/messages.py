"""One sentence from what pydantic found wrong."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

# What pydantic calls things, and what YAML calls them.
_WORDS = {
    " or object to extract fields from": "",
    " after validation": "",
    "tuple": "list",
    "Tuple": "List",
    "dictionary": "mapping",
    "Dictionary": "Mapping",
}

_MOST_CHARS = 120
# As likely meant as `difflib.get_close_matches` takes it to be.
_CLOSE = 0.6
# Letters of a key that may be the beginning of another.
_SHORTEST = 3


def first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    """The first problem as ``place: what, got what, allowed what``.

    Args:
        error: What validation raised.
        model: The model that was validated, for the names that it allows.
    """
    problem = min(error.errors(include_url=False), key=_rank)
    loc = problem["loc"]
    place = ".".join(_named(part) for at, part in enumerate(loc) if not _is_tag(loc, at))
    if problem["type"] == "extra_forbidden":
        return _unknown_key(problem, place, model)
    if problem["type"] == "missing":
        return f"{place}: is missing"
    if problem["type"].startswith("union_tag"):
        return _unknown_tag(problem, place, model)
    got = problem.get("input")
    message = problem["msg"].removeprefix("Value error, ")
    is_said = problem["type"] == "value_error" and message.endswith(repr(got))
    told = isinstance(got, dict | list) or is_said
    shown = "" if told else f", got {in_line(repr(got))}"
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return f"{place or 'the file'}: {message[:1].lower()}{message[1:]}{shown}{_hint(problem)}"


def _named(part: int | str) -> str:
    """A part of a place; what a list holds is counted from 1, as `step 1` is."""
    return str(part + 1) if isinstance(part, int) else in_line(part)


def _hint(problem: Any) -> str:  # noqa: ANN401  (pydantic's ErrorDetails)
    """What to do, where that can be told."""
    got = problem.get("input")
    if problem["type"] in ("list_type", "tuple_type"):
        return (
            f"; write it as a list: [{in_line(got)}]" if isinstance(got, str) else "; put it in [ ]"
        )
    if problem["type"] == "literal_error" and isinstance(got, str):
        allowed = re.findall(r"'([^']*)'", str(problem["ctx"]["expected"]))
        near = difflib.get_close_matches(got, allowed, n=1)
        return f"; did you mean {near[0]!r}?" if near else ""
    return ""


def in_line(text: object) -> str:
    """A text in one line of a bearable length: a value may be a file that lost its line ends."""
    line = " ".join(str(text).split())
    return line if len(line) <= _MOST_CHARS else f"{line[:_MOST_CHARS]}…"


def _rank(problem: Any) -> int:  # noqa: ANN401  (pydantic's ErrorDetails)
    """A misspelt key first: it is the cause of the missing one."""
    return 0 if problem["type"] == "extra_forbidden" else 1


def _is_tag(loc: tuple[int | str, ...], at: int) -> bool:
    """Whether a part of the place is the tag of a union (a step's kind) and not a key."""
    after_index = at > 0 and isinstance(loc[at - 1], int)
    named = at > 1 and loc[at - 2] in ("models", "sources")
    first = at == 1 and loc[0] in ("source", "export")
    return isinstance(loc[at], str) and (after_index or named or first)


def _unknown_tag(problem: Any, place: str, model: type[BaseModel]) -> str:  # noqa: ANN401
    """A `kind` or `format` that is missing or unknown."""
    context = problem["ctx"]
    key, tag = str(context["discriminator"]).strip("'"), in_line(context.get("tag", ""))
    if problem["type"] == "union_tag_not_found":
        tags = ", ".join(filter(None, map(_tag, _kinds_at(model, problem["loc"]))))
        return f"{place}: `{key}` is missing; it is one of {tags}"
    allowed = [name.strip(" '") for name in context["expected_tags"].split(",")]
    near = difflib.get_close_matches(tag, allowed, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"allowed are {', '.join(allowed)}"
    return f"{place}.{key}: there is no {tag!r}; {hint}"


def _unknown_key(problem: Any, place: str, model: type[BaseModel]) -> str:  # noqa: ANN401
    allowed = _fields_at(model, problem["loc"])
    key = str(problem["loc"][-1])
    # A key may be written short, as `window` for `window_tokens`.
    short = len(key) + 1 if len(key) >= _SHORTEST else None
    likeness = {name: max(_likeness(key, name), _likeness(key, name[:short])) for name in allowed}
    near = max(allowed, key=lambda name: likeness[name], default="")
    close = likeness.get(near, 0) >= _CLOSE
    hint = f"did you mean {near!r}?" if close else f"allowed are {', '.join(allowed)}"
    return f"{place}: unknown key; {hint}"


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys allowed where a place leads."""
    models = [kind for kind in _kinds_at(model, loc[:-1]) if _is_model(kind)]
    return sorted({f.alias or name for kind in models[:1] for name, f in kind.model_fields.items()})


def _kinds_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[Any]:
    """What may stand where a place leads, found by following it through the models."""
    found: list[Any] = [model]
    for part in loc:
        inner = [kind for kind in found if _is_model(kind)]
        stepped = [
            annotation
            for kind in inner
            for name, field in kind.model_fields.items()
            if part in (name, field.alias)
            for annotation in _models_in(field.annotation)
        ]
        tagged = [kind for kind in inner if _tag(kind) == part]
        found = stepped or tagged or found
    return found


def _tag(kind: Any) -> str | None:  # noqa: ANN401
    field = kind.model_fields.get("kind") or kind.model_fields.get("format")
    return (
        get_args(field.annotation)[0] if field is not None and get_args(field.annotation) else None
    )


def _is_model(kind: Any) -> bool:  # noqa: ANN401
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _models_in(annotation: Any) -> list[Any]:  # noqa: ANN401
    if _is_model(annotation):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
