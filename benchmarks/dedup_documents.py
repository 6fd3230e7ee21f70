"""Documents for the benchmark of deduplication: real text, repeated and perturbed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

_ROOT = Path(__file__).parents[1]
_SHIPPED = _ROOT / "recipes" / "data" / "passages.jsonl"
_SETS = ("openstax_topics", "powershell_docs", "peps", "wiki_passages")
_MEAN_CHARS = 1500
# Share of planted copies, the similarities that they are made for, and the words of a shingle.
_COPIES = 0.2
_LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
_NGRAM = 5


def documents(count: int, data: Path | None, seed: int = 17) -> list[str]:
    """So many documents of about 1,500 characters, a fifth of them near copies of others.

    The text is that of the recipes' passages and of sets in the folder `data`, each of which holds
    documents as ``*.jsonl`` (``text``). Where there is too little of it, further documents are made
    of sentences of several. A copy has some of its words replaced by others of the collection, at a
    rate that gives it one of nine similarities between 0.5 and 1.
    """
    draw = Random(seed)
    pieces = list(_pieces(data))
    real = [piece for piece in pieces if len(piece) >= _MEAN_CHARS]
    draw.shuffle(real)
    originals = real[: round(count * (1 - _COPIES))]
    sentences = [part for text in pieces for part in re.split(r"(?<=[.!?:])\s+", text)]
    while len(originals) < round(count * (1 - _COPIES)):
        originals.append(_composed(draw, sentences))
    words = [word for text in pieces[::10] for word in text.split()]
    copies = [
        edited(draw, draw.choice(originals), words, _LEVELS[at % len(_LEVELS)])
        for at in range(count - len(originals))
    ]
    made = [*originals, *copies]
    draw.shuffle(made)
    return made


def _pieces(data: Path | None) -> Iterator[str]:
    """Real text in pieces that end at white space."""
    more = [data / name for name in _SETS] if data else []
    for path in (_SHIPPED, *(one for folder in more for one in sorted(folder.glob("*.jsonl")))):
        for line in path.read_text().split("\n"):
            document, start = json.loads(line)["text"] if line else "", 0
            while start < len(document):
                end = start + _MEAN_CHARS
                space = re.compile(r"\s").search(document, end)
                end = space.start() if space else len(document)
                yield document[start:end]
                start = end


def _composed(draw: Random, sentences: Sequence[str]) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) < _MEAN_CHARS:
        parts.append(draw.choice(sentences))
    return " ".join(parts)


def edited(draw: Random, text: str, words: Sequence[str], similarity: float) -> str:
    """The text with as many words replaced as give it about this similarity to itself."""
    # A pair of similarity J shares 2 J / (1 + J) of the shingles of either; a shingle stays if all
    # of its words do.
    kept = (2 * similarity / (1 + similarity)) ** (1 / _NGRAM)
    parts = re.split(r"(\s+)", text)
    return "".join(
        part if part.isspace() or draw.random() < kept else draw.choice(words) for part in parts
    )
