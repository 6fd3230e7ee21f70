"""Drop rows that share a run of words or characters with an evaluation set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import CorpusStep, Fields, Name
from synth.steps.copies import Columns, joined, named, present_texts, text_fields
from synth.steps.ngrams import Ngram, of_words
from synth.steps.whole import by_id, with_facts

if TYPE_CHECKING:
    from ray.data import Dataset

    from synth.algorithms.overlap import Phrases

CONTAMINATED_BY = pa.field("contaminated_by", pa.string())
CONTAMINATION = pa.field("contamination", pa.float32())


class Decontaminate(CorpusStep):
    """Keep rows that share no run of 13 words with another set; others drop as ``contaminated``.

    Case, punctuation, white space and Unicode form make no difference. Rows that repeat an
    evaluation text with changes are found by `minhash_dedup` with ``against``.

    Attributes:
        column: The text, or several columns whose texts count as one.
        against: The step or source that has the evaluation set.
        against_column: The texts there, each by itself; `column` when left out.
        ngram: A run: so many words, or ``{unit: char, n: 20}`` for scripts without spaces between
            words, whose white space makes no difference either.
        min_words: A text of the evaluation set that is shorter than a run counts as a whole from
            so many words (or characters) on; what is shorter still is too common to say anything,
            and the ledger tells how many texts are.
        min_share: A row drops from this share of its own runs on; 0 is at the first one.

    Source:
        Runs of 13 words: Language Models are Few-Shot Learners (arXiv:2005.14165), appendix C.
    """

    kind: Literal["decontaminate"] = "decontaminate"
    column: Columns = ("text",)
    against: Name
    against_column: Columns | None = None
    ngram: Annotated[Ngram, BeforeValidator(of_words)] = Ngram(n=13)
    min_words: PositiveInt = 8
    min_share: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _finds_something(self) -> Self:
        if self.min_words > self.ngram.n:
            raise ValueError(f"min_words={self.min_words} is above ngram={self.ngram.n}")
        return self

    def needs(self) -> Fields:
        """The text."""
        return text_fields(self.column)

    def adds(self) -> Fields:
        """The row of the other set whose words are shared, null for none, and the share."""
        return (CONTAMINATED_BY, CONTAMINATION)

    def second_tables(self) -> Mapping[str, Fields]:
        """The texts of the evaluation set."""
        return {self.against: (rows.ID, *text_fields(self.against_column or self.column))}

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows, planned lazily on Ray Data; the evaluation set is read now."""
        import ray

        fields = [field.name for field in self.second_tables()[self.against]]
        blocks = ray.get(tables[self.against].select_columns(fields).to_arrow_refs())
        other = by_id(pa.concat_tables(blocks))
        known = ray.put(self._known(other))
        return dataset.map_batches(
            lambda batch: self._told(batch, *ray.get(known)), batch_format="pyarrow"
        )

    def whole(self, table: Table, other: Table) -> Table:
        """The same rows, those that share words with the other set dropped.

        Args:
            table: The rows.
            other: The evaluation set in the order of its ids.
        """
        return self._told(table, *self._known(other))

    def _known(self, other: Table) -> tuple[Phrases, pa.Array]:
        """The runs of words of the evaluation set, and the id that each text belongs to."""
        from synth.algorithms.overlap import phrases

        columns = self.against_column or self.column
        ids = other.column("id").combine_chunks()
        texts = joined(*(present_texts(other, (column,)) for column in columns))
        known = phrases(texts, self.ngram.n, self.min_words, self.ngram.unit)
        return known, joined(*[ids] * len(columns))

    def _told(self, table: Table, known: Phrases, ids: pa.Array) -> Table:
        from synth.algorithms.overlap import overlap

        found = overlap(present_texts(table, self.column).fill_null(""), known)
        by, share = named(ids, found.of), pa.array(found.share, pa.float32())
        dropped = (found.of >= 0) & (found.share >= self.min_share)
        table = rows.with_column(table, CONTAMINATED_BY, by)
        table = rows.with_column(table, CONTAMINATION, share)
        table = rows.mark_dropped(table, np.asarray(dropped), "contaminated")
        return with_facts(table, {"looked for": self._looked_for(known)})

    def _looked_for(self, known: Phrases) -> str:
        unit = "words" if self.ngram.unit == "word" else "characters"
        told = f"{known.texts:,} texts of {self.against}"
        if known.short:
            told += f"; not {known.short:,} with fewer than {self.min_words} {unit}"
        if known.short > known.texts and self.ngram.unit == "word":
            told += ", as all have in a script without spaces: `ngram: {unit: char, n: 20}`"
        return told
