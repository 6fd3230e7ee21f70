"""datatrove's MinHash pipeline, Parquet to Parquet, by its local executor: four stages.

Run by `dedup_run` with the Python of datatrove's own environment.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("docs", type=Path, help="folder of Parquet files with `id` and `text`")
    parser.add_argument("work", type=Path, help="folder for everything that it makes")
    parser.add_argument("--bands", type=int, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--ngram", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    config = MinhashConfig(args.ngram, num_buckets=args.bands, hashes_per_bucket=args.rows)
    folders = {name: str(args.work / name) for name in ("signatures", "pairs", "removed", "out")}
    reader = ParquetReader(str(args.docs), text_key="text", id_key="id")
    files = len(list(args.docs.glob("*.parquet")))
    stages = {
        "sign": (files, [reader, MinhashDedupSignature(folders["signatures"], config)]),
        "link": (
            args.bands,
            [MinhashDedupBuckets(folders["signatures"], folders["pairs"], config=config)],
        ),
        "merge": (1, [MinhashDedupCluster(folders["pairs"], folders["removed"], config)]),
        "filter": (
            files,
            [reader, MinhashDedupFilter(folders["removed"]), ParquetWriter(folders["out"])],
        ),
    }
    for name, (tasks, pipeline) in stages.items():
        LocalPipelineExecutor(
            pipeline=pipeline,
            tasks=tasks,
            workers=args.workers,
            logging_dir=str(args.work / "logs" / name),
            skip_completed=False,
        ).run()


if __name__ == "__main__":
    main()
