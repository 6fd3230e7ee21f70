"""Losses of tokens compared between windows that hold the same documents in different orders."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.algorithms.packing import Windows
from synth.algorithms.spans import Spans, places

_DRAWS, _LOW, _HIGH = 2_000, 2.5, 97.5
# Parts of a window for which means are told.
_PLACES = 8

Floats = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Losses:
    """What is known of each token of all documents, one document behind the other.

    Attributes:
        loss: Not a number where the token is the first of its window, shape (tokens,).
        place: Its place in its window.
        window: The number of its window.
        cut: Documents that stand in several windows.
    """

    loss: Floats
    place: Index
    window: Index
    cut: int

    @classmethod
    def of(
        cls, losses: NDArray[np.float32], windows: Windows, spans: Spans, begins: Index
    ) -> Losses:
        """The losses of documents' tokens, from those of windows'.

        Args:
            losses: Of all windows, shape (tokens of windows,).
            windows: The windows.
            spans: Their parts; every token of every document is in one.
            begins: Where each document's tokens begin.
        """
        sizes = spans.tokens
        inside = np.repeat(windows.starts, sizes) + places(sizes)
        number = np.repeat(
            np.repeat(np.arange(len(windows.parts) - 1), np.diff(windows.parts)), sizes
        )
        token = np.repeat(begins[spans.documents] + spans.starts, sizes) + places(sizes)
        order = np.argsort(token)
        place, window = inside[order], number[order]
        loss = losses[windows.begins[window] + place].astype(np.float64)
        cut = int((np.bincount(spans.documents) > 1).sum())
        return cls(loss, place, window, cut)


def joined(losses: Sequence[Losses]) -> Losses:
    """The losses of several stretches of documents, one behind the other."""
    windows = [int(one.window.max()) + 1 for one in losses]
    before = np.cumsum(windows) - windows
    return Losses(
        np.concatenate([one.loss for one in losses]),
        np.concatenate([one.place for one in losses]),
        np.concatenate([one.window + at for one, at in zip(losses, before, strict=True)]),
        sum(one.cut for one in losses),
    )


def compared(
    found: Mapping[str, Losses], document: Index, window_tokens: int, bases: Sequence[str]
) -> dict[str, Any]:
    """Mean losses of several orders, and how much less they are than those of some.

    Args:
        found: The losses of each order.
        document: The document of each token, shape (tokens,).
        window_tokens: Tokens of a window.
        bases: The orders that each is compared with.
    """
    counts = np.all([np.isfinite(one.loss) for one in found.values()], axis=0)
    bounds = np.linspace(0, window_tokens, _PLACES + 1).round().astype(int)
    told = {}
    for name, one in found.items():
        loss = one.loss[counts]
        low, high = interval(loss, one.window[counts])
        less = {}
        for base in bases:
            drop = found[base].loss[counts] - loss
            less[base] = (round(float(drop.mean()), 5), *interval(drop, document[counts]))
        part = np.searchsorted(bounds, one.place[counts], side="right") - 1
        sums = np.bincount(part, loss, _PLACES) / np.maximum(
            1, np.bincount(part, minlength=_PLACES)
        )
        told[name] = {
            "windows": int(one.window.max()) + 1,
            "cut": one.cut,
            "loss": round(float(loss.mean()), 5),
            "low": low,
            "high": high,
            "less_than": less,
            "by_place": [round(float(value), 4) for value in sums],
        }
    shown = [(int(begin), int(end)) for begin, end in itertools.pairwise(bounds)]
    return {"tokens_compared": int(counts.sum()), "places": shown, "orders": told}


def interval(values: Floats, group: Index) -> tuple[float, float]:
    """The 95 % interval of the mean of values, by drawing whole groups of them.

    Args:
        values: Shape (n,).
        group: The group of each value, such as its document.
    """
    _, own = np.unique(group, return_inverse=True)
    own = own.reshape(-1)
    sums, sizes = np.bincount(own, values), np.bincount(own)
    draw = np.random.default_rng(0)
    means = np.empty(_DRAWS)
    for at in range(_DRAWS):
        drawn = draw.integers(0, len(sums), len(sums))
        means[at] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = np.percentile(means, [_LOW, _HIGH])
    return round(float(low), 5), round(float(high), 5)
