"""Records of stress sets, which are made and not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import assert_never

import pyarrow as pa

from synth.algorithms.limit import check_things, least_documents, limit, relevant_documents
from synth.algorithms.people import people
from synth.core.errors import SourceError
from synth.core.ids import content_id, fingerprint
from synth.core.paths import user_path
from synth.inputs.records import BATCH_ROWS, Records, no_field
from synth.inputs.sources import LimitSource, PasskeySource

Made = dict[str, pa.Array]
_LISTS = pa.list_(pa.string())
# Five digits, so that a key is no year, age or price of the text around it.
_KEYS = range(10_000, 100_000)


def made_records(spec: LimitSource | PasskeySource, base: Path) -> Iterator[Records]:
    """All records of a stress set.

    Raises:
        SourceError: If it cannot be made, or has no such field.
    """
    match spec:
        case LimitSource():
            made = limit_records(spec, base)
        case PasskeySource():
            made = passkey_records(spec)
        case _:
            assert_never(spec)
    fields = list(dict.fromkeys(spec.columns.values()))
    if missing := [field for field in fields if field not in made]:
        raise SourceError(no_field(f"a {spec.kind} source", missing[0], list(made)))
    for first in range(0, len(made["id"]), BATCH_ROWS):
        columns = {field: made[field].slice(first, BATCH_ROWS) for field in fields}
        bad: list[str | None] = [None] * len(columns[fields[0]])
        yield Records(columns, bad, f"{spec.kind} row {first}", first)


def made_mark(spec: LimitSource | PasskeySource, base: Path) -> str:
    """A fingerprint of what the records are made from, beside the settings."""
    return fingerprint(spec.kind, things_of(spec, base) if isinstance(spec, LimitSource) else [])


def things_of(spec: LimitSource, base: Path) -> list[str]:
    """The things that people may like, one of each line.

    Raises:
        SourceError: If the file cannot be read.
    """
    path = base / user_path(spec.things)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {path} as text: {error}") from error
    return list(dict.fromkeys(" ".join(line.split()) for line in lines if line.strip()))


def limit_records(spec: LimitSource, base: Path) -> Made:
    """The documents of a LIMIT set: ``id, text, name, likes, questions``.

    Raises:
        SourceError: If there are too few documents, things or names for it.
    """
    draw = Random(spec.seed)
    least = least_documents(spec.queries, spec.relevant, spec.pattern)
    documents = spec.documents or least
    if documents < least:
        raise SourceError(
            f"{spec.queries:,} queries with {spec.relevant} relevant documents each take at least "
            f"{least:,} documents in a {spec.pattern} pattern; `documents` is {documents:,}"
        )
    things = things_of(spec, base)
    try:
        check_things(spec.queries, spec.likes, things)
        names = people(documents, draw)
        sets = relevant_documents(documents, spec.queries, spec.relevant, spec.pattern, draw)
        made = limit(sets, documents, things, spec.likes, draw)
    except ValueError as error:
        raise SourceError(f"{error}; change the numbers, or the file {spec.things}") from error
    questions = [[f"Who likes {thing}?" for thing in own] for own in made.asked]
    texts = [
        f"{name} likes {', '.join(likes[:-1])}{' and ' if likes[1:] else ''}{likes[-1]}."
        for name, likes in zip(names, made.likes, strict=True)
    ]
    return {
        "id": pa.array([content_id("limit", name) for name in names]),
        "text": pa.array(texts),
        "name": pa.array(names),
        "likes": pa.array(made.likes, _LISTS),
        "questions": pa.array(questions, _LISTS),
    }


def passkey_records(spec: PasskeySource) -> Made:
    """A sentence for each person with a key of its own: ``id, text, name, key, question``.

    Raises:
        SourceError: If there are too few names or keys for it.
    """
    draw = Random(spec.seed)
    try:
        names = people(spec.rows, draw)
        keys = [str(key) for key in draw.sample(_KEYS, spec.rows)]
    except ValueError as error:
        raise SourceError(f"{spec.rows:,} pass keys: {error}; lower `rows`") from error
    texts = [
        f"The pass key of {name} is {key}. Whoever asks for {name} needs the number {key}."
        for name, key in zip(names, keys, strict=True)
    ]
    return {
        "id": pa.array([content_id("passkey", name) for name in names]),
        "text": pa.array(texts),
        "name": pa.array(names),
        "key": pa.array(keys),
        "question": pa.array([f"What is the pass key of {name}?" for name in names]),
    }
