"""What Ray Data's workers do with a batch: apply map steps, ask encoders, write parts."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import ray
from ray.exceptions import ActorDiedError

from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Schema, Table
from synth.core.step import EncodeStep, MapStep
from synth.engines.load import load_scorer
from synth.engines.specs import ModelSpec, ScorerSpec
from synth.inputs.files import Folder, storage_errors
from synth.manifest import Part, Usage
from synth.runner.engines import obituary
from synth.runner.meter import MeterHandle
from synth.runner.raised import in_step
from synth.runner.tally import split_tally
from synth.steps.whole import facts_of

# Small enough that a view reads a few rows without much ado, large enough to compress well.
_ROW_GROUP_ROWS = 4096
_LEDGER = pa.schema([("entry", pa.string())])


@dataclass(frozen=True, slots=True)
class Entry:
    """What a worker reports of one part: the part, and its share of the step's ledger.

    Attributes:
        step: The step's name.
        part: The file, None where the batch left nothing to write.
        first: Lowest `position` in it, for the order of parts; 0 where rows have none.
        made: New rows among its rows.
        replaced: Input rows that go on only in new rows.
        dropped: Rows dropped, by reason.
        usage: What was asked of models.
        facts: What the step tells of its work.
    """

    step: str
    part: Part | None
    first: int
    made: int
    replaced: int
    dropped: dict[str, int]
    usage: Usage
    facts: dict[str, str]

    @staticmethod
    def table(entries: Sequence[Entry]) -> Table:
        """Entries as rows that Ray Data carries to the driver."""
        return pa.table({"entry": [entry.json() for entry in entries]}, schema=_LEDGER)

    @classmethod
    def of(cls, table: Table) -> list[Entry]:
        """The entries in such rows."""
        return [cls.from_json(text) for text in table.column("entry").to_pylist()]

    def json(self) -> str:
        """The entry as JSON text."""
        part = None if self.part is None else self.part.model_dump()
        values = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps(values | {"part": part, "usage": self.usage.model_dump()}).decode()

    @classmethod
    def from_json(cls, text: str) -> Entry:
        """The entry in a JSON text."""
        values = orjson.loads(text)
        part = None if values["part"] is None else Part(**values["part"])
        return cls(**values | {"part": part, "usage": Usage(**values["usage"])})


@dataclass(frozen=True)
class Target:
    """Where a step's rows go.

    Attributes:
        step: The step's name.
        folder: Its folder.
        schema: The columns that its rows must have.
    """

    step: str
    folder: Folder
    schema: Schema


def write(batch: Table, target: Target, meter: MeterHandle | None = None) -> Table:
    """Writes one part of a step; returns its entry."""
    entry = write_part(batch, target)
    if meter is not None:
        meter.rows.remote(target.step, batch.num_rows)
    return Entry.table([entry])


def write_part(batch: Table, target: Target) -> Entry:
    """Writes one part, synced to disk, under a name that no other attempt can have."""
    facts = facts_of(batch)
    table, made, replaced, usage = split_tally(batch)
    table = rows.conform(table, target.schema)
    reasons = table.column("drop_reason").combine_chunks().value_counts().to_pylist()
    dropped = {one["values"]: one["counts"] for one in reasons if one["values"] is not None}
    part = None
    if table.num_rows:
        name = f"part-{uuid.uuid4().hex}.parquet"
        write_parquet(table, target.folder, name)
        part = Part(file=name, rows=table.num_rows, live=table.num_rows - sum(dropped.values()))
    return Entry(target.step, part, _first(table), made, replaced, dropped, usage, facts)


def _first(table: Table) -> int:
    """The place of the first row among those of all parts, where steps have put rows in order."""
    at = table.schema.get_field_index("position")
    if at < 0 or not pa.types.is_integer(table.schema.field(at).type):
        return 0
    return pc.min(table.column(at)).as_py() or 0


def write_parquet(table: Table, folder: Folder, name: str) -> None:
    """Writes a table, on a local filesystem so that it survives a power cut."""
    with storage_errors(folder.url):
        folder.fs.makedirs(folder.root, exist_ok=True)
        with folder.fs.open(folder.path(name), "wb") as opened:
            pq.write_table(table, opened, compression="zstd", row_group_size=_ROW_GROUP_ROWS)
        if folder.is_local:
            with Path(folder.path(name)).open("rb") as written:
                os.fsync(written.fileno())


def apply_maps(batch: Table, steps: Sequence[tuple[MapStep, Target]], meter: MeterHandle) -> Table:
    """Applies consecutive map steps to a batch in one pass; each step's rows are written."""
    entries = []
    for step, target in steps:
        came = batch.num_rows
        with in_step(target.step):
            done = step.apply(batch) if came else batch
        if came:
            entries.append(write_part(done, target))
            batch = rows.live(rows.conform(done, target.schema))
        meter.rows.remote(target.step, came)
    return Entry.table(entries)


@dataclass(frozen=True)
class EncodeJob:
    """What every worker of an encode step is given.

    Attributes:
        step: The declaration.
        name: The step's name.
        spec: Its model.
        label: What rows call the model.
        actors: The engines of the model; none for the fake.
        meter: Gets counts.
    """

    step: EncodeStep
    name: str
    spec: ModelSpec
    label: str
    actors: Sequence[Any]
    meter: MeterHandle


def encode(batch: Table, job: EncodeJob) -> Table:
    """The step's rows for a batch of input rows."""
    asked = job.step.ask(batch)
    verb = "encode" if job.step.asks == "vectors" else "score"
    if job.actors:
        # Batches are spread by what is in them: workers share no state.
        at = int(np.frombuffer(uuid.uuid4().bytes[:4], np.uint32)[0]) % len(job.actors)
        try:
            answers = ray.get(getattr(job.actors[at], verb).remote(asked))
        except ActorDiedError as error:
            words = ray.get(job.meter.last_words.remote(job.step.model))
            raise EngineError(obituary(job.step.model, words)) from error
    else:
        answers = getattr(_local(job.spec), verb)(asked)
    done = job.step.read(batch, answers, job.label)
    job.meter.rows.remote(job.name, batch.num_rows)
    return done


@functools.lru_cache(maxsize=8)
def _local(spec: ModelSpec) -> Any:  # noqa: ANN401  (encoder and scorer in one)
    return load_scorer(cast("ScorerSpec", spec))  # the plan has checked its kind
