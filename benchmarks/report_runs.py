"""Runs as a recipe leaves them on disk, made without any model: of any size, in seconds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from synth.core import rows
from synth.core.rows import Table
from synth.inputs.files import Folder
from synth.manifest import Part, StepRecord, Usage, write_record
from synth.steps.rejected import REJECTED_NEGATIVES

RECIPE = """\
name: measured
version: "1"
source: {kind: jsonl, path: /home/someone/secret/docs.jsonl}
models:
  writer: {kind: fake}
  encoder: {kind: fake, dim: 16}
steps:
  - {name: docs, kind: minhash_dedup}
  - {name: corpus, kind: embed, column: text, model: encoder}
  - {name: queries, kind: generate, from: docs, prompt: query_from_passage, model: writer}
  - {name: vectors, kind: embed, column: query, model: encoder}
  - {name: margin, kind: margin_filter}
export: {format: n_tuple, negatives: 2}
"""
PART_ROWS, GROUP_ROWS = 10_000, 4_096
_WORDS, _POOL, _NEGATIVES, _REJECTED = 60, 20_000, 4, 6
_DIM = 384
# Of rows that a dedup step drops.
_COPIES = 0.05


def write_run(folder: Path, recipe: str = RECIPE, prompts: Mapping[str, str] | None = None) -> None:
    """Marks a folder as a run; its steps are those that `write_step` leaves in it."""
    head = {"name": "measured", "version": "1", "recipe": recipe, "prompts": prompts or {}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_run.json").write_bytes(orjson.dumps(head))


def write_step(
    folder: Path,
    name: str,
    parts: Sequence[Table],
    repeat: int = 1,
    **more: Any,  # noqa: ANN401  (fields of a record)
) -> None:
    """Writes a step as a run leaves it.

    Args:
        folder: Of the step, such as ``RUN/01-docs``.
        name: The step.
        parts: Its rows, one table for each file.
        repeat: How often every file is there; it is linked and not copied.
        more: What else its line of the ledger says.
    """
    folder.mkdir(parents=True)
    found: list[Part] = []
    dropped: dict[str, int] = {}
    for at, table in enumerate(parts):
        first = f"part-{at:05}-0.parquet"
        pq.write_table(table, folder / first, row_group_size=GROUP_ROWS)
        files = [first, *(f"part-{at:05}-{one}.parquet" for one in range(1, repeat))]
        for file in files[1:]:
            os.link(folder / first, folder / file)
        live = rows.live(table).num_rows
        found += [Part(file=file, rows=table.num_rows, live=live) for file in files]
        for one in table.column("drop_reason").combine_chunks().value_counts().to_pylist():
            if one["values"] is not None:
                dropped[one["values"]] = dropped.get(one["values"], 0) + repeat * one["counts"]
    total = sum(part.rows for part in found)
    given = {"kind": name, "fingerprint": "f", "ingredients": {"synth": "0.1.0"}, "seconds": 1.5}
    record = StepRecord(
        name=name, rows_in=total, rows_out=sum(part.live for part in found), dropped=dropped,
        parts=tuple(found), finished_at="2026-11-26T12:00:00+00:00", **{**given, **more},
    )  # fmt: skip
    write_record(Folder(str(folder)), record)


def big_run(folder: Path, count: int, seed: int = 0) -> None:
    """A run of a retrieval recipe over so many documents."""
    write_run(folder, prompts={"query_from_passage": "---\npurpose: Ask.\n---\n{{ text }}"})
    made = [
        PartRows(min(PART_ROWS, count - at), at, np.random.default_rng(seed + at))
        for at in range(0, count, PART_ROWS)
    ]
    model = {"model encoder": '{"kind":"fake"}', "synth": "0.1.0"}
    asked = {"prompt query_from_passage": "0123456789abcdef", "model writer": '{"kind":"fake"}'}
    usage = Usage(requests=count, output_tokens=9 * count, asked_ms=1, replied_ms=60_001)
    sources, docs = [one.documents() for one in made], [one.deduped() for one in made]
    write_step(folder / "00-source", "source", sources)
    write_step(folder / "01-docs", "docs", docs, kind="minhash_dedup", reads="source")
    corpus = [one.corpus() for one in made]
    write_step(
        folder / "02-corpus", "corpus", corpus, kind="embed", reads="docs", ingredients=model
    )
    queries = [one.queries() for one in made]
    write_step(
        folder / "03-queries", "queries", queries, kind="generate", reads="docs",
        ingredients=asked, usage=usage,
    )  # fmt: skip
    write_step(
        folder / "04-margin", "margin", [one.judged() for one in made], kind="margin_filter",
        reads="queries",
    )  # fmt: skip


class PartRows:
    """The rows of one part, step by step."""

    def __init__(self, count: int, first: int, draw: np.random.Generator) -> None:
        words = np.array([f"w{at}" for at in range(5_000)], object)
        pool = draw.zipf(1.4, (min(_POOL, 10 * count), _WORDS)) % len(words)
        self._pool = pa.array([" ".join(line) for line in words[pool]])
        self._count, self._first, self._draw = count, first, draw
        self._ids = pa.array([f"d{first + at:08}" for at in range(count)])
        self._texts = self._pool.take(pa.array(np.arange(count)))

    def documents(self) -> Table:
        """Documents as a source reads them."""
        none = pa.nulls(self._count, pa.string())
        return pa.table({"id": self._ids, "text": self._texts, "drop_reason": none})

    def deduped(self) -> Table:
        """Some of them marked as copies of others."""
        copy = self._draw.random(self._count) < _COPIES
        of = self._ids.take(
            pa.array(self._draw.integers(0, max(1, self._count // 20), self._count))
        )
        table = rows.mark_dropped(self.documents(), copy, "near_duplicate")
        named = pa.array(
            [one if is_copy else None for one, is_copy in zip(of.to_pylist(), copy, strict=True)]
        )
        return table.append_column(pa.field("duplicate_of", pa.string()), named.cast(pa.string()))

    def corpus(self) -> Table:
        """Documents with their embeddings."""
        return self.documents().append_column("embedding_text", self._vectors())

    def queries(self) -> Table:
        """Rows that a model wrote a query for."""
        short = self._draw.zipf(1.4, (self._count, 8)) % 5_000
        queries = pa.array([" ".join(f"w{word}" for word in line) for line in short])
        ids = pa.array([f"q{self._first + at:08}" for at in range(self._count)])
        by = {"step": "queries", "model": "fake", "prompt": "query_from_passage", "seed": 7}
        by |= {"prompt_sha": "0123456789abcdef", "axes": "{}"}
        made = pa.array([by] * self._count, rows.PROVENANCE)
        table = self.documents().set_column(0, "id", ids)
        more = {
            "query": queries,
            "parent_id": self._ids,
            "source_id": self._ids,
            "provenance": made,
        }
        for name, column in more.items():
            table = table.append_column(name, column)
        return table

    def judged(self) -> Table:
        """Rows with positives, negatives and rejected ones."""
        high = self._draw.normal(0.8, 0.06, self._count)
        low = high[:, None] - np.abs(self._draw.normal(0.25, 0.1, (self._count, _NEGATIVES))) - 0.04
        near = high[:, None] - self._draw.uniform(-0.02, 0.04, (self._count, _REJECTED))
        limit = np.repeat(0.95 * high, _REJECTED)
        positives = self._lists(high[:, None], rows.POSITIVES)
        negatives = self._lists(low, rows.NEGATIVES)
        rejected = self._lists(near, REJECTED_NEGATIVES.type, ceiling=pa.array(limit, pa.float32()))
        table = self.queries().append_column("embedding_query", self._vectors())
        table = table.append_column(pa.field("positives", rows.POSITIVES), positives)
        table = table.append_column(pa.field("negatives", rows.NEGATIVES), negatives)
        return table.append_column(REJECTED_NEGATIVES, rejected)

    def _vectors(self) -> pa.Array:
        found = self._draw.standard_normal((self._count, _DIM)).astype(np.float32)
        found += 0.5
        return rows.vector_column(found / np.linalg.norm(found, axis=1, keepdims=True))

    def _lists(self, scores: np.ndarray, kind: pa.DataType, **more: pa.Array) -> pa.Array:
        """So many entries for each row, with texts of the pool."""
        number = scores.size
        at = self._draw.integers(0, len(self._pool), number)
        generated = self._draw.random(number) < 0.3
        fields: dict[str, pa.Array] = {
            "id": pa.array([f"t{one}" for one in at]),
            "text": self._pool.take(pa.array(at)),
            "score": pa.array(scores.reshape(-1), pa.float32()),
            "rank": pa.array(np.arange(number) % scores.shape[1], pa.int32()),
            "origin": pa.array(np.where(generated, "generated:fake", "mined"), pa.string()),
            "reason": pa.array(["above_margin"] * number),
            **more,
        }
        inside = list(kind.value_type)
        columns = [fields.get(f.name, pa.nulls(number, f.type)).cast(f.type) for f in inside]
        entries = pa.StructArray.from_arrays(columns, fields=inside)
        ends = pa.array(np.arange(0, number + 1, scores.shape[1]), pa.int32())
        return pa.ListArray.from_arrays(ends, entries).cast(kind)
