"""Raw records of a source, batch by batch, each batch with the place it came from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from synth.core.errors import SourceError
from synth.core.ids import ID_BYTES, fingerprint
from synth.core.paths import is_folder, user_path
from synth.inputs.files import find_files, open_binary
from synth.inputs.grid import grid_records
from synth.inputs.records import BATCH_ROWS, Records, no_field
from synth.inputs.sources import (
    GridSource,
    HubSource,
    JsonlSource,
    LimitSource,
    ParquetSource,
    PasskeySource,
    SourceSpec,
    TextSource,
)
from synth.inputs.stress import made_mark, made_records

PACKED = ("", ".gz", ".bz2", ".xz", ".zst")
# How the names of a source's files end, by its kind.
ENDINGS = {
    "parquet": (".parquet",),
    "dedup_index": (".parquet",),
    "jsonl": tuple(f"{e}{p}" for e in (".jsonl", ".ndjson") for p in PACKED),
    "text": tuple(f"{e}{p}" for e in (".txt", ".md") for p in PACKED),
}
# Told apart by content below this size and by size, time, head and tail above it.
_HASHED_WHOLE_BYTES = 64 << 20
_HASHED_ENDS_BYTES = 1 << 20

_COMMIT = re.compile(r"[0-9a-f]{40}")
NOT_JSON, NOT_UTF8 = "not_json", "not_utf8"


def read_records(spec: SourceSpec, base: Path) -> Iterator[Records]:
    """All records of a source, in its order.

    Args:
        spec: The source.
        base: Folder that relative paths start from.

    Raises:
        SourceError: If it cannot be read; names file and line.
    """
    match spec:
        case JsonlSource():
            return _jsonl(spec, base)
        case ParquetSource():
            return _parquet(spec, base)
        case TextSource():
            return _text(spec, base)
        case HubSource():
            return _hub(spec, base)
        case LimitSource() | PasskeySource():
            return made_records(spec, base)
        case GridSource():
            return grid_records(spec)
        case _:
            assert_never(spec)


def content_mark(spec: SourceSpec, base: Path) -> str:
    """A fingerprint of what the source holds now, to notice that it changed."""
    if isinstance(spec, HubSource):
        return fingerprint("hub", spec.dataset, spec.config, spec.split, _hub_commit(spec, base))
    if isinstance(spec, LimitSource | PasskeySource):
        return made_mark(spec, base)
    if isinstance(spec, GridSource):
        return fingerprint(spec.kind)  # its settings say all
    fs, files = _files(spec, base)
    return fingerprint("files", [(Path(path).name, *_file_mark(fs, path)) for path in files])


def _file_mark(fs: Any, path: str) -> tuple[int, str]:  # noqa: ANN401  (fsspec ships no types)
    """Size and hash of a file."""
    info = fs.info(path)
    size = int(info.get("size") or 0)
    digest = hashlib.blake2b(digest_size=ID_BYTES)
    with fs.open(path, "rb") as opened:
        if size <= _HASHED_WHOLE_BYTES:
            digest.update(opened.read())
        else:
            digest.update(opened.read(_HASHED_ENDS_BYTES))
            opened.seek(size - _HASHED_ENDS_BYTES)
            digest.update(opened.read())
            changed = info.get("mtime") or info.get("LastModified") or info.get("etag") or ""
            digest.update(str(changed).encode())
    return size, digest.hexdigest()


def _located(spec: JsonlSource | ParquetSource | TextSource, base: Path) -> str:
    path = str(user_path(spec.path)) if spec.path.startswith("~") else spec.path
    return path if "://" in path else str(base / path)


def _files(spec: JsonlSource | ParquetSource | TextSource, base: Path) -> tuple[Any, list[str]]:
    path = _located(spec, base)
    try:
        fs, files = find_files(path, ENDINGS[spec.kind])
    except (OSError, ValueError, ImportError) as error:
        raise SourceError(f"cannot look for {path}: {error}") from error
    if not files:
        raise SourceError(f"the source finds no {spec.kind} file at {path}; check `path`")
    return fs, files


def _jsonl(spec: JsonlSource, base: Path) -> Iterator[Records]:
    fs, files = _files(spec, base)
    seen = 0
    for path in files:
        parsed: list[dict[str, Any]] = []
        bad: list[str | None] = []
        start = 1
        for number, line in _lines(fs, path):
            record, problem = _json_object(line)
            if problem is not None and spec.bad_lines == "error":
                raise SourceError(
                    f"{path} line {number} {problem}; mend it, or set `bad_lines: drop`"
                )
            parsed.append(record)
            bad.append(None if problem is None else NOT_JSON)
            if len(bad) == BATCH_ROWS:
                yield _as_columns(spec, parsed, bad, f"{path} line {start}", seen)
                seen, parsed, bad, start = seen + len(bad), [], [], number + 1
        if bad:
            yield _as_columns(spec, parsed, bad, f"{path} line {start}", seen)
            seen += len(bad)


def _lines(fs: Any, path: str) -> Iterator[tuple[int, bytes]]:  # noqa: ANN401
    try:
        with open_binary(fs, path) as opened:
            for number, line in enumerate(opened, start=1):
                content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if content.strip():
                    yield number, content
    except (OSError, EOFError, ValueError, ImportError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error


def _json_object(line: bytes) -> tuple[dict[str, Any], str | None]:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return {}, f"is not JSON ({str(error).split(':')[0]})"
    if not isinstance(record, dict):
        return {}, f"is a JSON {type(record).__name__} and not an object with fields"
    return record, None


def _as_columns(
    spec: SourceSpec, parsed: list[dict[str, Any]], bad: list[str | None], place: str, first: int
) -> Records:
    columns = {field: [record.get(field) for record in parsed] for field in spec.columns.values()}
    return Records(columns, bad, place, first)


def _parquet(spec: ParquetSource, base: Path) -> Iterator[Records]:
    fs, files = _files(spec, base)
    fields = list(dict.fromkeys(spec.columns.values()))
    seen = 0
    for path in files:
        try:
            with fs.open(path, "rb") as opened:
                parquet = pq.ParquetFile(opened)
                missing = [field for field in fields if field not in parquet.schema_arrow.names]
                if missing:
                    raise SourceError(no_field(path, missing[0], parquet.schema_arrow.names))
                for batch in parquet.iter_batches(batch_size=BATCH_ROWS, columns=fields):
                    columns = {name: batch.column(name) for name in fields}
                    bad: list[str | None] = [None] * batch.num_rows
                    yield Records(columns, bad, f"{path} row {seen}", seen)
                    seen += batch.num_rows
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"cannot read {path} as Parquet: {error}") from error


def _text(spec: TextSource, base: Path) -> Iterator[Records]:
    fs, files = _files(spec, base)
    unknown = set(spec.columns.values()) - {"text", "path"}
    if unknown:
        where = "a text source"
        raise SourceError(no_field(where, sorted(unknown)[0], ["text", "path"]))
    seen = 0
    for path in files:
        texts = _whole(fs, path) if spec.per == "file" else (line for _, line in _lines(fs, path))
        batch: list[bytes] = []
        for text in texts:
            batch.append(text)
            if len(batch) == BATCH_ROWS:
                yield _decoded(spec, batch, path, seen)
                seen, batch = seen + len(batch), []
        if batch:
            yield _decoded(spec, batch, path, seen)
            seen += len(batch)


def _whole(fs: Any, path: str) -> Iterator[bytes]:  # noqa: ANN401
    try:
        with open_binary(fs, path) as opened:
            yield opened.read()
    except (OSError, EOFError, ImportError) as error:
        raise SourceError(f"cannot read {path}: {error}") from error


def _decoded(spec: TextSource, batch: list[bytes], path: str, first: int) -> Records:
    texts: list[str | None] = []
    bad: list[str | None] = []
    for raw in batch:
        try:
            texts.append(raw.decode("utf-8-sig").strip("\r\n"))
            bad.append(None)
        except UnicodeDecodeError:
            texts.append(None)
            bad.append(NOT_UTF8)
    fields = {"text": texts, "path": [Path(path).name] * len(batch)}
    columns = {field: fields[field] for field in spec.columns.values()}
    return Records(columns, bad, f"{path} row {first}", first)


def _hub(spec: HubSource, base: Path) -> Iterator[Records]:
    import datasets

    folder = base / spec.dataset
    name = str(folder) if is_folder(folder) else spec.dataset
    revision = None if is_folder(folder) else _hub_commit(spec, base)
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(
            name, spec.config, split=spec.split, revision=revision, streaming=True
        )
        fields = list(dict.fromkeys(spec.columns.values()))
        seen = 0
        for batch in loaded.with_format("arrow").iter(batch_size=BATCH_ROWS):
            missing = [field for field in fields if field not in batch.column_names]
            if missing:
                raise SourceError(no_field(spec.dataset, missing[0], batch.column_names))
            columns = {field: batch.column(field) for field in fields}
            bad: list[str | None] = [None] * batch.num_rows
            yield Records(columns, bad, f"{spec.dataset} row {seen}", seen)
            seen += batch.num_rows
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        message = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SourceError(f"cannot load dataset {spec.dataset!r}: {message}") from error


def _hub_commit(spec: HubSource, base: Path) -> str:
    folder = base / spec.dataset
    if is_folder(folder):
        fs = fsspec.filesystem("file")
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        marks = [(p.relative_to(folder).as_posix(), *_file_mark(fs, str(p))) for p in files]
        return fingerprint("folder", marks)
    if spec.revision and _COMMIT.fullmatch(spec.revision):
        return spec.revision
    import httpx2
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(spec.dataset, revision=spec.revision, timeout=10).sha)
    except (OSError, httpx2.HTTPError, ValueError) as error:
        raise SourceError(
            f"cannot find dataset {spec.dataset!r} on the Hub to pin its revision; check the name "
            "and the network, or give `revision: <40 hex digits>`"
        ) from error
