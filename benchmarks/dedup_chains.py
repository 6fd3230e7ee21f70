"""What verification changes: buckets merged as is usual, and texts that form chains."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pyarrow as pa
from dedup_documents import edited
from dedup_job import NGRAM, NUM_PERM, Found, Job
from dedup_quality import chaining, similarity_of
from dedup_runs import best_run, job

from synth.algorithms.minhash import signatures

_THRESHOLD = 0.8
_METHODS = ("synth", "synth, verify: none")
_CLASSIC = "buckets merged, nothing compared"
# Each version of a text is as like the one before it as this.
_STEP, _VERSIONS = 0.9, 20


def merged_buckets(task: Job) -> Found:
    """Documents that share a band are one cluster, of which the first stays: no comparison at all.

    Source:
        Lee et al., Deduplicating training data makes language models better (2021), without its
        check of edit similarity; what text-dedup and datatrove do.
    """
    parents = list(range(len(task.texts)))

    def root(at: int) -> int:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    values = signatures(pa.array(task.texts), NUM_PERM, NGRAM)
    for band in range(task.bands):
        first: dict[bytes, int] = {}
        for at, row in enumerate(values[:, band * task.rows : (band + 1) * task.rows]):
            low, high = sorted((root(at), root(first.setdefault(row.tobytes(), at))))
            parents[high] = low
    cluster = [root(at) for at in range(len(parents))]
    return [-1 if to == at else to for at, to in enumerate(cluster)], cluster


def chains(texts: Sequence[str], count: int, seed: int = 17) -> list[str]:
    """So many of the texts in 20 versions each, edited one after the other, all in random order."""
    draw = Random(seed)
    words = [word for text in texts[:1_000] for word in text.split()]
    made = []
    for text in texts[:count]:
        version = text
        for _ in range(_VERSIONS):
            made.append(version)
            version = edited(draw, version, words, _STEP)
    draw.shuffle(made)
    return made


def measured(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The effect on the documents of the comparison, and on 200 chains."""
    sets = {"the documents above": list(texts), "200 chains of 20 versions": chains(texts, 200)}
    rows = []
    for name, some in sets.items():
        task, similarity = job(some, _THRESHOLD), similarity_of(some)
        found: dict[str, Found] = {}
        for method in _METHODS:
            run = best_run(method, task)
            found[method] = run["of"], run["cluster"]
        found[_CLASSIC] = merged_buckets(task)
        rows += [
            {"documents": name, "docs": len(some), "method": method}
            | chaining(of, cluster, similarity, _THRESHOLD)
            for method, (of, cluster) in found.items()
        ]
    return rows
