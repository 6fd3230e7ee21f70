"""Drop rows whose text another row has as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BeforeValidator

from synth.algorithms.exact import READERS_PARTS, Part, exact_duplicates
from synth.core import rows
from synth.core.rows import Table
from synth.core.step import Fields
from synth.steps.copies import DUPLICATE_OF, CopyStep, compared, is_null

if TYPE_CHECKING:
    from ray.data import Dataset


def _parts(value: object) -> object:
    listed = value if isinstance(value, list | tuple) else [value]
    known = get_args(Part)
    if isinstance(value, bool) or all(one in known for one in listed):
        return value if isinstance(value, bool) else tuple(listed)
    wrong = next(one for one in listed if one not in known)
    raise ValueError(f"got {wrong!r}; give true, false or a list of {', '.join(known)}")


class ExactDedup(CopyStep):
    """Keep one of all rows with the same text; the others name it and drop as ``exact_duplicate``.

    Attributes:
        normalize: What makes no difference: a list of ``unicode`` (forms of a character),
            ``case``, ``whitespace`` and ``punctuation`` (with symbols); true is the first three,
            false none.
    """

    kind: Literal["exact_dedup"] = "exact_dedup"
    normalize: Annotated[bool | tuple[Part, ...], BeforeValidator(_parts)] = True

    @property
    def parts(self) -> frozenset[Part]:
        """What makes no difference."""
        if isinstance(self.normalize, bool):
            return READERS_PARTS if self.normalize else frozenset()
        return frozenset(self.normalize)

    def adds(self) -> Fields:
        """The id of the row that a dropped row repeats, null in rows that stay."""
        return (DUPLICATE_OF,)

    def apply(self, dataset: Dataset, tables: Mapping[str, Dataset]) -> Dataset:
        """All rows; the texts stay where they are, and only their hashes come together."""
        from synth.steps.copies_on_ray import exact_on_ray

        return exact_on_ray(self, dataset, tables)

    def whole(self, table: Table, other: Table | None = None) -> Table:
        """The same rows; those that repeat another dropped, those without text as ``no_<column>``.

        Args:
            table: The rows in the order of their ids.
            other: The table that they are compared with.

        Raises:
            RecipeError: If the column of ``max:`` does not hold numbers.
        """
        all_texts = compared(self, table, other)
        first = exact_duplicates(all_texts.texts, all_texts.order, self.parts)
        of = np.where(first == np.arange(len(first)), -1, first)[all_texts.given :]
        return self.told(table, all_texts.nothing, all_texts.named(of))

    def told(self, table: Table, nothing: NDArray[np.bool_], of: pa.Array) -> Table:
        """The rows with what was found.

        Args:
            table: The rows.
            nothing: Which have no text.
            of: The id that each repeats, null where it stays.
        """
        table = rows.mark_dropped(table, nothing, self.no_text)
        table = rows.with_column(table, DUPLICATE_OF, of)
        return rows.mark_dropped(table, ~is_null(of), "exact_duplicate")
