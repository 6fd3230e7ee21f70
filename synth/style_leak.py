"""Whether a run's generated negatives can be told from its other texts by their style."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.style import Leak, style_leak
from synth.core.errors import SynthError
from synth.export.shaped import is_text
from synth.steps.entry_lists import EntryLists

if TYPE_CHECKING:
    from synth.view import Run

# Texts of a kind from which a classifier can be learned and tested.
_FEWEST = 10
# Texts of a kind beyond which the figure changes no more.
_MOST = 5_000
# Rows that are looked at, evenly spread; a row has several negatives.
_MOST_ROWS = 20_000


class StyleLeak(NamedTuple):
    """How well generated negatives are told from other texts of the same rows.

    Attributes:
        step: The step whose rows were looked at.
        others: What they were told from.
        generated: Generated negatives looked at.
        compared: Other texts looked at.
        leak: How well.
    """

    step: str
    others: str
    generated: int
    compared: int
    leak: Leak


def style_leaks(run: Run, step: str | None = None) -> list[StyleLeak]:
    """Generated negatives against mined ones, and against positives; what there are enough of.

    Args:
        run: The run.
        step: The step whose rows are looked at; the last one that has negatives when left out.

    Raises:
        SynthError: If the run has no such step, or too few texts to tell.
    """
    having = [name for name in run.steps if "negatives" in run[name].schema.names]
    if step is None and not having:
        raise SynthError(f"run {run.name} has no step with negatives")
    name = step or having[-1]
    if name not in having:
        known = ", ".join(having) or "none"
        raise SynthError(f"run {run.name} has no negatives in a step {name!r}; it has: {known}")
    table = run[name].sample(("positives", "negatives"), _MOST_ROWS)
    negatives, positives = EntryLists.of(table, "negatives"), EntryLists.of(table, "positives")
    written = negatives.generated() & is_text(negatives.field("text"))
    others = {
        "mined negatives": (negatives, is_text(negatives.field("text")) & ~written),
        "positives": (positives, is_text(positives.field("text"))),
    }
    generated = _some(np.flatnonzero(written))
    found = []
    for what, (entries, mask) in others.items():
        compared = _some(np.flatnonzero(mask))
        if min(len(generated), len(compared)) >= _FEWEST:
            leak = _leak(negatives, generated, entries, compared)
            found.append(StyleLeak(name, what, len(generated), len(compared), leak))
    if not found:
        raise SynthError(
            f"step {name!r} has {len(generated)} generated negatives; to tell their style takes "
            f"{_FEWEST} of them and {_FEWEST} other texts at least"
        )
    return found


def _some(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Evenly spread ones of them where there are many."""
    if len(at) <= _MOST:
        return at
    return np.asarray(at[np.linspace(0, len(at) - 1, _MOST).astype(np.int64)], np.int64)


def _leak(
    one: EntryLists, one_at: NDArray[np.int64], other: EntryLists, other_at: NDArray[np.int64]
) -> Leak:
    texts = [*_texts(other, other_at), *_texts(one, one_at)]
    rows = [*other.row[other_at].tolist(), *one.row[one_at].tolist()]
    return style_leak(texts, [False] * len(other_at) + [True] * len(one_at), rows)


def _texts(entries: EntryLists, at: NDArray[np.int64]) -> list[str]:
    return list(entries.field("text").take(at).to_pylist())
