"""Real near copies: versions of manuals, text books and Python Enhancement Proposals.

The folder holds ``powershell_docs``, ``openstax_topics`` and ``peps``, each with documents as
``*.jsonl`` (``id``, ``text``). Labels are the Jaccard similarities of shingles of five words that
come with them: ``near_dup_pairs.tsv`` for pairs of documents, and ``of`` and ``jaccard5`` in an old
revision of one.

What a word is decides what is near: for the labels a run of letters, digits and underscores, for
synth and datasketch what stands between white space, for text-dedup what stands between two other
characters, which may be nothing. So each method is judged twice: by the labels, and by the same
similarity of its own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dedup_quality import quality, similarity_in
from dedup_runs import best_run, job
from dedup_truth import Pairs, near_pairs

SETS = ("powershell_docs", "openstax_topics", "peps")
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
METHODS = ("synth", "datasketch", "text-dedup", "text-dedup, its own bands")
# A character that is not of words and stands where text-dedup has an empty word.
_NO_WORD = "·"

Documents = dict[str, str]
Labels = dict[tuple[str, str], float]


def read(folder: Path) -> tuple[Documents, Labels]:
    """The text of each document by its id, and the similarity of each labelled pair.

    Raises:
        FileNotFoundError: If one of the sets is not there.
    """
    texts: Documents = {}
    labels: Labels = {}
    for name in SETS:
        paths = sorted((folder / name).glob("*.jsonl"))
        if not paths:
            raise FileNotFoundError(f"{name} holds no .jsonl; expected {', '.join(SETS)} in DATA")
        for path in paths:
            for row in map(json.loads, _lines(path)):
                texts[row["id"]] = row["text"]
                if "of" in row:
                    labels[row["of"], row["id"]] = row["jaccard5"]
        pairs = folder / name / "near_dup_pairs.tsv"
        for line in _lines(pairs)[1:] if pairs.is_file() else ():
            one, other, similarity = line.split("\t")[:3]
            labels[one, other] = float(similarity)
    return texts, labels


def words_of_labels(text: str) -> str:
    """The words that the labels count, with spaces between them."""
    return " ".join(re.findall(r"\w+", text))


def words_of_text_dedup(text: str) -> str:
    """The words that text-dedup counts, with spaces between them."""
    return " ".join(word or _NO_WORD for word in re.split(r"\W", text))


def at_least(pairs: Pairs, threshold: float) -> Pairs:
    """The pairs that reach a threshold."""
    return {pair: score for pair, score in pairs.items() if score >= threshold}


def measured(folder: Path) -> dict[str, Any]:
    """How right each method is at each threshold, by the labels and by its own words."""
    named, labels = read(folder)
    texts = list(named.values())
    print(f"{len(texts)} documents; exact pairs", flush=True)
    least = THRESHOLDS[0]
    labelled = near_pairs([words_of_labels(text) for text in texts], least)
    of_words = near_pairs(texts, least)
    of_text_dedup = near_pairs([words_of_text_dedup(text) for text in texts], least)
    rows = []
    for method in METHODS:
        own = of_text_dedup if method.startswith("text-dedup") else of_words
        for threshold in THRESHOLDS:
            print(method, threshold, flush=True)
            of = best_run(method, job(texts, threshold))["of"]
            by_labels, by_own = (
                quality(of, near, similarity_in(near), threshold)
                for near in (at_least(labelled, threshold), at_least(own, threshold))
            )
            rows.append({"method": method, "threshold": threshold, "labels": by_labels})
            rows[-1]["own"] = by_own
    return {
        "docs": len(texts),
        "pairs": [len(at_least(labelled, threshold)) for threshold in THRESHOLDS],
        "agreement": agreement(list(named), labels, labelled),
        "rows": rows,
    }


def agreement(ids: Sequence[str], labels: Labels, counted: Pairs) -> dict[str, float]:
    """How the labels compare with a recount of all pairs.

    Returns:
        The number of labels `given` from 0.5 on, the largest `difference` to the recount, and how
        many pairs from there on were only `found` by it.
    """
    place = {name: at for at, name in enumerate(ids)}
    given = {}
    for (one, other), score in labels.items():
        low, high = sorted((place[one], place[other]))
        given[low, high] = score
    high_enough = at_least(given, THRESHOLDS[0])
    differences = [abs(score - counted.get(pair, 0.0)) for pair, score in high_enough.items()]
    return {
        "given": len(high_enough),
        "difference": max(differences, default=0.0),
        "found": len(counted.keys() - given.keys()),
    }


def _lines(path: Path) -> list[str]:
    # Not splitlines: JSON may hold other line ends than \n.
    return [line for line in path.read_text().split("\n") if line]
