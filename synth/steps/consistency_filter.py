"""Drop rows whose query does not find its own positive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import PositiveInt

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields, Name
from synth.steps.copies import is_null, present_texts
from synth.steps.entry_lists import EntryLists
from synth.steps.made import POSITIVES
from synth.steps.matching import Matches, entry_mentions, matches
from synth.steps.positive_ranks import Sought, positive_ranks
from synth.steps.retrievers import Bm25, Dense, Retrievers, corpus_fields, query_fields
from synth.steps.searching import Corpus, told
from synth.steps.whole import OneTaskStep, with_facts

Ids = NDArray[np.int64]
CONSISTENCY_RANK = pa.field("consistency_rank", pa.int32())


class ConsistencyFilter(OneTaskStep):
    """Keep rows of which a positive is among the k texts of a corpus that the query finds first.

    A query that was written for a passage and does not find it may be about anything. Others drop
    as ``no_query``, ``no_positive``, ``positive_not_in_corpus`` (of no positive) and
    ``inconsistent``.

    A positive is the text of the corpus that has its id, else its text, where differences of case,
    spacing and Unicode form do not count; a copy of it in the corpus counts as the positive. Every
    other text of the corpus competes. Among texts that score the same as the positive it gets the
    middle of their ranks, rounded up, so that an encoder to which all texts are alike keeps nothing
    by chance.

    With one dense retriever that looks at all texts ranks are counted out, however deep; otherwise
    the search goes to 2 k, and the rank is that of the fused ranking.

    Attributes:
        corpus: The step or source that has the texts to search.
        k: A row stays if the rank is at most this.
        retrievers: How the corpus is searched, as in `mine_negatives`.
        missing: A positive that the corpus lacks, such as one that an LLM wrote, is ranked as if it
            were added (``add``): by words, and by vectors with the `score` that it has, which
            `score` gives it with the encoder that embedded; ``drop`` leaves it out. ``add`` is what
            the source does, whose corpus is made of the positives.

    Source:
        Ranking consistency of KaLM-Embedding (arXiv:2506.20923) and its k.
    """

    packages: ClassVar[tuple[str, ...]] = ("faiss-cpu", "bm25s")

    kind: Literal["consistency_filter"] = "consistency_filter"
    corpus: Name
    k: PositiveInt = 50
    retrievers: Retrievers = (Dense(),)
    missing: Literal["add", "drop"] = "add"

    def needs(self) -> Fields:
        """The query with what it is searched by, and the positives."""
        query, *vectors = query_fields(self.retrievers, "query")
        return (query, POSITIVES, *vectors)

    def adds(self) -> Fields:
        """The rank of the best positive, from 1; null if it is deeper than the search, or none."""
        return (CONSISTENCY_RANK,)

    def second_tables(self) -> Mapping[str, Fields]:
        """The corpus: id, text, and what is searched in."""
        return {self.corpus: (rows.ID, rows.TEXT, *corpus_fields(self.retrievers))}

    def whole(self, table: Table, corpus: Table) -> Table:
        """The same rows with the ranks of their positives, those that do not find them dropped.

        Args:
            table: The rows in any order.
            corpus: The corpus in the order of its ids.

        Raises:
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If queries and corpus have vectors of different sizes.
        """
        texts = present_texts(corpus, ("text",))
        positives = _Positives.of(table, corpus, texts)
        search = Corpus(self.kind, self.retrievers, corpus, texts, table, "query")
        added = positives.lacking if self.missing == "add" else positives.lacking[:0]
        sought = positives.sought(search, added)
        ranks = positive_ranks(search, sought, 2 * self.k)
        words = any(isinstance(one, Bm25) for one in self.retrievers)
        rated = np.any([np.isfinite(one) for one in sought.scores.values()], axis=0) | words
        found = np.concatenate([positives.row[positives.places >= 0], sought.row[rated]])
        reasons = {
            "no_query": is_null(present_texts(table, ("query",))),
            "no_positive": _without(positives.row, table.num_rows),
            "positive_not_in_corpus": _without(found, table.num_rows),
            "inconsistent": (ranks == 0) | (ranks > self.k),
        }
        out = rows.with_column(
            table, CONSISTENCY_RANK, pa.array(ranks, pa.int32(), mask=ranks == 0)
        )
        for reason, dropped in reasons.items():
            out = rows.mark_dropped(out, dropped, reason)
        return with_facts(out, told(search.how) | positives.fact)


def _without(row: Ids, count: int) -> NDArray[np.bool_]:
    """Which rows nothing belongs to, of so many."""
    return np.asarray(np.bincount(row, minlength=count) == 0)


@dataclass(frozen=True, slots=True)
class _Positives:
    """The positives of all rows: entries with a text, or whose id the corpus has.

    Attributes:
        rows: How many rows there are.
        row: The row of each, shape (positives,).
        texts: Their texts, null where there is none.
        scores: Their scores, NaN where there is none, shape (positives,).
        places: Where each is in the corpus, -1 for nowhere, shape (positives,).
        found: Where all entries are in the corpus.
    """

    rows: int
    row: Ids
    texts: pa.Array
    scores: NDArray[np.float32]
    places: Ids
    found: Matches

    @classmethod
    def of(cls, table: Table, corpus: Table, texts: pa.Array) -> _Positives:
        entries = EntryLists.of(table, "positives")
        mentions = entry_mentions(table, "positives")
        found = matches(mentions, corpus.column("id").combine_chunks(), texts)
        own = present_texts(pa.table({"text": entries.field("text")}), ("text",))
        at = np.flatnonzero(~is_null(own) | (found.places >= 0))
        return cls(
            table.num_rows,
            entries.row[at],
            own.take(pa.array(at)),
            entries.scores[at].astype(np.float32),
            found.places[at],
            found,
        )

    @property
    def lacking(self) -> Ids:
        """Those that the corpus lacks."""
        return np.flatnonzero(self.places < 0)

    @property
    def fact(self) -> dict[str, str]:
        """How many rows have such ones, if any."""
        some = len(np.unique(self.row[self.lacking]))
        told = {"rows with a positive that the corpus lacks": f"{some:,} of {self.rows:,}"}
        return told if some else {}

    def sought(self, search: Corpus, added: Ids) -> Sought:
        """What is looked for: those that the corpus has, and some that it lacks."""
        from synth.algorithms.ranks import Lists

        held = np.flatnonzero(self.places >= 0)
        own = Lists(*self.found.copies(self.row[held], self.places[held], self.rows))
        row = self.row[added]
        texts = self.texts.take(pa.array(added))
        return Sought(own, row, search.scores_of(row, texts, self.scores[added]))
