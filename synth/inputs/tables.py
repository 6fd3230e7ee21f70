"""From raw records to rows: typed columns, ids, and a reason for every row that is unusable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from synth.core import rows
from synth.core.errors import SourceError
from synth.core.ids import content_id
from synth.core.rows import Schema, Table
from synth.inputs.readers import read_records
from synth.inputs.records import Records
from synth.inputs.sources import RETRIEVAL, SourceSpec

# Texts without which a row is of no use; other columns may be null.
_ESSENTIAL = ("text", "query")


def planned_schema(spec: SourceSpec, base: Path) -> Schema:
    """The columns that reading the source will give, from its first records.

    Raises:
        SourceError: If it cannot be read, is empty, or has no such field.
    """
    first = next(read_records(spec, base), None)
    if first is None:
        raise SourceError("the source has no rows; check `path` (and `split`)")
    return _schema(spec, first)


def read_tables(spec: SourceSpec, base: Path, limit: int | None) -> Iterator[Table]:
    """All rows of a source, with ids, unusable rows marked.

    Args:
        spec: The source.
        base: Folder that relative paths start from.
        limit: Read at most so many records.

    Raises:
        SourceError: If it cannot be read, or two rows have one id.
    """
    ids = _Ids("id" in spec.columns)
    schema: Schema | None = None
    left = limit
    for records in read_records(spec, base):
        schema = schema or _schema(spec, records)
        table = _table(spec, records, schema, ids)
        if left is not None:
            table = table.slice(0, left)
            left -= table.num_rows
        yield table
        if left == 0:
            return


def _schema(spec: SourceSpec, records: Records) -> Schema:
    fields = [rows.ID]
    for column, field in spec.columns.items():
        if column == "id":
            continue
        values = records.columns[field]
        if isinstance(values, list) and not any(value is not None for value in values):
            raise SourceError(
                f"no record of {records.place} or after it has a value in field {field!r}; "
                "check `columns`, which says our column: the source's field"
            )
        kind = _type(column, values)
        if column.startswith("embedding_") and not rows.holds_numbers(kind):
            raise SourceError(
                f"columns: {column!r} is a name for embeddings, and field {field!r} holds no lists "
                "of floats; call the column something else"
            )
        fields.append(pa.field(column, kind))
    return pa.schema([*fields, rows.DROP_REASON])


def _type(column: str, values: Any) -> pa.DataType:  # noqa: ANN401  (list or Arrow array)
    if column == "positives":
        return rows.POSITIVES
    if column == "negatives":
        return rows.NEGATIVES
    if column in _ESSENTIAL:
        return pa.string()
    if isinstance(values, list):
        return _type_of_all(values)
    kind = values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.string() if pa.types.is_large_string(kind) else kind


def _type_of_all(values: list[Any]) -> pa.DataType:
    """The type that fits every value, text where there is none."""
    kinds = {type(value) for value in values if value is not None}
    for python, arrow in ((bool, pa.bool_()), (int, pa.int64()), (str, pa.string())):
        if kinds == {python}:
            return arrow
    if kinds == {list} and _are_vectors(values):
        return pa.list_(pa.float64())
    return pa.float64() if kinds in ({int, float}, {float}) else pa.string()


def _are_vectors(values: list[Any]) -> bool:
    """Whether lists hold numbers alone, some of them with a point, as embeddings do."""
    kinds = {type(one) for value in values for one in value or ()}
    return float in kinds and kinds <= {float, int}


def _table(spec: SourceSpec, records: Records, schema: Schema, ids: _Ids) -> Table:
    reasons = list(records.bad)
    columns: dict[str, pa.Array] = {}
    for column, field in spec.columns.items():
        if column != "id":
            kind = schema.field(column).type
            columns[column] = _column(column, records.columns[field], kind, reasons)
    given = records.columns[spec.columns["id"]] if "id" in spec.columns else None
    content = pa.table(columns) if columns else None
    made = ids.of(given, content, records)
    for column in _ESSENTIAL:
        if column in columns:
            _mark_unusable(column, columns[column], reasons)
    columns["id"] = pa.array(made, pa.string())
    columns["drop_reason"] = pa.array(reasons, pa.string())
    return pa.table([columns[field.name] for field in schema], schema=schema)


def _column(column: str, values: Any, kind: pa.DataType, reasons: list[str | None]) -> pa.Array:  # noqa: ANN401
    if not isinstance(values, list):
        if column not in RETRIEVAL:
            try:
                return values.cast(kind)
            except pa.ArrowException:
                pass
        values = values.to_pylist()
    if column in RETRIEVAL:
        return pa.array([_listed(column, v, reasons, at) for at, v in enumerate(values)], kind)
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, TypeError, ValueError, UnicodeEncodeError, OverflowError):
        return pa.array([_one(column, v, kind, reasons, at) for at, v in enumerate(values)], kind)


def _one(column: str, value: Any, kind: pa.DataType, reasons: list[str | None], at: int) -> Any:  # noqa: ANN401
    """The value where its type fits; a nested value becomes its JSON text, any other a reason."""
    if isinstance(value, dict | list) and pa.types.is_string(kind) and column not in _ESSENTIAL:
        return orjson.dumps(value).decode()
    try:
        return pa.array([value], kind)[0].as_py()
    except (pa.ArrowException, TypeError, ValueError, UnicodeEncodeError, OverflowError):
        reasons[at] = reasons[at] or f"bad_{column}"
        return None


def _listed(column: str, value: Any, reasons: list[str | None], at: int) -> list[dict[str, Any]]:  # noqa: ANN401
    """A list of entries; one of which a part has another type is a reason, and there is no list."""
    listed = value if isinstance(value, list) else [] if value is None else [value]
    try:
        return [_entry(column, item) for item in listed if item]
    except (TypeError, ValueError):
        reasons[at] = reasons[at] or f"bad_{column}"
        return []


def _entry(column: str, item: Any) -> dict[str, Any]:  # noqa: ANN401  (a source's value)
    given = item if isinstance(item, dict) else {"text": str(item)}
    text = str(given.get("text") or "")
    own_id = given.get("id")
    entry: dict[str, Any] = {
        "id": content_id("text", text) if own_id in (None, "") else _plain(own_id),
        "text": text,
        "score": _number(given.get("score"), float),
    }
    if column == "negatives":
        origin = given.get("origin") or "given"
        entry |= {"rank": _number(given.get("rank"), int), "origin": _plain(origin)}
    return entry


def _plain(value: Any) -> str:  # noqa: ANN401  (a source's value)
    """An id or a name: a text, or a whole number as one.

    Raises:
        TypeError: If it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(type(value).__name__)
    return str(value)


def _number(value: Any, kind: type[int] | type[float]) -> float | None:  # noqa: ANN401
    """A number, also one that is written as a text.

    Raises:
        TypeError: If it is none, nor a text.
        ValueError: If the text is none.
    """
    if isinstance(value, bool):
        raise TypeError("bool")
    return None if value is None else kind(value)


def _mark_unusable(column: str, texts: pa.Array, reasons: list[str | None]) -> None:
    """Null, blank and NUL-ridden texts: no tokenizer, server or file format agrees on a NUL."""
    blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
    has_nul = pc.match_substring(texts, "\0")
    for reason, hit in (
        (f"no_{column}", pc.is_null(texts)),
        (f"empty_{column}", blank),
        (f"nul_in_{column}", has_nul),
    ):
        for at in np.flatnonzero(
            pc.fill_null(hit, fill_value=False).to_numpy(zero_copy_only=False)
        ):
            reasons[at] = reasons[at] or reason


class _Ids:
    """Ids as the source gives them, or from content; remembers them all to find a repeated one."""

    def __init__(self, given: bool) -> None:  # noqa: FBT001
        self._given = given
        self._first: dict[int, int] = {}

    def of(self, given: Any, content: Table | None, records: Records) -> list[str]:  # noqa: ANN401
        """The ids of some records.

        Raises:
            SourceError: If a record has none, or one that an earlier record has.
        """
        if given is None:
            return [self._from_content(row) for row in content.to_pylist()]  # type: ignore[union-attr]
        values = given if isinstance(given, list) else given.to_pylist()
        return [self._as_given(v, records, at) for at, v in enumerate(values)]

    def _as_given(self, value: Any, records: Records, at: int) -> str:  # noqa: ANN401
        number = records.first + at
        if records.bad[at] is not None:
            return content_id("bad", number)
        if value is None or value == "":
            raise SourceError(
                f"row {number + 1} of the source has no id ({records.place} and after); give every "
                "row one, or map no `id` and let synth make ids from content"
            )
        row_id = str(value)
        earlier = self._first.setdefault(hash_of(row_id), number)
        if earlier != number:
            raise SourceError(
                f"rows {earlier + 1} and {number + 1} of the source have the same id {row_id!r}; "
                "make ids unique, or map no `id` and let synth make ids from content"
            )
        return row_id

    def _from_content(self, row: dict[str, Any]) -> str:
        """From content and, among rows of the same content, from how many came before."""
        content = orjson.dumps(row, option=orjson.OPT_SORT_KEYS, default=str).decode()
        mark = hash_of(content)
        copies = self._first.get(mark, 0)
        self._first[mark] = copies + 1
        return content_id("document", content, copies)


def hash_of(text: str) -> int:
    """64 bits of a text's fingerprint, small enough to remember for every row."""
    return int(content_id(text)[:16], 16)
