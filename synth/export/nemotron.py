"""What NVIDIA's NeMo AutoModel trains on: queries that name the passages of a corpus."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import pyarrow as pa

from synth.core.rows import Table
from synth.export.entries import Entries, Sides
from synth.export.shaped import Mask, Shaped, column, counted, shaped
from synth.formats import NemotronExport

CORPUS_METADATA = "merlin_metadata.json"
DATASET_METADATA = "dataset_metadata.json"


def nemotron_rows(spec: NemotronExport, batch: Table) -> Shaped:
    """``question_id, question, corpus_id, pos_doc, neg_doc``: one row for each row.

    A row is left out as ``no_query``, ``no_positive`` or ``no_negative``, each of which stops the
    trainer.
    """
    sides = Sides.of(batch)
    dropped, used = counted(sides.missing | sides.no_negative)
    row = np.flatnonzero(used)
    at = pa.array(row)
    corpus = pa.array([spec.corpus_id], pa.string()).take(pa.array(np.zeros(len(row), np.int64)))
    columns = {
        "question_id": column(batch, "id").cast(pa.string()).take(at),
        "question": column(batch, "query").cast(pa.string()).take(at),
        "corpus_id": corpus,
        "pos_doc": _named(sides.positives, used),
        "neg_doc": _named(sides.negatives, used),
    }
    return replace(shaped(pa.table(columns), batch, row), dropped=dropped)


def metadata(spec: NemotronExport) -> bytes:
    """What the loader asks of a corpus: its name, how it is read, and the instructions."""
    told = {
        "class": "TextQADataset",
        "corpus_id": spec.corpus_id,
        "ids_only": False,
        "query_instruction": spec.query_instruction,
        "passage_instruction": spec.passage_instruction,
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _named(entries: Entries, used: Mask) -> pa.Array:
    shown = entries.of_rows(used)
    return shown.lists(used, pa.StructArray.from_arrays([shown.ids], ["id"]))
