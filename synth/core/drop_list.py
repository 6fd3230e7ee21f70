"""Lists of rows and texts that a person wants gone: JSON Lines that a recipe can apply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from synth.core.errors import RecipeError
from synth.core.ids import fingerprint

# The key of the first line, which tells what the ids belong to.
HEAD = "drop_list"
_KEYS = ("id", "entry", "note")


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """One line of a drop list.

    Attributes:
        id: A row, or a text in the lists of rows.
        entry: A positive or negative of the row `id` alone that is to go; None for the row itself.
        note: Why.
    """

    id: str
    entry: str | None = None
    note: str = ""


def drop_list_bytes(listed: Iterable[Listed], head: Mapping[str, str]) -> bytes:
    """A drop list as a file.

    Args:
        listed: Its lines.
        head: What the ids belong to, such as the run and its version.
    """
    lines: list[dict[str, str]] = [{HEAD: "1", **head}]
    for one in listed:
        entry = {} if one.entry is None else {"entry": one.entry}
        lines.append({"id": one.id, **entry, "note": one.note})
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def parse_drop_list(data: bytes, where: str) -> tuple[Listed, ...]:
    """The lines of a drop list in the order of their ids, each row and entry once.

    Args:
        data: JSON Lines with `id`, and `entry` and `note` where there are; what a first line with
            ``drop_list`` says is for people.
        where: What to call the file in messages.

    Raises:
        RecipeError: If a line is something else; it is named.
    """
    found: dict[tuple[str, str], Listed] = {}
    for one in _lines(data, where):
        found.setdefault((one.id, one.entry or ""), one)
    return tuple(found[key] for key in sorted(found))


def content_of(listed: Iterable[Listed]) -> str:
    """Changes when what a list drops, or says of it, does."""
    return fingerprint([[one.id, one.entry, one.note] for one in listed])


def _lines(data: bytes, where: str) -> Iterator[Listed]:
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{where}, line {number}"
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise RecipeError(f"{place} is no JSON; a drop list has {_form()}") from error
        if isinstance(value, dict) and HEAD in value:
            continue
        yield _listed(value, place)


def _listed(value: object, place: str) -> Listed:
    if not isinstance(value, dict):
        raise RecipeError(f"{place} is no object; a drop list has {_form()}")
    if other := [key for key in value if key not in _KEYS]:
        raise RecipeError(f"{place} has the key {other[0]!r}; a drop list has {_form()}")
    row_id, entry, note = value.get("id"), value.get("entry"), value.get("note") or ""
    if not isinstance(row_id, str) or not row_id:
        raise RecipeError(f"{place} has no `id` that is a text; a drop list has {_form()}")
    if not isinstance(note, str) or not (entry is None or (isinstance(entry, str) and entry)):
        raise RecipeError(f"{place}: `entry` and `note` are texts; a drop list has {_form()}")
    return Listed(row_id, entry, note)


def _form() -> str:
    return 'lines such as {"id": "q1", "note": "unclear"} or {"id": "q1", "entry": "d7"}'
