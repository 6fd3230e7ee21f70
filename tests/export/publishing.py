"""Datasets of a few rows, written and described as a run writes them, but without a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from synth.card import RunInfo, render_card
from synth.core import rows
from synth.core.rows import Table
from synth.export import (
    Written,
    file_sets,
    metadata_files,
    shape,
    table_schemas,
    write_tables,
    written,
)
from synth.export.corpus import (
    CORPUS,
    IN_ORDER,
    corpus_passages,
    corpus_rows,
    merged,
    named_passages,
    unique_passages,
)
from synth.formats import BeirExport, ExportSpec, NemotronExport
from synth.inputs.files import Folder
from synth.recipe import parse_recipe

SEED = 3


def passage(name: str, score: float | None = None) -> dict[str, Any]:
    """An entry of a list, whose text is made from its id."""
    return {"id": name, "text": f"All about {name}.", "score": score}


def retrieval_rows(number: int, negatives: int = 3) -> Table:
    """Rows with one positive and so many negatives each, all scored."""
    positives = [[passage(f"p{at}", 0.9)] for at in range(number)]
    found = [
        [passage(f"n{at}-{one}", 0.5 - one / 10) for one in range(negatives)]
        for at in range(number)
    ]
    return pa.table(
        {
            "id": pa.array([f"q{at}" for at in range(number)], pa.string()),
            "query": pa.array([f"what is {at}?" for at in range(number)], pa.string()),
            "positives": pa.array(positives, rows.POSITIVES),
            "negatives": pa.array(found, rows.NEGATIVES),
            "prompt": ["Find the passage."] * number,
        }
    )


def publish(
    root: Path, exports: Sequence[dict[str, Any]], batch: Table, corpus: Table | None = None
) -> tuple[ExportSpec, ...]:
    """Writes the exports of some rows, and the card, into a folder; returns them."""
    recipe = parse_recipe(
        yaml.safe_dump(
            {
                "name": "cats",
                "source": {"kind": "jsonl", "path": "cats.jsonl", "columns": {"query": "query"}},
                "steps": [{"kind": "exact_dedup", "column": "query"}],
                "export": list(exports),
            }
        ),
        "test",
    )
    specs = tuple(spec.completed(recipe.name) for spec in recipe.export)
    folder, configs = Folder(str(root)), dict[str, Written]()
    for spec in specs:
        sets = file_sets(specs, spec)
        write_tables(_parts(spec, batch, corpus), sets, SEED, folder)
        schemas = table_schemas(spec, batch.schema)
        configs |= {
            one.config: written(one, folder, schemas[one.table])
            for one in sets
            if one.config is not None
        }
        for path, data in metadata_files(spec).items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)
    info = RunInfo(recipe, [], [], {}, configs, "2026-01-02", {})
    (root / "README.md").write_text(render_card(info))
    return specs


def _parts(spec: ExportSpec, batch: Table, corpus: Table | None) -> Iterator[dict[str, Table]]:
    yield shape(spec, batch).tables
    if isinstance(spec, BeirExport | NemotronExport):
        found = [named_passages(batch), *([] if corpus is None else [corpus_passages(corpus)])]
        for unique in unique_passages([merged(found).sort_by(IN_ORDER)]):
            yield {CORPUS: corpus_rows(spec, unique)}
