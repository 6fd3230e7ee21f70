"""The corpus of an export: the passages that its rows name, and those of a step, by id."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from synth.core.rows import Table
from synth.export.corpus import (
    IN_ORDER,
    PASSAGES,
    corpus_passages,
    merged,
    named_passages,
    unique_passages,
)
from synth.plan import PlannedSource, PlannedStep
from synth.runner.folder import RunFolder

# Rows that this process holds at once; Ray sorts more of them, on disks where memory ends.
SORTED_HERE_ROWS = 100_000
_NAMING = ("id", "query", "positives", "negatives")
_BATCH_ROWS = 8192


def passages(folder: RunFolder, reads: str, corpus: str | None) -> Iterator[Table]:
    """Every passage once, in the order of the ids, whatever the batching.

    Args:
        folder: The run.
        reads: The step or source whose rows name passages.
        corpus: The step or source all of whose rows are passages.

    Raises:
        SynthError: If an id has two texts.
    """
    tables = [folder.plan.table(name) for name in (reads, corpus) if name is not None]
    here = sum(folder.rows_out(table) for table in tables) <= SORTED_HERE_ROWS
    yield from unique_passages((_here if here else _on_ray)(folder, reads, corpus))


def _naming(table: PlannedSource | PlannedStep) -> list[str]:
    return [name for name in _NAMING if name in table.schema.names]


def _here(folder: RunFolder, reads: str, corpus: str | None) -> Iterator[Table]:
    table = folder.plan.table(reads)
    naming = folder.live_rows(table, _naming(table))
    slices = (naming.slice(at, _BATCH_ROWS) for at in range(0, naming.num_rows, _BATCH_ROWS))
    # Merged batch by batch: what is held is the corpus, not each mention of a passage.
    found = reduce(
        lambda held, batch: merged([held, named_passages(batch)]), slices, PASSAGES.empty_table()
    )
    if corpus is not None:
        whole = folder.live_rows(folder.plan.table(corpus), PASSAGES.names)
        found = merged([found, corpus_passages(whole)])
    in_order = found.sort_by(IN_ORDER)
    yield from (in_order.slice(at, _BATCH_ROWS) for at in range(0, in_order.num_rows, _BATCH_ROWS))


def _on_ray(folder: RunFolder, reads: str, corpus: str | None) -> Iterator[Table]:
    table = folder.plan.table(reads)
    rows = folder.dataset(table, columns=_naming(table))
    found = rows.map_batches(named_passages, batch_format="pyarrow", batch_size=_BATCH_ROWS)
    if corpus is not None:
        whole = folder.dataset(folder.plan.table(corpus), columns=PASSAGES.names)
        found = found.union(whole.map_batches(corpus_passages, batch_format="pyarrow"))
    in_order = found.sort([name for name, _ in IN_ORDER])
    yield from in_order.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow")
