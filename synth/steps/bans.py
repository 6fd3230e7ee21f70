"""What may not be found for a row, whatever finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synth.steps.matching import Mentions, matches, slices

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bans:
    """Groups of equal texts that may not be found, those of a row together.

    Attributes:
        groups: Shape (bans,).
        begins: Where each row's begin, and the end of the last, shape (rows + 1,).
    """

    groups: Ids
    begins: Ids

    def of(self, at: Ids) -> Bans:
        """Those of some of the rows."""
        sizes = np.diff(self.begins)[at]
        groups = slices(self.groups, self.begins[at], self.begins[at + 1])
        return Bans(groups, np.concatenate([[0], np.cumsum(sizes)]))


def groups_and_bans(
    mentions: Sequence[Mentions], count: int, ids: pa.Array, texts: pa.Array
) -> tuple[Ids, Bans]:
    """The texts of the corpus by equality, and which groups each row may not have.

    Args:
        mentions: What each row may not have, by id or by text.
        count: Rows.
        ids: Of the corpus.
        texts: Of the corpus, null where there is none.
    """
    found = matches(mentions, ids, texts)
    row = np.concatenate([one.row for one in mentions])
    named = found.by_id >= 0
    banned = np.concatenate([found.by_text, found.groups[found.by_id[named]]])
    owner = np.concatenate([row, row[named]])[banned >= 0]
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=count)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    return found.groups, Bans(banned[banned >= 0][order], bounds)
