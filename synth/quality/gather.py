"""All parts of the quality report of a run."""

from __future__ import annotations

from dataclasses import dataclass

from synth.quality.against import overlap_with
from synth.quality.depths import depths
from synth.quality.finding import Finding
from synth.quality.telling import languages, told_from_source
from synth.quality.texts import kinds_of
from synth.quality.toxicity import toxicity
from synth.quality.variety import variety
from synth.view import Run


@dataclass(frozen=True, slots=True)
class Against:
    """An evaluation set that a run must not repeat.

    Attributes:
        path: Parquet, JSON Lines or text: file, folder or glob.
        column: The field that has the text.
    """

    path: str
    column: str = "text"


def quality(
    run: Run, *, encoder: str | None = None, against: Against | None = None
) -> list[Finding]:
    """What can be said of the quality of a run; what cannot comes with what to do.

    Args:
        run: The run.
        encoder: A model of its recipe, ``bundled/...``, a Hub id or a path, which encodes a sample
            of the texts; the run's own embeddings when left out.
        against: The evaluation set that its rows are compared with.

    Raises:
        EngineError: If the encoder cannot be loaded.
        SourceError: If the evaluation set cannot be read.
    """
    kinds = kinds_of(run)
    return [
        depths(run, kinds, encoder),
        told_from_source(kinds),
        variety(kinds),
        languages(kinds),
        toxicity(run),
        overlap_with(run, None if against is None else (against.path, against.column)),
    ]
