"""Which negatives are something else: a positive, the query, its source, or one told before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core.rows import Table
from synth.steps import cells
from synth.steps.entry_lists import EntryLists, Mask, text_keys
from synth.steps.matching import as_short, bare_words

# Why a negative cannot be one; the first stands for those that can.
IDENTITY_REASONS = ("", "no_text", "is_positive", "is_query", "is_source", "repeated")
NO_TEXT, IS_POSITIVE, IS_QUERY = 1, 2, 3
# For each negative the place of its reason in a list of them, 0 for none, shape (negatives,).
Reasons = NDArray[np.int8]


def identity_reasons(batch: Table, positives: EntryLists, negatives: EntryLists) -> Reasons:
    """Why each negative cannot be one, whatever its score.

    A place in `IDENTITY_REASONS`. A negative that differs from the query in signs alone is the
    query. A negative is ``repeated`` if its text is that of one before it.

    Args:
        batch: The rows.
        positives: Their positives.
        negatives: Their negatives, of each row in the order in which repetitions are looked for.
    """
    from synth.algorithms.negative_lists import NO_REASON, Lists, identities

    ids = [text_keys(found.field("id")) for found in (negatives, positives)]
    sources = pa.array(cells.source_ids(batch), pa.string())
    codes = identities(
        Lists(negatives.begins, ids[0], negatives.text_hashes),
        Lists(positives.begins, ids[1], positives.text_hashes),
        text_keys(batch.column("query").combine_chunks()),
        text_keys(sources),
    )
    told = np.where(codes == NO_REASON, 0, codes + 1)
    told = np.where(_asks(batch, negatives) & (told != IS_POSITIVE), IS_QUERY, told)
    return np.where(negatives.blank(), NO_TEXT, told).astype(np.int8)


def _asks(batch: Table, negatives: EntryLists) -> Mask:
    """Which negatives say what their query says, but for signs."""
    queries = batch.column("query").combine_chunks().cast(pa.large_string())
    texts = negatives.field("text")
    short = np.flatnonzero(as_short(texts, queries))
    found = np.zeros(len(texts), np.bool_)
    if not len(short):
        return found
    asked = bare_words(queries).take(pa.array(negatives.row[short]))
    same = pc.fill_null(pc.equal(bare_words(texts.take(pa.array(short))), asked), fill_value=False)
    found[short] = same.to_numpy(zero_copy_only=False)
    return found
