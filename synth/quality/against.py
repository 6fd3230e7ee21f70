"""What the rows of a run share with an evaluation set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.core.rows import Table
from synth.indexing import source_at
from synth.inputs.tables import read_tables
from synth.quality.finding import Finding
from synth.steps import Decontaminate
from synth.view import Run

# As `decontaminate` has it.
_RULE = Decontaminate(against="eval")
_BATCH = 8_192
_EXAMPLES = 10
_CHARS = 160


def overlap_with(run: Run, against: tuple[str, str] | None) -> Finding:
    """The rows of the last step that share 13 words in a row with an evaluation set.

    Args:
        run: The run.
        against: Where the evaluation set is, and the field that has its text.

    Raises:
        SourceError: If it cannot be read.
    """
    title = "Overlap with an evaluation set"
    if against is None:
        to_do = (
            "Give the evaluation set: `synth report RUN --against eval.jsonl`. A `decontaminate` "
            "step drops the rows that repeat it."
        )
        return Finding("overlap", title, to_do=to_do)
    from synth.algorithms.overlap import overlap, phrases

    texts = _texts(*against)
    known = phrases(texts, _RULE.ngram.n, _RULE.min_words)
    step, rows, hits = run[run.steps[-1]], 0, 0
    lines: list[tuple[str, ...]] = []
    for batch in step.batches(["id", "text", "query", "positives.text"], batch_rows=_BATCH):
        found = overlap(_joined(batch), known)
        at = np.flatnonzero(found.of >= 0)
        rows, hits = rows + batch.num_rows, hits + len(at)
        for one in at[: _EXAMPLES - len(lines)]:
            shared = str(texts[int(found.of[one])])[:_CHARS]
            lines.append((str(batch.column("id")[int(one)]), f"{found.share[one]:.1%}", shared))
    return Finding(
        "overlap",
        title,
        f"{hits:,} of {rows:,} rows share {_RULE.ngram.n} words in a row with one of "
        f"{len(texts):,} texts of {Path(against[0]).name}; query, text and positives were looked "
        "at.",
        ("row", "of its runs of words", "the text there"),
        tuple(lines),
    )


def _texts(path: str, column: str) -> pa.Array:
    tables = [
        table.filter(pc.is_null(table.column("drop_reason")))
        for table in read_tables(source_at(path, column, None), Path.cwd(), None)
    ]
    chunks = [chunk for table in tables for chunk in table.column("text").chunks]
    return pa.concat_arrays(chunks) if chunks else pa.array([], pa.string())


def _joined(batch: Table) -> pa.Array:
    """All that a row says, as one text; a line between two texts, so that no run spans them."""
    parts = [batch.column(name) for name in ("query", "text") if name in batch.column_names]
    if "positives" in batch.column_names:
        lists = batch.column("positives").combine_chunks()
        texts = pc.fill_null(pc.struct_field(pc.list_flatten(lists), "text"), "")
        sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        ends = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
        listed = pa.ListArray.from_arrays(ends, texts.cast(pa.string()))
        parts.append(pa.chunked_array([pc.binary_join(listed, _BREAK)]))
    if not parts:
        return pa.array([""] * batch.num_rows, pa.string())
    strings = [pc.fill_null(part.cast(pa.string()), "") for part in parts]
    return pc.binary_join_element_wise(*strings, _BREAK).combine_chunks()


# A word that no text has.
_BREAK = " \N{REPLACEMENT CHARACTER}synth\N{REPLACEMENT CHARACTER} "
