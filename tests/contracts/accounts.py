"""What a run left, read from its files alone: nothing here asks the runner how it counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from synth.engines.specs import FakeSpec
from synth.formats import (
    FlagEmbeddingExport,
    LabeledListExport,
    LabeledPairExport,
    ListwiseExport,
    NTupleExport,
    PairExport,
    TripletExport,
)
from synth.manifest import StepRecord
from synth.recipe import Recipe
from synth.steps import Generate

Row = dict[str, Any]
WITH_IDS = (
    NTupleExport,
    TripletExport,
    PairExport,
    LabeledPairExport,
    LabeledListExport,
    FlagEmbeddingExport,
    ListwiseExport,
)
ENCODERS = ("sentence_transformers", "cross_encoder")


def faked(recipe: Recipe, **more: Any) -> Recipe:
    """The recipe with the fake in the place of every model, and ids in what it exports.

    The fake's words cannot hold every check of a prompt, so that steps may fail at any rate.
    """
    models = {
        name: FakeSpec(kind="fake", model="fake-encoder" if spec.kind in ENCODERS else "fake-llm")
        for name, spec in recipe.models.items()
    }
    steps = [
        step.model_copy(update={"max_error_rate": 1.0}) if isinstance(step, Generate) else step
        for step in recipe.steps
    ]
    exports = [
        export.model_copy(update={"ids": True}) if isinstance(export, WITH_IDS) else export
        for export in recipe.export
    ]
    changed = {"models": models, "steps": tuple(steps), "export": tuple(exports), **more}
    return recipe.model_copy(update=changed).placed(recipe.base)


@dataclass(frozen=True)
class Account:
    """One step or source as its folder has it.

    Attributes:
        record: Its ledger.
        table: All rows of all Parquet files in the folder.
        files: The names of these files.
    """

    record: StepRecord
    table: pa.Table
    files: tuple[str, ...]

    @property
    def rows(self) -> list[Row]:
        """All rows, dropped ones too."""
        return list(self.table.to_pylist())

    @property
    def ids(self) -> list[str]:
        """The ids of all rows."""
        return list(self.table.column("id").to_pylist())

    @property
    def live_ids(self) -> list[str]:
        """The ids of the rows that go on."""
        return [row["id"] for row in self.rows if row["drop_reason"] is None]

    @property
    def dropped(self) -> Counter[str]:
        """Rows by drop reason."""
        return Counter(row["drop_reason"] for row in self.rows if row["drop_reason"] is not None)

    @property
    def sorted_rows(self) -> list[Row]:
        """All rows by id, so that file layout does not matter."""
        return sorted(self.rows, key=lambda row: str(row["id"]))


def accounts(run: Path) -> dict[str, Account]:
    """Every finished step and source of a run, by name, in order."""
    found = {}
    for folder in sorted(path for path in run.iterdir() if path.name[:2].isdigit()):
        record = StepRecord.model_validate(orjson.loads((folder / "_manifest.json").read_bytes()))
        files = sorted(folder.glob("*.parquet"))
        tables = [pq.read_table(file) for file in files]
        table = pa.concat_tables(tables) if tables else pa.table({"id": [], "drop_reason": []})
        found[record.name] = Account(record, table, tuple(file.name for file in files))
    return found


def dataset_bytes(run: Path) -> dict[str, bytes]:
    """Every file of the dataset."""
    data = run / "data"
    return {str(path.relative_to(data)): path.read_bytes() for path in sorted(data.rglob("*.*"))}


def reply_keys(out: Path, recipe: str) -> Counter[str]:
    """How often each request was answered, by its key, over all steps."""
    lines = [
        line
        for path in (out / recipe / "_replies").rglob("*.jsonl")
        for line in path.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n")
    ]
    return Counter(str(orjson.loads(line)["k"]) for line in lines)
