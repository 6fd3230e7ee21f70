"""Near duplicates with one library, on one core: ``python dedup_methods.py METHOD DOCUMENTS``.

Reads documents as a JSON list and prints one JSON object: seconds of CPU and of wall time, memory
that was added, and for each document the one that it duplicates and its cluster. All methods apply
the rule of `synth.algorithms.minhash.near_duplicates`, with the same shingles of the same texts,
bands and threshold, and verify with the Jaccard similarity of the shingle sets. Runs under the
interpreter of each library, so it needs nothing else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

from synth.algorithms.text import jaccard, normalized, shingles

THRESHOLD, NUM_PERM, BANDS, ROWS, NGRAM = 0.8, 128, 21, 6, 5

Sets = Iterable[frozenset[str]]
# For each document the one that it duplicates or -1, and the first of its cluster.
Found = tuple[list[int], list[int]]
Run = Callable[[], Found]


def synth(texts: list[str], verify: Literal["none", "jaccard"] = "jaccard") -> Run:
    import pyarrow as pa

    from synth.algorithms.minhash import near_duplicates

    # Loads the compiled code: a fixed second, not work for a document.
    near_duplicates(pa.array(["a b", "a b c", "é"]), range(3), THRESHOLD, ngram=1)
    array = pa.array(texts)

    def run() -> Found:
        found = near_duplicates(array, range(len(texts)), THRESHOLD, NUM_PERM, NGRAM, verify=verify)
        return found.of.tolist(), found.cluster.tolist()

    return run


def datasketch(texts: list[str]) -> Run:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    def signatures(sets: Sets) -> Iterator[Any]:
        encoded = ([shingle.encode() for shingle in one] for one in sets)
        yield from MinHash.generator(encoded, num_perm=NUM_PERM, hashfunc=xxhash.xxh32_intdigest)

    index = MinHashLSH(num_perm=NUM_PERM, params=(BANDS, ROWS))
    return lambda: by_python(texts, signatures, index)


def rensa(texts: list[str]) -> Run:
    from rensa import RMinHash, RMinHashLSH

    # It wants as many values as its bands use.
    num_perm = BANDS * ROWS

    def signatures(sets: Sets) -> Iterator[Any]:
        for one in sets:
            signature = RMinHash(num_perm=num_perm, seed=1)
            signature.update(list(one))
            yield signature

    index = RMinHashLSH(threshold=THRESHOLD, num_perm=num_perm, num_bands=BANDS)
    return lambda: by_python(texts, signatures, index)


def by_python(
    texts: list[str],
    signatures: Callable[[Sets], Iterator[Any]],
    index: Any,  # noqa: ANN401  (of either library)
) -> Found:
    """The rule in Python, around a library's signatures and its empty index."""
    clean = [normalized(text) for text in texts]
    sets = [shingles(text, NGRAM, "word") for text in clean]
    of, parents = [-1] * len(texts), list(range(len(texts)))
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
            if score >= THRESHOLD:
                low, high = sorted((root(at), root(other)))
                parents[high] = low
                if score > best:
                    best, of[at] = score, other
        if of[at] < 0:
            index.insert(at, signature)
    return of, [root(at) for at in range(len(texts))]


METHODS: dict[str, Callable[[list[str]], Run]] = {
    "synth": synth,
    "synth, verify: none": lambda texts: synth(texts, "none"),
    "rensa": rensa,
    "datasketch": datasketch,
}


def _reset_peak_mb() -> float:
    """Forgets the peak of memory, which is from now on what the process has."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_mb()


def _peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> None:
    method, path = sys.argv[1:]
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    run = METHODS[method](json.loads(Path(path).read_text()))
    before = _reset_peak_mb()
    cpu, wall = time.process_time(), time.perf_counter()
    of, cluster = run()
    result = {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "added_mb": _peak_mb() - before,
        "of": of,
        "cluster": cluster,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
