"""The corpus that queries name: every passage once, in the order of the ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.core.errors import SynthError
from synth.core.rows import Table
from synth.export.entries import Sides, joined
from synth.export.shaped import column, counted, is_text
from synth.formats import BeirExport, NemotronExport

CORPUS = "corpus"
# Long strings: all passages of a corpus in one array may have more bytes than 32 bits count.
PASSAGES = pa.schema([("id", pa.large_string()), ("text", pa.large_string())])
IN_ORDER = [("id", "ascending"), ("text", "ascending")]


def named_passages(batch: Table) -> Table:
    """The passages that retrieval rows name, positives and negatives; equal ones once.

    Rows without a query or a positive, which no format takes, name none.
    """
    sides = Sides.of(batch)
    _, used = counted(sides.missing)
    found, _ = joined(sides.positives.of_rows(used), sides.negatives.of_rows(used))
    return merged([pa.table({"id": found.ids, "text": found.texts})])


def corpus_passages(batch: Table) -> Table:
    """The rows of a corpus as passages, those without a text left out."""
    found = batch.select(PASSAGES.names).cast(PASSAGES)
    return found.filter(pa.array(is_text(column(found, "text"))))


def merged(tables: Iterable[Table]) -> Table:
    """The passages of several tables, equal ones once."""
    found = pa.concat_tables([PASSAGES.empty_table(), *(one.cast(PASSAGES) for one in tables)])
    return found.group_by(PASSAGES.names).aggregate([]).cast(PASSAGES)


def unique_passages(tables: Iterable[Table]) -> Iterator[Table]:
    """The passages with each id once.

    Args:
        tables: Passages in the order of their ids; equal ones may repeat.

    Raises:
        SynthError: If an id has two texts; it is named.
    """
    last: tuple[str, str] | None = None
    for table in tables:
        if table.num_rows == 0:
            continue
        ids, texts = column(table, "id"), column(table, "text")
        same_id, same_text = _as_before(ids), _as_before(texts)
        if last is not None:
            same_id[0], same_text[0] = ids[0].as_py() == last[0], texts[0].as_py() == last[1]
        if (clash := np.flatnonzero(same_id & ~same_text)).size:
            name = ids[int(clash[0])].as_py()
            raise SynthError(
                f"passage {name!r} has two different texts, so that its id does not say which one "
                "a query means; give each text an id of its own, or export `from` a step before "
                "the one that changed it"
            )
        last = (ids[-1].as_py(), texts[-1].as_py())
        yield table.filter(pa.array(~same_id))


def corpus_rows(spec: NemotronExport | BeirExport, passages: Table) -> Table:
    """Passages with the columns that a format has for them: ``id, text`` or ``_id, title, text``.

    The title is empty: a text is all that a passage has.
    """
    ids, texts = (passages.column(name).cast(pa.string()) for name in PASSAGES.names)
    if isinstance(spec, NemotronExport):
        return pa.table({"id": ids, "text": texts})
    titles = pa.array([""], pa.string()).take(pa.array(np.zeros(len(ids), np.int64)))
    return pa.table({"_id": ids, "title": titles, "text": texts})


def _as_before(values: pa.Array) -> np.ndarray:
    """Where a value is that of the one before it, shape (values,); the first is not."""
    same = pc.equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return np.concatenate([[False], np.asarray(same, np.bool_)])
