"""Keep negatives that differ from each other."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.core.step import EncodeStep, Fields
from synth.steps.entry_lists import EntryLists, one_behind_another
from synth.steps.made import NEGATIVES
from synth.steps.rejected import REJECTED_NEGATIVES, SHORT_BY, divided

# As `negative_lists` numbers what it selects.
_REASONS = ("", "not_selected", "above_generated_share", "near_another")


class DiverseNegatives(EncodeStep):
    """Keep no two negatives of a row whose vectors are as near as `max_cosine`.

    Negatives are taken by falling score (those without one last), each that is nearer than that to
    one taken before is rejected as ``near_another``, and those beyond `keep` as ``not_selected``;
    they go to `rejected_negatives`, those of earlier steps before them. Whatever is selected from
    the rest later, as by `margin_filter`, is as diverse.

    Attributes:
        model: The encoder that tells how near; mined and generated negatives alike are encoded.
        max_cosine: Two negatives are nearer to each other than this at most.
        keep: Most negatives of a row that stay; null is no limit.
    """

    asks: ClassVar[Literal["vectors", "scores"]] = "vectors"

    kind: Literal["diverse_negatives"] = "diverse_negatives"
    max_cosine: Annotated[float, Field(gt=-1, lt=1)] = 0.9
    keep: PositiveInt | None = None

    def needs(self) -> Fields:
        """The negatives."""
        return (NEGATIVES,)

    def adds(self) -> Fields:
        """The negatives kept, those rejected, and how many lack."""
        return (NEGATIVES, REJECTED_NEGATIVES, SHORT_BY)

    def ask(self, batch: Table) -> list[str]:
        """Every text of a negative in the batch, once."""
        return list(_texts(EntryLists.of(batch, "negatives")).to_pylist())

    def read(self, batch: Table, answers: NDArray[np.float32], label: str) -> Table:
        """The same rows with their negatives divided into kept and rejected.

        Args:
            batch: The rows that `ask` saw.
            answers: Unit vectors, shape (asked, dim).
            label: What messages call the encoder.

        Raises:
            EngineError: If a vector is not finite; its text is quoted.
        """
        from synth.algorithms.negative_lists import diverse

        negatives = EntryLists.of(batch, "negatives")
        texts = _texts(negatives)
        broken = np.flatnonzero(~np.isfinite(answers).all(axis=1))
        if len(broken):
            text = texts[int(broken[0])].as_py()
            raise EngineError(
                f"encoder {label} gave a vector with NaN or infinity in it for {text[:80]!r}"
            )
        negatives = negatives.best_first()
        at = pc.fill_null(pc.index_in(_told(negatives), texts, skip_nulls=True), -1)
        codes = diverse(
            negatives.begins,
            np.asarray(at.to_numpy(zero_copy_only=False), np.int64),
            np.ascontiguousarray(answers),
            self.max_cosine,
            np.iinfo(np.int64).max if self.keep is None else self.keep,
        )
        out = divided(batch, negatives, codes, _REASONS, None, self.keep)
        if REJECTED_NEGATIVES.name not in batch.column_names:
            return out
        both = [one.column(REJECTED_NEGATIVES.name).combine_chunks() for one in (batch, out)]
        lists = one_behind_another(both, REJECTED_NEGATIVES.type)
        return rows.with_column(out, REJECTED_NEGATIVES, lists)


def _told(negatives: EntryLists) -> pa.Array:
    """The text of each, null where there is none."""
    return pc.if_else(pa.array(~negatives.blank()), negatives.field("text"), None)


def _texts(negatives: EntryLists) -> pa.Array:
    """The different texts."""
    return pc.drop_null(pc.unique(_told(negatives)))
