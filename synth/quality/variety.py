"""How much texts repeat each other."""

from __future__ import annotations

from synth.algorithms.diversity import repeats
from synth.quality.finding import Finding
from synth.quality.texts import Kind

_NGRAMS = (1, 2, 3)
# Words in a row that two texts do not share by chance.
_SHARED = 8
# Fewer runs of words than this, and a share of them says nothing.
_FEWEST = 50


def variety(kinds: list[Kind]) -> Finding:
    """Distinct-n of each kind of text over equally many runs, and texts that share eight words."""
    title = "Variety: do texts repeat themselves?"
    if not kinds:
        return Finding("variety", title, to_do="The run has no text yet.")
    sizes = {kind.name: repeats(kind.texts, _NGRAMS, {}, _SHARED).looked_at for kind in kinds}
    lines = []
    for kind in kinds:
        peers = [size for size in sizes.values() if min(size.values()) >= _FEWEST]
        most = {n: min(size[n] for size in peers) for n in _NGRAMS} if peers else {}
        found = repeats(kind.texts, _NGRAMS, most, _SHARED)
        distinct = (f"{found.distinct[n]:.3f}" for n in _NGRAMS)
        shared = f"{found.shared:.1%}"
        lines.append((kind.name, f"{len(kind.texts):,}", *distinct, shared))
    return Finding(
        "variety",
        title,
        "Distinct-n is the share of runs of n words that had not come before, over equally many "
        "runs of each kind, so that they can be compared. Texts that share 8 words in a row with "
        "another of the sample are copies in part.",
        ("texts", "number", *(f"distinct-{n}" for n in _NGRAMS), "share 8 words"),
        tuple(lines),
    )
