"""From the text of a reply to the values that go into rows."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema
import orjson
import pyarrow as pa

from synth.algorithms.sentences import SENTENCE_END
from synth.core.chat import Completion, without_thoughts
from synth.core.prompt import PromptHead

_FENCE = re.compile(r"\A```[a-zA-Z]*\s*\n(.*?)\n?```\Z", re.DOTALL)
# Of all that a model could have said, so much must be one of the choices.
_LEAST_CHOSEN = 0.01
_ARROW_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
}

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A reply read: the values of each item, or why it failed.

    Attributes:
        items: Column from value, one dict for each item; empty when `failure` is set.
        failure: The drop reason of a reply that cannot be used.
    """

    items: tuple[Values, ...] = ()
    failure: str | None = None


def columns_of(head: PromptHead) -> dict[str, str | None]:
    """Column from reply field (None for a plain-text reply), as `into` says or by default."""
    if head.reply is None:
        default = {"pairs": "query", "scores": "score", "ranking": "ranking"}.get(
            head.makes, "text"
        )
        return {(head.into if isinstance(head.into, str) else default): None}
    if isinstance(head.into, dict):
        return dict(head.into)
    fields = item_schema(head).get("properties", {})
    return {str(field): str(field) for field in fields}


def item_schema(head: PromptHead) -> dict[str, Any]:
    """The JSON schema of one item of the reply."""
    schema: dict[str, Any] = dict(head.reply or {})
    if head.items is None:
        return schema
    listed = schema.get("properties", {}).get(head.items, {})
    return dict(listed.get("items", {}))


def arrow_type(head: PromptHead, field: str | None) -> pa.DataType:
    """The Arrow type of one reply field.

    A list holds texts, or records of plain values; anything else that JSON can nest is kept as its
    JSON text.
    """
    if field is None:
        return pa.string() if head.choices is None else pa.float64()
    declared = item_schema(head).get("properties", {}).get(field, {})
    if declared.get("type") == "array" and isinstance(declared.get("items"), dict):
        if declared["items"].get("type") == "string":
            return pa.list_(pa.string())
        if (record := _record_type(declared["items"])) is not None:
            return pa.list_(record)
    return _ARROW_TYPES.get(declared.get("type"), pa.string())


def _record_type(schema: Mapping[str, Any]) -> pa.DataType | None:
    """The type of an object of plain values; None for any other schema."""
    fields = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(fields, dict) or not fields:
        return None
    kinds = {
        name: _ARROW_TYPES.get(str(field.get("type"))) if isinstance(field, dict) else None
        for name, field in fields.items()
    }
    return None if None in kinds.values() else pa.struct(list(kinds.items()))


def score_range(head: PromptHead) -> tuple[float, float]:
    """The least and the most that the reply of a prompt that makes scores can be."""
    if head.choices is not None:
        return 0.0, 1.0
    (field,) = item_schema(head)["properties"].values()
    return float(field["minimum"]), float(field["maximum"])


def parse(head: PromptHead, completion: Completion) -> Parsed:
    """The values of a reply, before its checks."""
    if head.choices is not None:
        return _parse_choices(head, head.choices, completion.text)
    text = without_thoughts(completion.text)
    if completion.finish_reason == "length":
        text = _whole_sentences(text) if head.reply is None and head.cut == "trim" else ""
        if not text:
            return Parsed(failure="reply_cut")
    if not text:
        return Parsed(failure="reply_empty")
    if head.reply is None:
        return Parsed(items=({next(iter(columns_of(head))): text},))
    return _parse_json(head, text)


def _parse_choices(head: PromptHead, choices: Mapping[str, float], text: str) -> Parsed:
    """The mean of what the choices count, by their probabilities."""
    try:
        told = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError:
        return Parsed(failure="reply_not_json")
    shares = {
        choice: share
        for choice, share in (told.items() if isinstance(told, dict) else ())
        if choice in choices and isinstance(share, float | int) and share > 0
    }
    total = sum(shares.values())
    if total < _LEAST_CHOSEN:
        return Parsed(failure="no_choice")
    mean = sum(choices[choice] * share for choice, share in shares.items()) / total
    return Parsed(items=({next(iter(columns_of(head))): mean},))


def _parse_json(head: PromptHead, text: str) -> Parsed:
    fenced = _FENCE.match(text)
    try:
        reply = orjson.loads(fenced.group(1) if fenced else text)
    except orjson.JSONDecodeError:
        return Parsed(failure="reply_not_json")
    if not _validator(orjson.dumps(head.reply)).is_valid(reply):
        return Parsed(failure="reply_not_in_schema")
    listed = reply[head.items] if head.items else [reply]
    items = tuple(
        {
            column: _value(item, field, arrow_type(head, field))
            for column, field in columns_of(head).items()
        }
        for item in listed
    )
    if not items:
        return Parsed(failure="reply_empty")
    if any(isinstance(value, str) and not value for item in items for value in item.values()):
        return Parsed(failure="reply_empty")
    return Parsed(items=items)


def _value(item: Values, field: str | None, kind: pa.DataType) -> Any:  # noqa: ANN401  (any JSON)
    value = item.get(field) if field else item
    if isinstance(value, str):
        return value.strip()
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        return value
    if isinstance(value, dict) or (
        isinstance(value, list) and not all(isinstance(entry, str) for entry in value)
    ):
        return orjson.dumps(value).decode()
    return value


def _whole_sentences(text: str) -> str:
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    return text[: ends[-1]].strip() if ends else ""


@functools.lru_cache(maxsize=64)
def _validator(schema: bytes) -> Any:  # noqa: ANN401  (jsonschema ships no types)
    return jsonschema.Draft202012Validator(orjson.loads(schema))
