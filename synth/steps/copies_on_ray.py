"""Dedup of more rows than one process should hold: hashes come together, texts stay apart.

Blocks of rows lie in Ray's object store. A task for each reads its texts once and leaves hashes,
signatures and bands. The driver finds equal texts by their hashes. Tasks for each band and range of
keys link texts whose signatures are similar; the driver merges the links. Only texts that are
linked to another are read again and brought together, one component with all its texts in one task,
where the same search runs as on a few rows (`near_copies_on_ray`).
`docs/decisions/0007-dedup-on-ray.md` has the costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from numpy.typing import NDArray

from synth.algorithms.exact import falling, hashes_of, lengths
from synth.algorithms.near_duplicates import (
    first_copies,
)
from synth.core.rows import Table
from synth.steps.copies import CopyStep, is_null, named, present_texts, ranks

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.steps.exact_dedup import ExactDedup

Ref = Any  # an ObjectRef: Ray's have no types that hold here
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Facts:
    """What the driver learns of a block: some 40 bytes a row.

    Attributes:
        ids: Shape (rows,).
        valid: Which rows have a text.
        hashes: 128 bits of each, shape (rows, 2).
        numbers: What `keep` goes by, None for ``first``.
    """

    ids: pa.Array
    valid: NDArray[np.bool_]
    hashes: NDArray[np.uint64]
    numbers: NDArray[np.float64] | None


@dataclass(frozen=True)
class Corpus:
    """All rows by their facts; those that others are compared with come first.

    Attributes:
        blocks: The rows, in the object store.
        begins: Number of each block's first row, and of all rows, shape (blocks + 1,).
        given: Blocks at the front whose rows stay.
        ids: Of all rows.
        valid: Which have a text.
        first: The equal text that stays, of each.
        place: When each is visited.
    """

    blocks: list[Ref]
    begins: Index
    given: int
    ids: pa.Array
    valid: NDArray[np.bool_]
    first: Index
    place: Index

    def named(self, at: Index) -> pa.Array:
        """The ids of rows, null for -1."""
        return named(self.ids, at)

    def own(self) -> list[tuple[Ref, slice]]:
        """The step's own blocks, and the numbers of their rows."""
        bounds = list(zip(self.begins[:-1].tolist(), self.begins[1:].tolist(), strict=True))
        return [
            (block, slice(*bound))
            for block, bound in list(zip(self.blocks, bounds, strict=True))[self.given :]
        ]


def exact_on_ray(step: ExactDedup, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
    """All rows; those that repeat another dropped."""
    given, own = blocks_of(step, dataset, tables)
    ask = ray.remote(_exact_facts).options(num_cpus=1)
    refs = [ask.remote(block, step, given=True) for block in given]
    refs += [ask.remote(block, step, given=False) for block in own]
    corpus = corpus_of(ray.get(refs), given, own)
    of = np.where(corpus.first == np.arange(len(corpus.first)), -1, corpus.first)
    tell = ray.remote(_told_exact).options(num_cpus=1)
    return as_dataset(
        [
            tell.remote(block, step, corpus.valid[rows], corpus.named(of[rows]))
            for block, rows in corpus.own()
        ]
    )


def blocks_of(
    step: CopyStep, dataset: Dataset, tables: Mapping[str, Dataset]
) -> tuple[list[Ref], list[Ref]]:
    """The blocks of the table that rows are compared with, and those of the step's own rows."""
    given = []
    for name, fields in step.second_tables().items():
        columns = [field.name for field in fields]
        given += tables[name].select_columns(columns).to_arrow_refs()
    return given, dataset.to_arrow_refs()


def as_dataset(refs: list[Ref]) -> Dataset:
    """Blocks as Ray Data has them."""
    from ray.data import from_arrow_refs

    return from_arrow_refs(refs)


def corpus_of(facts: Sequence[Facts], given: list[Ref], own: list[Ref]) -> Corpus:
    """All rows by their facts, equal texts told.

    Args:
        facts: Of each block.
        given: Blocks that the others are compared with, the first of them.
        own: The step's own blocks.
    """
    sizes = [len(one.ids) for one in facts]
    begins = np.cumsum([0, *sizes])
    kind = pa.large_string()
    ids = pa.concat_arrays([one.ids.cast(kind) for one in facts])
    split = int(begins[len(given)])
    # Visited are the given rows by their ids, then the others as `keep` says, of equals by ids.
    first = pc.array_sort_indices(ids.slice(0, split)).to_numpy().astype(np.int64)
    by_id = pc.array_sort_indices(ids.slice(split)).to_numpy().astype(np.int64)
    numbers = [one.numbers for one in facts[len(given) :] if one.numbers is not None]
    if numbers:
        by_id = by_id[falling(np.concatenate(numbers)[by_id])]
    order = np.concatenate([first, split + by_id])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    valid = np.concatenate([one.valid for one in facts])
    hashes = np.concatenate([one.hashes for one in facts])
    copies = first_copies(hashes, valid, order)
    return Corpus(given + own, begins, len(given), ids, valid, copies, place)


def _exact_facts(table: Table, step: ExactDedup, *, given: bool) -> Facts:
    texts = texts_of(table, step, given=given)
    return facts_of(table, texts, step, hashes_of(texts, step.parts), given=given)


def texts_of(table: Table, step: CopyStep, *, given: bool) -> pa.Array:
    """The texts of a block of either table."""
    return present_texts(table, step.theirs if given else step.column)


def facts_of(
    table: Table, texts: pa.Array, step: CopyStep, hashes: NDArray[np.uint64], *, given: bool
) -> Facts:
    """What the driver learns of a block.

    Args:
        table: Its rows.
        texts: Their texts.
        step: The step.
        hashes: 128 bits of each text, shape (rows, 2).
        given: Whether it is one that the others are compared with.
    """
    numbers = None
    if not given and step.keep != "first":
        numbers = lengths(texts) if step.keep == "longest" else ranks(table, step.keep)
    ids = table.column("id").combine_chunks()
    return Facts(ids, ~is_null(texts), hashes, numbers)


def _told_exact(table: Table, step: ExactDedup, valid: NDArray[np.bool_], of: pa.Array) -> Table:
    return step.told(table, ~valid, of)
