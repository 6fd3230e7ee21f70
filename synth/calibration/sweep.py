"""What each of many margins would keep of a step's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from synth.algorithms.margin import beyond_bound, reference_scores
from synth.algorithms.negative_lists import mixed
from synth.core.rows import Table
from synth.steps import MarginFilter
from synth.steps.entry_lists import EntryLists

_RELATIVE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
_AUTO = (0.01, 0.02, 0.05, 0.1, 0.2)
# Where scores have no bound: margins that leave out these shares of all candidates.
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
_OFF: dict[str, Any] = {"relative_margin": None, "absolute_margin": None}
# What belongs to `margin: auto` alone.
_OF_AUTO = ("max_false_negatives", "expected_false_negatives", "min_keep")

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Negatives of a step's rows that could be kept, best first.

    Attributes:
        entries: All of a row's together.
        fine: Which have a text, a score, and a row with a scored positive; a repeated text only
            once, shape (candidates,).
        gaps: How far each scores below its row's reference, shape (candidates,).
        bounded: Whether all scores lie in [-1, 1].
    """

    entries: EntryLists
    fine: Mask
    gaps: NDArray[np.float64]
    bounded: bool

    @classmethod
    def of(cls, table: Table, step: MarginFilter) -> Candidates:
        """The candidates of the rows that the step reads."""
        positives, entries = EntryLists.of(table, "positives"), EntryLists.of(table, "negatives")
        entries = entries.best_first()
        reference = reference_scores(
            positives.scores, positives.row, table.num_rows, step.reference
        )
        gaps = reference[entries.row] - entries.scores
        first = np.zeros(len(gaps), np.bool_)
        first[np.unique(_keys(entries), return_index=True)[1]] = True
        found = np.concatenate([positives.scores, entries.scores])
        bounded = not beyond_bound(found).any()
        return cls(entries, first & np.isfinite(gaps), gaps, bounded)


def margins(step: MarginFilter, candidates: Candidates) -> Mapping[str, MarginFilter]:
    """The step with one margin after the other, by what to call each."""
    fixed: dict[str, dict[str, Any]] = {"no margin": {}}
    if candidates.bounded:
        fixed |= {f"relative {one:.0%}": {"relative_margin": one} for one in _RELATIVE}
    else:
        gaps = candidates.gaps[candidates.fine]
        found = np.quantile(np.maximum(gaps, 0), _QUANTILES) if len(gaps) else np.zeros(0)
        fixed |= {
            f"absolute {one:.3g}": {"absolute_margin": round(float(one), 6)}
            for one in np.unique(found)
        }
    given = step.model_dump(by_alias=True)
    plain = {name: field.default for name, field in MarginFilter.model_fields.items()}
    # What belongs to the other kind of margin is as it was before anybody chose.
    of_fixed = given | _OFF | {name: plain[name] for name in _OF_AUTO} | {"margin": "fixed"}
    of_auto = given | {name: plain[name] for name in _OFF} | {"margin": "auto"}
    tried = {name: of_fixed | one for name, one in fixed.items()}
    tried |= {f"auto {one:.0%}": of_auto | {"max_false_negatives": one} for one in _AUTO}
    return {
        "as it is": step,
        **{name: MarginFilter.model_validate(one) for name, one in tried.items()},
    }


@dataclass(frozen=True, slots=True)
class Kept:
    """What a margin keeps.

    Attributes:
        mask: Which candidates, shape (candidates,).
        a_row: Negatives kept of a row, on average.
        short: Share of rows with fewer than `keep`.
        lost: Share of rows that drop.
    """

    mask: Mask
    a_row: float
    short: float
    lost: float


def kept_by(step: MarginFilter, table: Table, candidates: Candidates) -> Kept:
    """What the step keeps of the rows."""
    done = step.apply(table)
    lives = pc.is_null(done.column("drop_reason")).to_numpy(zero_copy_only=False)
    kept = EntryLists.of(done, "negatives")
    stays = lives[kept.row]
    mask = candidates.fine & np.isin(_keys(candidates.entries), _keys(kept)[stays])
    counts = np.bincount(kept.row[stays], minlength=table.num_rows)[lives]
    rows = max(1, len(counts))
    short = 0 if step.keep is None else int((counts < step.keep).sum())
    return Kept(mask, float(counts.sum() / rows), short / rows, 1 - float(np.mean(lives)))


def _keys(entries: EntryLists) -> NDArray[np.uint64]:
    """A number for each row and text."""
    return np.asarray(mixed(entries.row.astype(np.uint64), entries.text_hashes, 0))
