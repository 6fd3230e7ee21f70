"""What a run will ask of models at most, worked out without a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synth.core.chat import DEFAULT_SAMPLING, Sampling
from synth.core.paths import user_path
from synth.inputs.files import Folder, find_files
from synth.inputs.sources import (
    HubSource,
    JsonlSource,
    MadeSource,
    ParquetSource,
    SourceSpec,
)
from synth.inputs.tables import read_tables
from synth.plan import Plan, PlannedStep
from synth.replies import ReplyIndex

# English in the tokenizers of open-weight models: 4 to 4.5 characters to a token.
_CHARS_PER_TOKEN = 4
# Stands for a text that a model has yet to write, such as a query.
_UNKNOWN_CHARS = 200
_COUNTED_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """The most that one step can ask for, if nothing is dropped before it.

    Attributes:
        step: The step.
        rows: Rows that come in at most; None where the source does not tell.
        requests: First attempts; a reply that fails a check is asked for again.
        prompt_tokens: Tokens of the prompts, by characters.
        output_tokens: Tokens that models may write at most.
        stored: Replies that earlier runs have paid for, and that may serve again.
    """

    step: PlannedStep
    rows: int | None
    requests: int | None
    prompt_tokens: int | None
    output_tokens: int | None
    stored: int


def estimate(plan: Plan, out: str) -> list[StepEstimate]:
    """An upper bound for every step.

    Args:
        plan: The plan.
        out: Folder of all runs, for the replies that are there.
    """
    rows: dict[str, int | None] = {}
    chars: dict[str, float] = {}
    for source in plan.sources:
        limit = plan.limit if source is plan.sources[0] else None
        counted = _rows_of(source.spec, plan.recipe.base)
        rows[source.name] = counted if limit is None or counted is None else min(limit, counted)
        chars |= _mean_chars(source.spec, plan.recipe.base)
    found = []
    for step in plan.steps:
        came = rows[step.reads]
        rows[step.name] = _rows_after(step, came)
        found.append(_of_step(step, came, chars, plan, out))
    return found


def _rows_after(step: PlannedStep, came: int | None) -> int | None:
    if step.generation is not None and step.generation.makes_rows and came is not None:
        return came * (step.generation.step.n + step.generation.step.keep_inputs)
    return None if step.step.makes_rows else came


def _of_step(
    step: PlannedStep, came: int | None, chars: dict[str, float], plan: Plan, out: str
) -> StepEstimate:
    generation = step.generation
    if generation is None:
        return StepEstimate(step, came, 0, 0, 0, 0)
    folder = Folder(out).sub(plan.recipe.name, "_replies", step.name)
    stored = len(ReplyIndex(folder))
    if came is None or generation.prompt.head.makes == "scores":
        # How many entries the rows will list is not known.
        return StepEstimate(step, came, None, None, None, stored)
    requests = came * generation.step.n
    template = sum(len(turn.template) for turn in generation.prompt.turns)
    filled = sum(
        chars.get("text" if name == "positives" else name, _UNKNOWN_CHARS)
        for name in generation.prompt.head.needs
    )
    layers = [generation.step.sampling, generation.prompt.head.sampling]
    layers += [card.sampling for card in generation.cards.values()]
    most = Sampling.merged(*layers, DEFAULT_SAMPLING).max_tokens or 0
    tokens = int(requests * (template + filled) / _CHARS_PER_TOKEN)
    return StepEstimate(step, came, requests, tokens, requests * most, stored)


def _mean_chars(spec: SourceSpec, base: Path) -> dict[str, float]:
    first = next(read_tables(spec, base, 1024), None)
    if first is None:
        return {}
    texts = [field.name for field in first.schema if pa.types.is_string(field.type)]
    return {name: pc.mean(pc.utf8_length(first.column(name))).as_py() or 0.0 for name in texts}


def _rows_of(spec: SourceSpec, base: Path) -> int | None:
    """Rows of a source: counted where that is quick, else by size; None where neither is."""
    if isinstance(spec, HubSource):
        return None
    if isinstance(spec, MadeSource):
        return sum(int(table.num_rows) for table in read_tables(spec, base, None))
    path = spec.path if "://" in spec.path else str(base / user_path(spec.path))
    fs, files = find_files(path, (".parquet",) if isinstance(spec, ParquetSource) else ("",))
    if isinstance(spec, ParquetSource):
        footers = (pq.read_metadata(fs.open(file, "rb")) for file in files)
        return sum(int(footer.num_rows) for footer in footers)
    packed = any(file.endswith((".gz", ".bz2", ".xz", ".zst")) for file in files)
    size = sum(int(fs.info(file).get("size") or 0) for file in files)
    if size <= _COUNTED_BYTES:
        return sum(int(table.num_rows) for table in read_tables(spec, base, None))
    if packed or not isinstance(spec, JsonlSource):
        return None
    with fs.open(files[0], "rb") as opened:
        lines: int = opened.read(1 << 20).count(b"\n") or 1
    return int(size) * lines // min(int(size), 1 << 20)
