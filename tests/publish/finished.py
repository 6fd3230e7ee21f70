"""Finished runs of a few rows, exported as a run does it, but without Ray and without a model."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from synth.core.rows import Table
from synth.manifest import Part, StepRecord, now, write_record
from synth.plan import PlannedSource, PlannedStep, kind_of, make_plan
from synth.recipe import parse_recipe
from synth.runner.exporting import export_all
from synth.runner.folder import RunFolder

PROMPT = """\
---
purpose: Write a note.
source: Styles as in WRAP (arXiv:2401.16380).
needs: [query]
makes: columns
into: note
---
A note on: {{ query }}
"""
EXPORTS: list[dict[str, Any]] = [
    {"format": "n_tuple", "negatives": 2, "splits": {"train": 0.8, "test": 0.2}, "shard_rows": 10},
    {"format": "rows", "name": "notes", "columns": ["id", "query", "note"]},
]
ROWS = 40


def rows(number: int = ROWS, note: str = "a note") -> list[dict[str, Any]]:
    """Retrieval rows with what a model wrote about each."""
    return [
        {
            "id": f"q{at:03}",
            "query": f"what is {at}?",
            "note": f"{note} on {at}",
            "positives": [{"id": f"p{at}", "text": f"All about {at}.", "score": 0.9}],
            "negatives": [
                {"id": f"n{at}-{one}", "text": f"Not about {at}, {one}.", "score": 0.5}
                for one in range(3)
            ],
        }
        for at in range(number)
    ]


def finished(
    folder: Path,
    *,
    made: list[dict[str, Any]] | None = None,
    version: str = "1",
    card: dict[str, Any] | None = None,
    exports: list[dict[str, Any]] | None = None,
    prompt: str = PROMPT,
    **changes: Any,
) -> Path:
    """A finished run; its folder is ``<folder>/outputs/cats/<version>``."""
    made = rows() if made is None else made
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "note.md").write_text(prompt)
    lines = "".join(json.dumps({**row, "note": None}) + "\n" for row in made)
    (folder / "cats.jsonl").write_text(lines)
    columns = {"id": "id", "query": "query", "positives": "positives", "negatives": "negatives"}
    recipe = {
        "name": "cats",
        "version": version,
        "description": "Questions about numbers.",
        "source": {"kind": "jsonl", "path": "cats.jsonl", "columns": columns},
        "models": {"writer": {"kind": "fake"}},
        "steps": [{"name": "notes", "kind": "generate", "prompt": "note.md", "model": "writer"}],
        "export": EXPORTS if exports is None else exports,
        "card": {"license": "cc-by-4.0", "languages": ["en"]} if card is None else card,
        **changes,
    }
    text = yaml.safe_dump(recipe, sort_keys=False)
    run = RunFolder(
        make_plan(parse_recipe(text, "cats.yaml").placed(folder, text)), str(folder / "outputs")
    )
    run.describe()
    for table in run.plan.tables:
        _finish(run, table, made)
    export_all(run)
    return Path(run.root.root)


def _finish(run: RunFolder, table: PlannedSource | PlannedStep, made: list[dict[str, Any]]) -> None:
    batch = _table(table, made)
    own = run.step(table)
    own.make()
    dropped = Counter(one for one in batch["drop_reason"].to_pylist() if one)
    live = len(made) - dropped.total()
    pq.write_table(batch, own.path("part-00000.parquet"))
    record = StepRecord(
        name=table.name,
        kind=kind_of(table),
        reads="source" if isinstance(table, PlannedStep) else "",
        fingerprint=table.fingerprint,
        ingredients=table.ingredients,
        rows_in=len(made),
        rows_out=live,
        dropped=dict(dropped),
        parts=(Part(file="part-00000.parquet", rows=len(made), live=live),),
        finished_at=now(),
    )
    write_record(own, record)


def _table(table: PlannedSource | PlannedStep, made: list[dict[str, Any]]) -> Table:
    columns = {
        field.name: pa.array([row.get(field.name) for row in made], field.type)
        for field in table.schema
    }
    return pa.table(columns, schema=table.schema)
