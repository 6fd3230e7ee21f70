"""text-dedup and datatrove on documents in memory, without the parts that read and save them.

Neither compares texts: a shared band makes two documents one cluster, of which one stays. Each
makes shingles of its own: text-dedup of what stands between characters that are not of words,
datatrove of spaCy's tokens of a text without punctuation and accents.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from dedup_job import NGRAM, NUM_PERM, Clock, Found, Job

# What text-dedup calls its stages between loading and saving.
_STAGES = ("MinHashing", "Clustering", "Filtering")


def text_dedup(job: Job, clock: Clock) -> Found:
    """text-dedup's command in this process, with the faster of its hashes."""
    return _text_dedup(job, clock, ["--b", str(job.bands), "--r", str(job.rows)])


def text_dedup_with_its_bands(job: Job, clock: Clock) -> Found:
    """The same with the bands that it chooses for a threshold."""
    return _text_dedup(job, clock, [])


def _text_dedup(job: Job, clock: Clock, options: list[str]) -> Found:
    import datasets
    from text_dedup import minhash

    class Timer:
        """Stands in for text-dedup's own, which measures each of its stages."""

        def __call__(self, stage: str) -> Clock:
            return clock if stage in _STAGES else Clock()

        def report(self, **_: object) -> None:
            pass

    minhash.Timer = Timer
    with tempfile.TemporaryDirectory() as folder:
        datasets.Dataset.from_dict({"text": job.texts}).save_to_disk(f"{folder}/in")
        options += ["--path", f"{folder}/in", "--local", "--output", f"{folder}/out"]
        options += ["--column", "text", "--ngram", str(NGRAM), "--num_perm", str(NUM_PERM)]
        options += ["--threshold", str(job.threshold), "--hash_func", "xxh3"]
        # `datasets` starts a process for 1 and none for 0.
        options += ["--num_proc", str(job.threads if job.threads > 1 else 0)]
        minhash.main(options, standalone_mode=False)
    cluster = [minhash.uf.find(at) for at in range(len(job.texts))]
    return [-1 if root == at else root for at, root in enumerate(cluster)], cluster


def datatrove(job: Job, clock: Clock) -> Found:
    """The stages of datatrove up to the numbers of the documents to remove."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import minhash

    config = minhash.MinhashConfig(NGRAM, num_buckets=job.bands, hashes_per_bucket=job.rows)
    with tempfile.TemporaryDirectory() as folder:
        signatures, pairs, removed = (f"{folder}/{name}" for name in ("signatures", "pairs", "out"))
        sign = minhash.MinhashDedupSignature(signatures, config)
        # Loads the tokenizer: fixed seconds, not work for a document.
        sign.get_shingles("one two three four five six")
        link = minhash.MinhashDedupBuckets(signatures, pairs, config=config)
        merge = minhash.MinhashDedupCluster(pairs, removed, config, save_cluster_id=True)
        workers = job.threads
        documents = [Document(text=text, id=str(at)) for at, text in enumerate(job.texts)]

        def sign_part(rank: int) -> None:
            sign.run(iter(documents[rank::workers]), rank, workers)

        def link_part(rank: int) -> None:
            for bucket in range(rank, job.bands, workers):
                link.run(None, bucket, job.bands)

        with clock:
            for stage in (sign_part, link_part):
                _side_by_side(stage, workers)
            merge.run(None)
        return datatrove_clusters(Path(removed), len(documents), workers)


def _side_by_side(stage: Any, workers: int) -> None:  # noqa: ANN401
    if workers == 1:
        stage(0)
        return
    processes = [get_context("fork").Process(target=stage, args=(rank,)) for rank in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError(f"datatrove's process ended with {process.exitcode}")


def datatrove_clusters(folder: Path, count: int, workers: int) -> Found:
    """What the files of datatrove's clusters say: document `at` of a rank is a number of a file."""
    clusters: dict[int, list[int]] = {}
    gone = set()
    for rank in range(workers):
        for at, cluster in _numbers(folder / f"{rank:06d}.clusters", 2):
            clusters.setdefault(cluster, []).append(at * workers + rank)
        gone |= {at * workers + rank for (at,) in _numbers(folder / f"{rank:06d}.remove", 1)}
    of, first = [-1] * count, list(range(count))
    for members in clusters.values():
        (kept,) = set(members) - gone
        for one in members:
            of[one], first[one] = kept if one != kept else -1, min(members)
    return of, first


def _numbers(path: Path, each: int) -> Iterator[tuple[int, ...]]:
    return struct.iter_unpack(f"<{each}I", path.read_bytes() if path.is_file() else b"")
