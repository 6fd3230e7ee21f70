"""What the ledger says of an order of documents."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.neighbors import Vectors
from synth.algorithms.order_figures import Figures, Spread
from synth.steps.order_documents import BY_ID, OrderDocuments


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of rows that were put in order.

    Attributes:
        kept: Rows that did not drop.
        windows: Their windows.
        ends: The vectors of the first and the last, shape (2, dim); zero where there is none.
        after: Figures of their order.
        before: Figures of the same rows by their ids.
        searched: How neighbours were searched.
        recall: Share of them that was found.
    """

    kept: int
    windows: int
    ends: Vectors
    after: Figures
    before: Figures
    searched: str
    recall: float


def facts(step: OrderDocuments, told: Sequence[Told], turned: Sequence[bool]) -> dict[str, str]:
    """What the ledger says of an order made in one or more shards.

    Args:
        step: The step.
        told: Of each shard.
        turned: Whether its order is turned round.
    """
    after = reduce(add, (one.after for one in told))
    # Shards are not cut by id: only where there is one, there is an order by id to compare with.
    compared = [after, told[0].before] if len(told) == 1 else [after]
    meeting = _meeting(told, turned)
    adjacent = [one.adjacent + Spread.of(meeting, np.ones(len(meeting))) for one in compared]
    found = {
        "search": f"{told[0].searched}, recall {min(one.recall for one in told):.3f}",
        "cosine to the document before": _spread(*adjacent),
        # Where shards meet nobody has looked for neighbours.
        "jumps": _share(*((one.jumps + len(meeting), one.documents - 1) for one in compared)),
    }
    if len(told) > 1:
        found["shards"] = f"{len(told):,}"
        found["neighbours and near copies"] = (
            "looked for in each shard; `semantic_dedup` before this step finds copies between them"
        )
    if after.windows:
        each = "" if step.plans_windows or len(told) == 1 else ", of each shard by itself"
        how = "" if step.overflow == "split" else f", overflow: {step.overflow}"
        found["windows"] = f"{after.windows:,} of {step.window_tokens:,} tokens at most{how}{each}"
        found["documents in a window"] = f"{after.parts / after.windows:.1f}"
        found["cosine within windows"] = _spread(*(one.within for one in compared))
        found["cosine to the nearest before it in a window"] = _spread(
            *(one.nearest for one in compared)
        )
    if step.words_count:
        found["likeness to the document before, words included"] = _spread(
            *(one.adjacent_by_rule for one in compared)
        )
        found["likeness within windows, words included"] = _spread(
            *(one.within_by_rule for one in compared)
        )
    if after.several and step.source is not None:
        found[f"windows of one {step.source}"] = _share(
            *((one.one_source, one.several) for one in compared)
        )
    return {name: shown for name, shown in found.items() if shown}


def _meeting(told: Sequence[Told], turned: Sequence[bool]) -> NDArray[np.float32]:
    """The cosine of the last document of each shard and the first of the next."""
    ends = [
        one.ends[::-1] if turn else one.ends
        for one, turn in zip(told, turned, strict=True)
        if one.kept
    ]
    found = [np.vdot(before[1], after[0]) for before, after in itertools.pairwise(ends)]
    return np.array(found, np.float32)


def _share(*counts: tuple[int, int]) -> str:
    """How many of how many, and before; nothing of nothing."""
    told = [f"{number:,} of {of:,} ({number / of:.1%})" for number, of in counts if of > 0]
    return BY_ID.join(told) if counts[0][1] > 0 else ""


def _spread(*spreads: Spread) -> str:
    """The mean and deciles, and before; nothing where there is no pair to compare."""
    told = []
    for one in spreads:
        if one.weights.any():
            deciles = " ".join(f"{one.quantile(tenth / 10):.2f}" for tenth in range(1, 10))
            told.append(f"{one.mean:.3f}, deciles {deciles}")
    return BY_ID.join(told) if spreads[0].weights.any() else ""
