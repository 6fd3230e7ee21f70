"""Put documents in an order in which what stands together is about the same thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import pyarrow as pa
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from synth.algorithms.approximate import Search
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Column, Fields
from synth.steps.copies import DUPLICATE_OF, Keep, is_number, ranked_by
from synth.steps.generate import ANY
from synth.steps.semantic_dedup import DUPLICATE_COSINE
from synth.steps.tasks import Here
from synth.steps.whole import OneTaskStep, in_one_task

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.algorithms.ordering import Rule

POSITION = pa.field("position", pa.int64())
# Before figures of the same documents in the order of their ids, in the ledger.
BY_ID = "; by id "
# The windows that a document stands in: of so many tokens those from `start` to `end`, at the place
# `place`.
WINDOWS = pa.field(
    "windows",
    pa.list_(
        pa.struct(
            [
                ("number", pa.int64()),
                ("place", pa.int32()),
                ("start", pa.int32()),
                ("end", pa.int32()),
                ("of", pa.int32()),
            ]
        )
    ),
)


def is_count(kind: pa.DataType) -> bool:
    """Whether a column of this type may say how many tokens documents have."""
    return is_number(kind) or bool(pa.types.is_decimal(kind))


# What only some objectives look at.
_ONLY_FOR = {
    "method": ("path",),
    "passes": ("window",),
    "word_weight": ("path", "window"),
    "clusters": ("cluster",),
    "shard_documents": ("path", "window"),
}
# What words count for windows unless a recipe says otherwise: with it a language model loses less
# in them than in the paper's (`benchmarks/results/ordering-loss.md`).
_WORD_WEIGHT = 0.4


class OrderDocuments(OneTaskStep):
    """Order documents so that training contexts are coherent; near copies drop first.

    ``window`` makes all documents of a training window as similar as can be to each other, for
    windows that `pack` then fills as they were planned, ``path`` each document to the one before.
    ``random``, ``cluster`` (k-means clusters one after the other) and ``knn`` (a window is a
    document with its nearest neighbours, whatever stands in other windows) are there to compare.

    The rows come out in the order of `position`; those that dropped come last. A document that
    repeats another one drops as ``semantic_copy``, one without tokens as ``no_text``, and by
    a column of `tokens` that is 0 or null as ``no_tokens``.

    The ledger tells, for this order and (of one shard) for that by id: the cosine of the embeddings
    of each document and the one before it; jumps, which are documents that are neither among the
    `neighbors` of the one before them nor it among theirs, or stand where two shards meet; of
    windows of `window_tokens` the mean cosine of two documents and that of each document to the
    nearest before it, both weighted by tokens; and how many windows of two documents or more are of
    one `source`. Where words count, they do for `neighbors`, and the likeness with them, which the
    order is made by, is told beside cosines.

    Attributes:
        objective: What the order is made for.
        method: How ``path`` goes: ``greedy_edge`` takes the most similar pairs first and joins what
            they make, ``paper`` is Algorithm 1 of In-Context Pretraining.
        vector: The document's embedding.
        neighbors: Nearest neighbours of each document, by cosine, among which it finds its place.
        search: ``exact``; ``approximate``, which finds at least `recall` of the neighbours;
            ``auto`` is exact up to 200,000 documents.
        recall: Share of the neighbours to find, measured on 200 documents.
        dedup_cosine: A document whose cosine to one that stays, in its shard, reaches this drops;
            null is off.
        keep: Which of near copies stays, as in `minhash_dedup`.
        column: The text whose length decides for ``keep: longest``, whose tokens are counted, and
            whose words are compared.
        window_tokens: Tokens of a training window: for ``window`` and ``knn``, and for the figures
            on windows in the ledger of the others.
        tokenizer: Counts the tokens of `column`: ``bundled/...``, a Hub id or a path.
        tokens: A column with the number of tokens, instead.
        overflow: What becomes of a document longer than a window: as in `pack`. Windows of ``knn``
            repeat documents: each part begins with a document's first token and ends with its
            window.
        passes: How often ``window`` tries to exchange each document, at most.
        word_weight: How much the words that two documents share count for ``path`` and ``window``:
            0 is the cosine of `vector` alone, 0.4 the sum of 0.6 times that and 0.4 times the
            cosine of the words of `column`, where rare ones count more (TF-IDF). By default 0.4 for
            ``window`` and 0 for ``path``.
        clusters: Clusters of ``cluster``; by default one for 64 documents.
        seed: Draws what ``random``, ``cluster`` and ``knn`` leave to chance, and shards.
        source: A column that says where a document is from, for the share of windows of one source
            in the ledger.
        shard_documents: More documents are cut into shards of about so many similar ones, each
            ordered by itself (by its own task of Ray, where the step runs there).

    Source:
        In-Context Pretraining (arXiv:2310.10638).
    """

    packages: ClassVar[tuple[str, ...]] = ("faiss-cpu", "transformers", "tokenizers")

    kind: Literal["order_documents"] = "order_documents"
    objective: Literal["path", "window", "cluster", "random", "knn"] = "window"
    method: Literal["greedy_edge", "paper"] = "greedy_edge"
    vector: Column = "embedding_text"
    neighbors: PositiveInt = 20
    search: Search = "auto"
    recall: Annotated[float, Field(gt=0, le=1)] = 0.95
    dedup_cosine: Annotated[float, Field(gt=0, le=1)] | None = 0.95
    keep: Keep = "first"
    column: Column = "text"
    window_tokens: Annotated[int, Field(ge=2)] | None = None
    tokenizer: str | None = None
    tokens: Column | None = None
    overflow: Literal["split", "truncate", "own_window", "drop"] = "split"
    passes: NonNegativeInt = 8
    word_weight: Annotated[float, Field(ge=0, lt=1)] | None = None
    clusters: PositiveInt | None = None
    seed: NonNegativeInt = 0
    source: Column | None = None
    shard_documents: Annotated[int, Field(ge=2)] = 200_000

    @model_validator(mode="after")
    def _says_what_it_needs(self) -> Self:
        if self.plans_windows and self.window_tokens is None:
            raise ValueError(
                f"`objective: {self.objective}` takes `window_tokens`; an order that is made for "
                "no window is `objective: path`"
            )
        counted = (self.tokenizer is not None) + (self.tokens is not None)
        if self.window_tokens is not None and counted != 1:
            given = "both" if counted else "neither"
            raise ValueError(f"`window_tokens` takes either `tokenizer` or `tokens`, not {given}")
        if self.window_tokens is None and counted:
            raise ValueError("`tokenizer` and `tokens` count for `window_tokens`, which is missing")
        if self.window_tokens is None and self.overflow != "split":
            raise ValueError(
                "`overflow` is about windows: give `window_tokens`, or set it in `pack`"
            )
        if self.objective == "knn" and self.overflow == "own_window":
            raise ValueError(
                "`objective: knn` fills windows with neighbours: none is a document's own"
            )
        for name, objectives in _ONLY_FOR.items():
            default = type(self).model_fields[name].default
            if self.objective not in objectives and getattr(self, name) != default:
                raise ValueError(
                    f"`{name}` is for `objective: {' or '.join(objectives)}` only; here it is "
                    f"{self.objective}"
                )
        if self.method == "paper" and self.word_weight:
            raise ValueError("`method: paper` takes no `word_weight`: its graph is of embeddings")
        return self

    @property
    def plans_windows(self) -> bool:
        """Whether the order says which window each document stands in."""
        return self.objective in ("window", "knn")

    @property
    def rule(self) -> Rule:
        """The same for the algorithm."""
        from synth.algorithms.ordering import Rule

        given = {name: getattr(self, name) for name in Rule.__slots__}
        return Rule(**given | {"word_weight": self.words_count})

    @property
    def words_count(self) -> float:
        """`word_weight`, or what stands for it."""
        if self.word_weight is not None:
            return self.word_weight
        return _WORD_WEIGHT if self.objective == "window" else 0.0

    @property
    def reads_text(self) -> bool:
        """Whether it looks at `column`."""
        return self.keep == "longest" or self.tokenizer is not None or self.words_count > 0

    def needs(self) -> Fields:
        """The embedding, the text, and what decides which copy stays and says how many tokens."""
        text = (pa.field(self.column, pa.string()),) if self.reads_text else ()
        more = (pa.field(name, ANY) for name in (self.tokens, self.source) if name is not None)
        return (pa.field(self.vector, rows.VECTOR), *text, *ranked_by(self.keep), *more)

    def adds(self) -> Fields:
        """What a dropped row repeats, the windows of each document, and its place in the order."""
        copies = () if self.dedup_cosine is None else (DUPLICATE_OF, DUPLICATE_COSINE)
        return (*copies, *((WINDOWS,) if self.plans_windows else ()), POSITION)

    def in_shards(self, count: int) -> bool:
        """Whether so many documents are too many to be ordered together."""
        return count > self.shard_documents and self.objective in ("path", "window")

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows; many of them shard by shard."""
        if not self.in_shards(dataset.count()):
            return in_one_task(self, dataset, tables)
        from synth.steps.copies_on_ray import as_dataset
        from synth.steps.order_shards import ordered_in_shards
        from synth.steps.ray_tasks import RayTasks

        blocks = dataset.to_arrow_refs()
        return as_dataset(ordered_in_shards(self, blocks, dataset.count(), RayTasks()))

    def whole(self, table: Table) -> Table:
        """The same rows in their new order.

        Args:
            table: The rows in the order of their ids.

        Raises:
            EngineError: If a vector is null, zero or not finite (the row's id is named), or the
                tokenizer cannot be loaded.
            SourceError: If two rows have one id.
            RecipeError: If the column of ``max:`` or of `tokens` does not hold numbers.
        """
        from synth.steps.order_shards import ordered_in_shards

        return pa.concat_tables(ordered_in_shards(self, [table], table.num_rows, Here()))
