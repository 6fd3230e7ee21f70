"""Values counted in classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from synth.html.figure import Histogram, Series

_CLASSES = 40


def histogram(
    name: str,
    title: str,
    of: str,
    values: Mapping[str, NDArray[np.float64]],
    looked_at: tuple[int, int] | None,
    *,
    by_ratio: bool = False,
) -> list[Histogram]:
    """One histogram of several kinds of values; none where there is no value.

    Args:
        name: What `Run.plot` calls it.
        title: Above the chart.
        of: What the values are.
        values: By kind. What is not finite is left out.
        looked_at: How many rows they are from, and how many there are; None where it is said
            elsewhere.
        by_ratio: Whether each class is so many times as wide as the one before it.
    """
    finite = {kind: one[np.isfinite(one)] for kind, one in values.items()}
    finite = {kind: one for kind, one in finite.items() if len(one)}
    if not finite:
        return []
    low = min(float(one.min()) for one in finite.values())
    high = max(float(one.max()) for one in finite.values())
    edges = _edges(low, high, by_ratio=by_ratio)
    series = tuple(
        Series(f"{kind} (median {_short(float(np.median(one)))})", _counts(one, edges))
        for kind, one in finite.items()
    )
    told = "" if looked_at is None else sampled(*looked_at)
    return [Histogram(name, title, of, tuple(edges.tolist()), series, told)]


def sampled(number: int, total: int) -> str:
    """How many rows a figure was made from, in a sentence."""
    if number >= total:
        return f"From all {total:,} rows."
    return f"From {number:,} of {total:,} rows, evenly spread."


def _edges(low: float, high: float, *, by_ratio: bool) -> NDArray[np.float64]:
    if by_ratio:
        low = max(low, 1.0)
        return np.asarray(np.geomspace(low, max(high, low * 1.01), _CLASSES + 1), np.float64)
    whole = float(low).is_integer() and float(high).is_integer() and high - low < _CLASSES
    if whole and high - low >= 1:
        return np.arange(low, high + 2, dtype=np.float64)
    return np.linspace(low, high if high > low else low + 1e-3, _CLASSES + 1)


def _counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> tuple[float, ...]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return tuple(counts.tolist())


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 or value.is_integer() else f"{value:.2f}"
