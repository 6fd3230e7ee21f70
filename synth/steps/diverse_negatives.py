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
from synth.steps.margin_filter import REJECTED_NEGATIVES, SHORT_BY


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
        texts, _ = _texts(EntryLists.of(batch, "negatives"))
        return list(texts.to_pylist())

    def read(self, batch: Table, answers: NDArray[np.float32], label: str) -> Table:
        """The same rows with their negatives divided into kept and rejected.

        Args:
            batch: The rows that `ask` saw.
            answers: Unit vectors, shape (asked, dim).
            label: What messages call the encoder.

        Raises:
            EngineError: If a vector is not finite; its text is quoted.
        """
        from synth.algorithms.negative_lists import NEAR_ANOTHER, SELECTED, diverse

        broken = np.flatnonzero(~np.isfinite(answers).all(axis=1))
        negatives = EntryLists.of(batch, "negatives")
        if len(broken):
            text = _texts(negatives)[0][int(broken[0])].as_py()
            raise EngineError(
                f"encoder {label} gave a vector with NaN or infinity in it for {text[:80]!r}"
            )
        negatives = negatives.best_first()
        _, at = _texts(negatives, self.ask(batch))
        most = np.iinfo(np.int64).max if self.keep is None else self.keep
        codes = diverse(negatives.begins, at, np.ascontiguousarray(answers), self.max_cosine, most)
        kept, rejected = np.flatnonzero(codes == SELECTED), np.flatnonzero(codes != SELECTED)
        out = rows.with_column(batch, NEGATIVES, negatives.lists(kept))
        named = pa.array(["near_another", "not_selected"])
        more = {
            "reason": named.take(pa.array((codes[rejected] != NEAR_ANOTHER).astype(np.int8))),
            "ceiling": pa.nulls(len(rejected), pa.float32()),
        }
        lists = negatives.lists(rejected, REJECTED_NEGATIVES, more)
        if REJECTED_NEGATIVES.name in batch.column_names:
            before = batch.column(REJECTED_NEGATIVES.name).combine_chunks()
            lists = one_behind_another([before, lists], REJECTED_NEGATIVES.type)
        out = rows.with_column(out, REJECTED_NEGATIVES, lists)
        counts = np.bincount(negatives.row[kept], minlength=batch.num_rows)
        short = np.zeros(batch.num_rows) if self.keep is None else self.keep - counts
        return rows.with_column(out, SHORT_BY, pa.array(short.astype(np.int32)))


def _texts(
    negatives: EntryLists, among: list[str] | None = None
) -> tuple[pa.Array, NDArray[np.int64]]:
    """The different texts of some negatives, and which each has; -1 for one without a text.

    Args:
        negatives: The negatives.
        among: The texts, where they are known.
    """
    texts = pc.if_else(pa.array(~negatives.blank()), negatives.field("text"), None)
    known = pc.drop_null(pc.unique(texts)) if among is None else pa.array(among, pa.string())
    at = pc.fill_null(pc.index_in(texts, known, skip_nulls=True), -1)
    return known, np.asarray(at.to_numpy(zero_copy_only=False), np.int64)
