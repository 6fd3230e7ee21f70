"""Which texts of a corpus rows name, by id or by text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table
from synth.steps.copies import joined
from synth.steps.entry_lists import begins, listed

# A text that differs from another in signs alone is seldom longer by more bytes.
_MORE_SIGNS = 64
Ids = NDArray[np.int64]


class Mentions(NamedTuple):
    """Texts that rows name.

    Attributes:
        row: The row that names each, shape (mentions,).
        ids: Their ids, null where there is none.
        texts: Their texts, null where there is none.
    """

    row: Ids
    ids: pa.Array
    texts: pa.Array


class Matches(NamedTuple):
    """Where mentions are in a corpus.

    Attributes:
        groups: For each text of the corpus the first that is equal to it, shape (corpus,).
        by_id: The text of the corpus that has the id of each mention, -1 for none.
        by_text: The first that has its text, -1 for none.
    """

    groups: Ids
    by_id: Ids
    by_text: Ids

    @property
    def places(self) -> Ids:
        """The text of the corpus that each mention is, its id counting before its text."""
        return np.where(self.by_id >= 0, self.by_id, self.by_text)

    def copies(self, row: Ids, places: Ids, rows: int) -> tuple[Ids, Ids]:
        """Texts of the corpus that are equal to some of them, each once for a row.

        Args:
            row: The row that names each of the texts, shape (named,).
            places: Where each is in the corpus, shape (named,).
            rows: How many rows there are.

        Returns:
            Texts, those of a row together, and where each row's begin, and the end of the last.
        """
        order = np.argsort(self.groups, kind="stable")
        own = self.groups[places]
        first, behind = (
            np.searchsorted(self.groups[order], own, side) for side in ("left", "right")
        )
        pairs = np.stack([np.repeat(row, behind - first), slices(order, first, behind)])
        pairs = np.unique(pairs, axis=1)
        return pairs[1], np.searchsorted(pairs[0], np.arange(rows + 1))


def slices(values: Ids, first: Ids, behind: Ids) -> Ids:
    """``values[first:behind]`` of every pair, one behind the other."""
    sizes = behind - first
    ends = np.cumsum(sizes)
    at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - sizes), sizes)
    return np.asarray(values[at])


def column_mentions(
    table: Table, texts: Sequence[str] = (), ids: Sequence[str] = ()
) -> list[Mentions]:
    """What every row names in columns of texts and in columns of ids, where the table has them."""
    everyone = np.arange(table.num_rows)
    nothing = pa.nulls(table.num_rows, pa.string())
    there = table.column_names
    by_text = [table.column(name).combine_chunks() for name in texts if name in there]
    by_id = [table.column(name).combine_chunks() for name in ids if name in there]
    return [
        *(Mentions(everyone, nothing, one) for one in by_text),
        *(Mentions(everyone, one, nothing) for one in by_id),
    ]


def entry_mentions(table: Table, *names: str) -> list[Mentions]:
    """What rows name in lists of entries, such as `positives`, where the table has them."""
    everyone = np.arange(table.num_rows)
    found = []
    for name in names:
        if name in table.column_names:
            lists = table.column(name).combine_chunks()
            row = np.repeat(everyone, np.diff(begins(lists)))
            entries = pc.list_flatten(lists)
            found.append(
                Mentions(row, pc.struct_field(entries, "id"), pc.struct_field(entries, "text"))
            )
    return found


def bare_words(texts: pa.Array) -> pa.Array:
    """Letters and digits of texts in lower case, null where there are none.

    Texts for which they are equal differ in signs, case and spacing alone.
    """
    lower = pc.utf8_lower(texts.cast(pa.large_string()))
    bare = pc.utf8_trim_whitespace(
        pc.replace_substring_regex(lower, pattern=r"[^\p{L}\p{M}\p{N}]+", replacement=" ")
    )
    return pc.if_else(pc.equal(bare, ""), pa.scalar(None, bare.type), bare)


def as_short(texts: pa.Array, queries: pa.Array) -> pa.Array:
    """Which texts are short enough to be one of the queries with other signs; no null is."""
    longest = (pc.max(pc.binary_length(queries)).as_py() or 0) + _MORE_SIGNS
    return pc.fill_null(pc.less_equal(pc.binary_length(texts), longest), fill_value=False)


def matches(mentions: Sequence[Mentions], ids: pa.Array, texts: pa.Array) -> Matches:
    """Where the texts that rows name are in a corpus; those of all mentions in their order.

    Texts that differ in case, spacing or Unicode form are equal.

    Args:
        mentions: At least one.
        ids: Of the corpus.
        texts: Of the corpus, null where there is none.
    """
    from synth.algorithms.exact import exact_duplicates

    every, size = joined(texts, *(one.texts for one in mentions)), len(texts)
    groups = exact_duplicates(every, np.arange(len(every)))
    by_text = np.where(groups[size:] < size, groups[size:], -1)
    named = joined(*(one.ids for one in mentions))
    places = pc.fill_null(pc.index_in(named, ids.cast(pa.large_string())), -1)
    by_id = np.asarray(places.to_numpy(zero_copy_only=False), np.int64)
    return Matches(groups[:size], by_id, by_text)


def with_texts_of(table: Table, corpus: Table) -> tuple[Table, int]:
    """The rows, with the corpus's text for each positive that only names it, and how many do.

    A positive names a text by its id and has none itself, or has that id where its text should be.
    """
    lists = table.column("positives").combine_chunks()
    entries = pc.list_flatten(lists)
    ids, texts = (pc.struct_field(entries, name).cast(pa.large_string()) for name in ("id", "text"))
    known = corpus.column("id").combine_chunks().cast(pa.large_string())
    blank = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(texts, "")), "")
    by_id, by_text = pc.index_in(ids, known), pc.index_in(texts, known)
    place = pc.if_else(blank, by_id, pc.if_else(pc.is_null(by_id), by_text, None))
    named = len(place) - place.null_count
    if not named:
        return table, 0
    filled = {
        "id": pc.coalesce(known.take(place), ids),
        "text": pc.coalesce(corpus.column("text").combine_chunks().take(place), texts),
    }
    fields = list(rows.POSITIVES.value_type)
    made = pa.StructArray.from_arrays(
        [
            filled[one.name].cast(one.type)
            if one.name in filled
            else pc.struct_field(entries, one.name).cast(one.type)
            for one in fields
        ],
        fields=fields,
    )
    positives = listed(made, np.diff(begins(lists)), rows.POSITIVES)
    return rows.with_column(table, pa.field("positives", rows.POSITIVES), positives), named
