"""All rows of a corpus step in one place: how a function of whole tables runs on Ray Data.

A corpus step's work is its method ``whole(rows, *second_tables) -> rows``, pure and tested without
Ray. What it gets is sorted by id, so that its result never depends on the order of Ray's blocks.
Rows that it makes, such as windows, are told from those that came in by a true value in the column
`IS_NEW`, which goes no further than the runner's ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import pyarrow as pa

from synth.core.rows import Table
from synth.core.step import CorpusStep, Fields

if TYPE_CHECKING:
    from ray.data import Dataset

IS_NEW = pa.field("_new", pa.bool_())
# Where a table's schema carries what a step tells of its work.
_FACTS = b"synth.facts"


class WholeStep(Protocol):
    """A corpus step that is a function of whole tables."""

    @property
    def whole(self) -> Callable[..., Table]:
        """The function of the rows and of the second tables, in the order of `second_tables`."""
        ...

    def second_tables(self) -> Mapping[str, Fields]:
        """The columns that are read of each second table."""
        ...


class OneTaskStep(CorpusStep):
    """A corpus step whose rows all come into one task of Ray."""

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows, planned lazily on Ray Data."""
        return in_one_task(self, dataset, tables)


def with_facts(table: Table, facts: Mapping[str, str]) -> Table:
    """The same rows, and with them what the step tells of its work, for the run's ledger."""
    return table.replace_schema_metadata({_FACTS: orjson.dumps(dict(facts))}) if facts else table


def facts_of(table: Table) -> dict[str, str]:
    """What the step that made these rows tells of its work."""
    told = (table.schema.metadata or {}).get(_FACTS)
    return {} if told is None else dict(orjson.loads(told))


def by_id(table: Table) -> Table:
    """The rows in the order of their ids."""
    return table.sort_by("id")


def in_order(step: WholeStep, rows: Table, *tables: Table) -> Table:
    """The step's result, for rows that come in any order.

    Args:
        step: A corpus step.
        rows: Its rows.
        tables: Its second tables, in the order of `second_tables`.
    """
    return step.whole(by_id(rows), *map(by_id, tables))


def in_one_task(step: WholeStep, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
    """The step's result, made by one Ray task that gets all rows of all tables.

    The rows are read lazily. Second tables are read now, into Ray's object store; no row comes into
    this process.

    Args:
        step: A corpus step; its function is not called where there is no row.
        dataset: The live rows.
        tables: The live rows of each second table.
    """
    blocks = [
        (tables[name].select_columns([field.name for field in fields]).to_arrow_refs(), fields)
        for name, fields in step.second_tables().items()
    ]
    return dataset.repartition(1).map_batches(
        _task, fn_args=(step, blocks), batch_size=None, batch_format="pyarrow", num_cpus=1
    )


def _task(rows: Table, step: WholeStep, blocks: list[tuple[list[Any], Fields]]) -> Table:
    return in_order(step, rows, *(_joined(*parts) for parts in blocks))


def _joined(blocks: list[Any], fields: Fields) -> Table:
    import ray

    tables = [table for table in ray.get(blocks) if table.num_rows]
    return pa.concat_tables(tables) if tables else pa.schema(fields).empty_table()
