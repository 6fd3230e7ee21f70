"""Near duplicates with one library: ``python dedup_methods.py METHOD JOB RESULT``.

Reads a `Job` and writes one JSON object: seconds of CPU and of wall time, memory that was added,
and for each document the one that it duplicates and its cluster. synth, datasketch and rensa apply
the rule of `synth.algorithms.minhash.near_duplicates`, with the same shingles of the same texts,
bands and threshold, and verify with the Jaccard similarity of the shingle sets; text-dedup and
datatrove (`dedup_rivals`) do what they do. Runs under the interpreter of each library, so it needs
nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

from dedup_job import NGRAM, NUM_PERM, Clock, Found, Job, Method
from dedup_rivals import datatrove, text_dedup, text_dedup_with_its_bands

sys.path.insert(0, str(Path(__file__).parents[1]))

from synth.algorithms.text import jaccard, normalized, shingles

Sets = Iterable[frozenset[str]]


def synth(job: Job, clock: Clock, verify: Literal["none", "jaccard"] = "jaccard") -> Found:
    """Ours; with several threads, the signatures of parts of the texts are made side by side."""
    import numpy as np
    import pyarrow as pa

    from synth.algorithms.minhash import near_duplicates, signatures
    from synth.algorithms.near_duplicates import Settings, found_duplicates

    order = np.arange(len(job.texts))
    settings = Settings(job.threshold, (job.bands, job.rows), NUM_PERM, NGRAM, "word", verify)
    # Loads the compiled code: a fixed second, not work for a document.
    near_duplicates(pa.array(["a b", "a b c", "é"]), range(3), job.threshold, ngram=1)
    texts = pa.array(job.texts)
    with clock:
        made = None
        if job.threads > 1:
            size = -(-len(texts) // job.threads)
            parts = [texts[at : at + size] for at in range(0, len(texts), size)]
            sign = partial(signatures, num_perm=NUM_PERM, ngram=NGRAM)
            with ThreadPoolExecutor(job.threads) as pool:
                made = np.concatenate(list(pool.map(sign, parts)))
        found = found_duplicates(texts, order, settings, made=made)
    return found.of.tolist(), found.cluster.tolist()


def datasketch(job: Job, clock: Clock) -> Found:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    def signatures(sets: Sets) -> Iterator[Any]:
        encoded = ([shingle.encode() for shingle in one] for one in sets)
        yield from MinHash.generator(encoded, num_perm=NUM_PERM, hashfunc=xxhash.xxh32_intdigest)

    index = MinHashLSH(num_perm=NUM_PERM, params=(job.bands, job.rows))
    with clock:
        return by_python(job, signatures, index)


def rensa(job: Job, clock: Clock) -> Found:
    from rensa import RMinHash, RMinHashLSH

    # It wants as many values as its bands use.
    num_perm = job.bands * job.rows

    def signatures(sets: Sets) -> Iterator[Any]:
        for one in sets:
            signature = RMinHash(num_perm=num_perm, seed=1)
            signature.update(list(one))
            yield signature

    index = RMinHashLSH(threshold=job.threshold, num_perm=num_perm, num_bands=job.bands)
    with clock:
        return by_python(job, signatures, index)


def by_python(
    job: Job,
    signatures: Callable[[Sets], Iterator[Any]],
    index: Any,  # noqa: ANN401  (of either library)
) -> Found:
    """The rule in Python, around a library's signatures and its empty index."""
    clean = [normalized(text) for text in job.texts]
    sets = [shingles(text, NGRAM, "word") for text in clean]
    of, parents = [-1] * len(clean), list(range(len(clean)))
    first: dict[str, int] = {}

    def root(at: int) -> int:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    for at, signature in enumerate(signatures(sets)):
        same = first.setdefault(clean[at], at)
        if same != at:
            of[at], parents[at] = same if of[same] < 0 else of[same], root(same)
            continue
        best = 0.0
        for other in sorted(index.query(signature)):
            score = jaccard(sets[at], sets[other])
            if score >= job.threshold:
                low, high = sorted((root(at), root(other)))
                parents[high] = low
                if score > best:
                    best, of[at] = score, other
        if of[at] < 0:
            index.insert(at, signature)
    return of, [root(at) for at in range(len(clean))]


METHODS: dict[str, Method] = {
    "synth": synth,
    "synth, verify: none": partial(synth, verify="none"),
    "rensa": rensa,
    "datasketch": datasketch,
    "text-dedup": text_dedup,
    "text-dedup, its own bands": text_dedup_with_its_bands,
    "datatrove": datatrove,
}


def main() -> None:
    method, job_path, result_path = sys.argv[1:]
    job, clock = Job.read(Path(job_path)), Clock()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-job.threads :])
    of, cluster = METHODS[method](job, clock)
    names = ("cpu_s", "system_s", "wall_s", "added_mb")
    times = {name: getattr(clock, name) for name in names}
    Path(result_path).write_text(json.dumps(times | {"of": of, "cluster": cluster}))


if __name__ == "__main__":
    main()
