"""Formats of several tables, in which queries name the passages of a corpus by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field

from synth.core import rows
from synth.core.step import Fields, Name
from synth.formats.base import NEGATIVES, POSITIVES, QUERY, Export, Splits


class NemotronExport(Export):
    """A query set and a corpus: what NVIDIA's NeMo AutoModel and embed-nemotron datasets have.

    ``question_id, question, corpus_id, pos_doc, neg_doc`` in the configuration with the export's
    name, ``id, text`` in ``<name>_corpus``, and the metadata that its loader asks for.

    Source: https://github.com/NVIDIA-NeMo/Automodel, `docs/guides/llm/retrieval-dataset.mdx`.

    Attributes:
        corpus: A step or source all of whose rows belong to the corpus; the passages that the rows
            name belong to it anyway.
        corpus_id: What the queries call the corpus; the recipe's name when left out.
        query_instruction: The instruction of all queries, for `use_dataset_instruction`.
        passage_instruction: The instruction of all passages.
    """

    format: Literal["nemotron"] = "nemotron"
    corpus: Name | None = None
    corpus_id: Name | None = None
    query_instruction: str = ""
    passage_instruction: str = ""

    def second_tables(self) -> Mapping[str, Fields]:
        """The corpus."""
        return _corpus(self.corpus)

    def configs(self) -> tuple[str, ...]:
        """The queries, and the corpus."""
        return (self.name, f"{self.name}_corpus")

    def completed(self, recipe: str) -> Self:
        """The same export with the name of its corpus."""
        return self.model_validate({**self.model_dump(), "corpus_id": self.corpus_id or recipe})


class BeirExport(Export):
    """Corpus, queries and relevance judgements, as BEIR and MTEB evaluate retrieval.

    ``query-id, corpus-id, score`` in the configuration ``qrels``, ``_id, text`` in ``queries`` and
    ``_id, title, text`` in ``corpus``; an export called anything but ``default`` puts its name
    before, as MTEB does with the subsets of a task. With ``files: jsonl`` the folder is one that
    BEIR's `GenericDataLoader` opens. Only judgements are split.

    Attributes:
        splits: Relative size of each split of the judgements.
        corpus: A step or source all of whose rows belong to the corpus; the passages that the rows
            name, negatives among them, belong to it anyway.
        negatives: Whether negatives are written as judgements of score 0.
    """

    format: Literal["beir"] = "beir"
    splits: Splits = Field(default={"test": 1.0})
    corpus: Name | None = None
    negatives: bool = False

    def needs(self) -> Fields:
        """The query and its positives; negatives are read wherever there are any."""
        return (QUERY, POSITIVES, *((NEGATIVES,) if self.negatives else ()))

    def second_tables(self) -> Mapping[str, Fields]:
        """The corpus."""
        return _corpus(self.corpus)

    def configs(self) -> tuple[str, ...]:
        """The judgements, the queries and the corpus."""
        prefix = "" if self.name == "default" else f"{self.name}-"
        return tuple(f"{prefix}{table}" for table in ("qrels", "queries", "corpus"))


def _corpus(name: str | None) -> Mapping[str, Fields]:
    return {} if name is None else {name: (rows.TEXT,)}
