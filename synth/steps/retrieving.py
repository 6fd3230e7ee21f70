"""Texts of a corpus for every row, searched as deep as it takes to find enough of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table
from synth.steps.bans import Bans, groups_and_bans
from synth.steps.copies import is_null, present_texts
from synth.steps.entry_lists import begins, in_order, listed
from synth.steps.matching import Mentions
from synth.steps.retrievers import Retriever
from synth.steps.searching import Corpus, Retrieved

# A row that needs more than was found is searched again, so many times deeper each time.
_DEEPER = 4
# Rows whose lists are made at once: what is needed on the way takes several times their room.
_ROWS = 4096
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
# Which of the texts found for some rows they may have: indices of rows, and of texts, shape
# (rows, any), -1 for none.
Choice = Callable[[Ids, Ids], Mask]


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Rows, and the corpus that is searched for them.

    Attributes:
        rows: How many search.
        texts: The corpus.
        present: Its texts, null where there is none.
        corpus: The same to search.
        groups: For each text the first that is equal to it, shape (corpus,).
        bans: What each row may not have.
    """

    rows: int
    texts: Table
    present: pa.Array
    corpus: Corpus
    groups: Ids
    bans: Bans

    @classmethod
    def of(
        cls,
        step: str,
        retrievers: Sequence[Retriever],
        table: Table,
        column: str,
        texts: Table,
        banned: Sequence[Mentions],
    ) -> Retrieval:
        """Makes everything ready.

        Args:
            step: What the step is called in messages.
            retrievers: How the corpus is searched.
            table: The rows.
            column: The text that they search by.
            texts: The corpus in the order of its ids.
            banned: What each row may not have.
        """
        present = present_texts(texts, ("text",))
        ids = texts.column("id").combine_chunks()
        groups, bans = groups_and_bans(banned, table.num_rows, ids, present)
        corpus = Corpus(step, retrievers, texts, present, table, column)
        return cls(table.num_rows, texts, present, corpus, groups, bans)

    def choice(self, at: Ids, ids: Ids, out: Mask | None = None) -> Mask:
        """Which texts are there, not banned, and no repetition of one found before.

        Args:
            at: Indices of rows.
            ids: Texts found for them, best first, -1 for none, shape (rows, any).
            out: Those that are out for another reason, and hide no repetition, likewise.
        """
        from synth.algorithms.mining import allowed

        own, no_text = self.bans.of(at), is_null(self.present)[ids]
        excluded = no_text if out is None else no_text | out
        return allowed(ids, self.groups, own.groups, own.begins, excluded)

    def lists(self, skip: int, count: int, spare: int, choice: Choice) -> pa.Array:
        """What each row gets, best first: a list of `rows.RETRIEVED`.

        Args:
            skip: How many of the first that it may have are left out.
            count: How many follow them.
            spare: How many more are searched at first, for those that it may not have.
            choice: Which it may have.
        """
        from synth.algorithms.mining import first_places

        wanted = skip + count
        width, short = wanted + spare, np.arange(self.rows)
        if not self.corpus.size:
            nothing = pa.nulls(0, rows.RETRIEVED.value_type)
            return listed(nothing, np.zeros(self.rows, np.int64), rows.RETRIEVED)
        pieces: list[pa.Array] = []
        order: list[Ids] = []
        while len(short):
            found = self.corpus.find(short, width)
            left: list[Ids] = []
            for at in range(0, len(short), _ROWS):
                own, part = short[at : at + _ROWS], found.of(slice(at, at + _ROWS))
                places = first_places(choice(own, part.ids), wanted)
                enough = (places[:, wanted - 1] >= 0) | (width >= self.corpus.size)
                done = places[enough, skip:][:, :count]
                pieces.append(self._entries(part.of(enough), done))
                order.append(own[enough])
                left.append(own[~enough])
            short, width = np.concatenate(left), width * _DEEPER
        served = np.concatenate([*order, np.zeros(0, np.int64)])
        return in_order(pieces, served, rows.RETRIEVED)

    def _entries(self, found: Retrieved, places: Ids) -> pa.Array:
        """Lists of entries for the columns that each row gets."""
        there = places >= 0
        at = np.nonzero(there)[0], places[there]
        ids = np.where(there, np.take_along_axis(found.ids, np.maximum(places, 0), axis=1), -1)
        taken, scores = pa.array(ids[there]), found.scores[at]
        entries = {
            "id": self.texts.column("id").combine_chunks().take(taken).cast(pa.string()),
            "text": self.present.take(taken).cast(pa.string()),
            "score": pa.array(scores, pa.float32(), mask=np.isnan(scores)),
            "rank": pa.array(at[1] + 1, pa.int32()),
            "found": _found_by(found, ids),
        }
        made = pa.StructArray.from_arrays(
            list(entries.values()), fields=list(rows.RETRIEVED.value_type)
        )
        return listed(made, there.sum(axis=1), rows.RETRIEVED)


def _found_by(retrieved: Retrieved, ids: np.ndarray) -> pa.Array:
    """Who found each of some texts, at what rank and with what score.

    Args:
        retrieved: What the queries found.
        ids: Texts of each query, -1 for none, shape (queries, any).

    Returns:
        A list of the retrievers that found it for each text that is not -1, row by row.
    """
    from synth.algorithms.mining import places_of

    there = ids >= 0
    row = np.nonzero(there)[0]
    ranks, scores, present = [], [], []
    for _, one in retrieved.by:
        place = places_of(one, ids)[there]
        held = place >= 0
        present.append(held)
        ranks.append(place + 1)
        score = np.full(len(place), np.nan, np.float32)
        score[held] = one.scores[row[held], place[held]]
        scores.append(score)
    names = pa.array([name for name, _ in retrieved.by])
    mask = np.stack(present, axis=1)
    which = np.nonzero(mask)[1]
    entries = pa.StructArray.from_arrays(
        [
            names.take(pa.array(which)),
            pa.array(np.stack(ranks, axis=1)[mask], pa.int32()),
            pa.array(np.stack(scores, axis=1)[mask], pa.float32()),
        ],
        fields=list(rows.FOUND.value_type),
    )
    return listed(entries, mask.sum(axis=1), rows.FOUND)


def short_of(lists: pa.Array, count: int) -> dict[str, str]:
    """A fact, if there is one: how many rows got fewer than they should."""
    short = int((np.diff(begins(lists)) < count).sum())
    told = {"rows for which fewer were found": f"{short:,} of {len(lists):,}"}
    return told if short else {}
