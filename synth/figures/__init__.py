"""The figures of a run, each made from what its steps left on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from synth.core.errors import SynthError
from synth.figures.counts import drop_reasons, funnel, speed
from synth.figures.distributions import cluster_sizes, lengths, scores, style
from synth.figures.windows import windows
from synth.html.figure import Figure

if TYPE_CHECKING:
    from synth.view import Run

__all__ = ["FIGURES", "figures"]

FIGURES: Mapping[str, Callable[[Run], list[Figure]]] = {
    "funnel": funnel,
    "drop_reasons": drop_reasons,
    "lengths": lengths,
    "scores": scores,
    "clusters": cluster_sizes,
    "windows": windows,
    "speed": speed,
    "style": style,
}


def figures(run: Run, name: str) -> list[Figure]:
    """The figures of one name; none where the run has nothing of that kind.

    Args:
        run: The run.
        name: One of `FIGURES`.

    Raises:
        SynthError: If there is no such figure.
    """
    if name not in FIGURES:
        raise SynthError(f"there is no figure {name!r}; there are: {', '.join(FIGURES)}")
    return FIGURES[name](run)
