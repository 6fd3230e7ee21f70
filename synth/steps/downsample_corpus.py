"""Make a corpus small and keep it hard: what queries need, and what searches find for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import PositiveInt

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields, Name
from synth.steps.copies import present_texts
from synth.steps.made import POSITIVES
from synth.steps.matching import entry_mentions, matches
from synth.steps.retrievers import Dense, Retrievers, corpus_fields, query_fields
from synth.steps.searching import Corpus, told
from synth.steps.whole import OneTaskStep, with_facts


class DownsampleCorpus(OneTaskStep):
    """Keep the rows of a corpus that are in the pool of a query; others drop as ``not_pooled``.

    A pool holds all positives of its query, and then from each retriever's ranking in turn the
    first text that it does not hold yet, until there are `docs_per_query`. A retriever is told from
    another by such a corpus as by the whole one, and in a fraction of the time.

    A positive is the text that has its id, else the first with its text. A query of which the
    corpus lacks a positive still has a pool; the run's ledger counts such queries, whose results
    mean little. Take a thousand queries at most (`take`): pools add up.

    Attributes:
        queries: The step or source that has the queries, with their positives.
        docs_per_query: Texts in a pool; more only where a query has more positives. Queries with
            hundreds of positives want larger pools.
        retrievers: How the corpus is searched, as in `mine_negatives`; the more they differ, the
            fewer favours the pool does to one of them.

    Source:
        MMTEB (arXiv:2502.13595), its 250 documents and its three retrievers, of which one is BM25.
    """

    packages: ClassVar[tuple[str, ...]] = ("faiss-cpu", "bm25s")

    kind: Literal["downsample_corpus"] = "downsample_corpus"
    queries: Name
    docs_per_query: PositiveInt = 250
    retrievers: Retrievers = (Dense(),)

    def needs(self) -> Fields:
        """The text, and what is searched in."""
        return (rows.TEXT, *corpus_fields(self.retrievers))

    def second_tables(self) -> Mapping[str, Fields]:
        """The queries: id, text, what they are searched by, and their positives."""
        return {self.queries: (rows.ID, *query_fields(self.retrievers, "query"), POSITIVES)}

    def whole(self, table: Table, queries: Table) -> Table:
        """The same rows, those in no pool dropped.

        Args:
            table: The corpus in the order of its ids.
            queries: The queries in any order.

        Raises:
            EngineError: If a vector is null, zero or not finite.
            RecipeError: If queries and corpus have vectors of different sizes.
        """
        from synth.algorithms.pooling import pooled
        from synth.algorithms.ranks import Lists

        texts, count = present_texts(table, ("text",)), queries.num_rows
        mentions = entry_mentions(queries, "positives")
        places = matches(mentions, table.column("id").combine_chunks(), texts).places
        row, there = mentions[0].row, places >= 0
        bounds = np.searchsorted(row[there], np.arange(count + 1))
        search = Corpus(self.kind, self.retrievers, table, texts, queries, "query")
        found = search.find(np.arange(count), self.docs_per_query)
        rankings = [one.ids for _, one in found.by]
        positives = Lists(places[there], bounds)
        kept = pooled(rankings, positives, self.docs_per_query, table.num_rows)
        facts = told(search.how)
        stays, size = int(kept.sum()), len(kept)
        facts["kept of the corpus"] = f"{stays:,} of {size:,} ({stays / max(1, size):.1%})"
        if lacking := len(np.unique(row[~there])):
            facts["queries with a positive that the corpus lacks"] = f"{lacking:,} of {count:,}"
        return with_facts(rows.mark_dropped(table, ~kept, "not_pooled"), facts)
