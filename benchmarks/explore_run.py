"""A run of any size as a recipe leaves it, its files written directly: no model, no Ray."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table
from synth.inputs.files import Folder
from synth.manifest import Part, StepRecord, now, write_record
from synth.runner.work import write_parquet
from synth.steps.rejected import REJECTED_NEGATIVES, SHORT_BY

DIM = 384
NEGATIVES = 4
REASONS = ("below_min_positive", "near_duplicate", "too_short")
_PASSAGES = Path(__file__).parent.parent / "recipes" / "data" / "passages.jsonl"
_MODELS = ("writer-7b", "writer-70b", "writer-moe")
_CLUSTERS = 24


def build_run(folder: Path, count: int, seed: int = 0, part_rows: int = 16_384) -> Path:
    """Writes a run of documents, queries of them, and a margin filter.

    Args:
        folder: Where it goes; made.
        count: Queries; there is a document for every five.
        seed: Of all draws.
        part_rows: Rows of a file.

    Returns:
        The folder.
    """
    draw = np.random.default_rng(seed)
    docs = _documents(draw, max(1, count // 5))
    steps = {
        "00-source": ("source", "", docs, 0),
        "01-docs": ("minhash_dedup", "source", _dropping(draw, docs, 0.02, "near_duplicate"), 0),
    }
    queries = _queries(draw, docs, count)
    steps["02-queries"] = ("generate", "docs", queries, count)
    steps["03-margin"] = ("margin_filter", "queries", _filtered(draw, queries), 0)
    for name, (kind, reads, table, made) in steps.items():
        parts = [table.slice(at, part_rows) for at in range(0, table.num_rows, part_rows)]
        _write(Folder(str(folder / name)), name[3:], kind, reads, parts, made)
    told: dict[str, Any] = {
        "name": folder.parent.name,
        "version": folder.name,
        "recipe": "name: made\n",
    }
    told |= {"limit": None, "steps": list(steps), "prompts": {}}
    (folder / "_run.json").write_bytes(orjson.dumps(told))
    return folder


def _texts(draw: np.random.Generator, count: int, sentences: int) -> list[str]:
    passages = [json.loads(line)["text"] for line in _PASSAGES.read_text().splitlines()]
    known = [one for text in passages for one in text.split(". ") if len(one) > 40]
    chosen = draw.integers(len(known), size=(count, sentences))
    return [". ".join(known[at] for at in line) + f". No. {n}." for n, line in enumerate(chosen)]


def _documents(draw: np.random.Generator, count: int) -> Table:
    ids = [f"d{at:07}" for at in range(count)]
    return pa.table(
        {
            "id": ids,
            "text": _texts(draw, count, 5),
            "embedding_text": _vectors(draw, count),
            "drop_reason": pa.nulls(count, pa.string()),
        }
    )


def _vectors(draw: np.random.Generator, count: int) -> pa.Array:
    centres = draw.normal(size=(_CLUSTERS, DIM)).astype(np.float32)
    found = centres[draw.integers(_CLUSTERS, size=count)]
    found = found + draw.normal(size=(count, DIM), scale=0.7).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return rows.vector_column(np.asarray(found, np.float32))


def _dropping(draw: np.random.Generator, table: Table, share: float, reason: str) -> Table:
    return rows.mark_dropped(table, draw.random(table.num_rows) < share, reason)


def _queries(draw: np.random.Generator, docs: Table, count: int) -> Table:
    of = draw.integers(docs.num_rows, size=count)
    source = docs["id"].take(pa.array(of)).combine_chunks()
    text = docs["text"].take(pa.array(of)).combine_chunks()
    return pa.table(
        {
            "id": [f"q{at:07}" for at in range(count)],
            "text": text,
            "drop_reason": pa.nulls(count, pa.string()),
            "query": [one[:70] for one in _texts(draw, count, 1)],
            "positives": _entries(source, text, draw.uniform(0.4, 1, count), 1, rows.POSITIVES),
            "parent_id": source,
            "source_id": source,
            "provenance": _provenance(draw, count),
            "embedding_query": _vectors(draw, count),
            "negatives": _negatives(draw, docs, count, NEGATIVES),
        }
    )


def _provenance(draw: np.random.Generator, count: int) -> pa.Array:
    values: dict[str, Any] = {
        "step": ["queries"] * count,
        "model": np.array(_MODELS)[draw.integers(len(_MODELS), size=count)].tolist(),
        "prompt": ["query_from_passage"] * count,
        "prompt_sha": ["0" * 16] * count,
        "seed": np.arange(count),
        "axes": ['{"length":"short"}'] * count,
    }
    return pa.StructArray.from_arrays(
        [pa.array(values[field.name], field.type) for field in rows.PROVENANCE],
        fields=list(rows.PROVENANCE),
    )


def _entries(
    ids: pa.Array, texts: pa.Array, scores: NDArray[np.float64], each: int, kind: pa.DataType
) -> pa.Array:
    """Lists of `each` entries: fields that are not given are null."""
    given = {"id": ids, "text": texts, "score": pa.array(scores, pa.float32())}
    given["origin"] = pa.array(["mined"] * len(ids))
    given["reason"] = pa.array(["above_margin"] * len(ids))
    fields = list(kind.value_type)
    parts = [given.get(one.name, pa.nulls(len(ids), one.type)).cast(one.type) for one in fields]
    offsets = pa.array(np.arange(0, len(ids) + 1, each), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(parts, fields=fields))


def _negatives(draw: np.random.Generator, docs: Table, count: int, each: int) -> pa.Array:
    of = pa.array(draw.integers(docs.num_rows, size=count * each))
    ids, texts = (docs[name].take(of).combine_chunks() for name in ("id", "text"))
    return _entries(ids, texts, draw.uniform(0, 0.6, count * each), each, rows.NEGATIVES)


def _filtered(draw: np.random.Generator, queries: Table) -> Table:
    count = queries.num_rows
    docs = queries.select(["id", "text"])
    of = pa.array(draw.integers(count, size=count * 2))
    ids, texts = (docs[name].take(of).combine_chunks() for name in ("id", "text"))
    scores = draw.uniform(0.5, 1, count * 2)
    rejected = _entries(ids, texts, scores, 2, REJECTED_NEGATIVES.type)
    out = queries.append_column(REJECTED_NEGATIVES, rejected)
    out = out.append_column(SHORT_BY, pa.array(np.zeros(count, np.int32)))
    return _dropping(draw, _dropping(draw, out, 0.1, REASONS[0]), 0.02, REASONS[2])


def _write(
    folder: Folder, name: str, kind: str, reads: str, tables: list[Table], made: int
) -> None:
    parts, dropped = [], Counter[str]()
    for number, table in enumerate(tables):
        file = f"part-{number:05}.parquet"
        write_parquet(table, folder, file)
        parts.append(Part(file=file, rows=table.num_rows, live=rows.live(table).num_rows))
        dropped.update(why for why in table["drop_reason"].to_pylist() if why is not None)
    record = StepRecord(
        name=name,
        kind=kind,
        reads=reads,
        fingerprint="made",
        ingredients={},
        rows_in=made or sum(part.rows for part in parts),
        rows_made=made,
        rows_replaced=made,
        rows_out=sum(part.live for part in parts),
        dropped=dict(dropped),
        parts=tuple(parts),
        finished_at=now(),
    )
    write_record(folder, record)
