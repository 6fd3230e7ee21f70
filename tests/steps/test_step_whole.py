from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
import ray

from synth.core import rows
from synth.steps import (
    ConsistencyFilter,
    DownsampleCorpus,
    MineNegatives,
    OrderDocuments,
    Retrieve,
)
from synth.steps.whole import in_order

COUNT = 60
DRAWN = np.random.default_rng(0).normal(size=(COUNT, 4)).astype(np.float32)
TABLE = pa.table(
    {
        "id": [f"d{number:02}" for number in range(COUNT)],
        "text": [f"text {number}" for number in range(COUNT)],
        "query": [f"query {number}" for number in range(COUNT)],
        "positives": pa.array([[]] * COUNT, rows.POSITIVES),
        "embedding_text": rows.vector_column(DRAWN),
        "embedding_query": rows.vector_column(DRAWN[::-1]),
        "drop_reason": pa.nulls(COUNT, pa.string()),
    }
)
STEP = MineNegatives(corpus="docs", depth=3, near_copy=None)
SAMPLED = DownsampleCorpus(queries="asked", docs_per_query=2)


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    yield
    ray.shutdown()


def collected(dataset: ray.data.Dataset) -> pa.Table:
    return pa.concat_tables(ray.get(dataset.to_arrow_refs()))


@pytest.mark.ray
def test_a_step_gets_all_rows_of_all_blocks_of_all_tables() -> None:
    blocks = [TABLE.slice(at, 7) for at in range(0, COUNT, 7)]
    parts, reversed_parts = ray.data.from_arrow(blocks), ray.data.from_arrow(blocks[::-1])
    mined = collected(STEP.apply(parts, {"docs": reversed_parts}))
    assert mined.equals(in_order(STEP, TABLE, TABLE))
    ordered = collected(
        OrderDocuments(objective="path", dedup_cosine=None).apply(reversed_parts, {})
    )
    assert ordered["position"].to_pylist() == list(range(COUNT))
    found = collected(Retrieve(corpus="docs", k=3).apply(reversed_parts, {"docs": parts}))
    assert found.sort_by("id").equals(in_order(Retrieve(corpus="docs", k=3), TABLE, TABLE))
    sampled = collected(SAMPLED.apply(reversed_parts, {"asked": parts}))
    assert sampled.sort_by("id").equals(in_order(SAMPLED, TABLE, TABLE))
    judged = collected(ConsistencyFilter(corpus="docs").apply(reversed_parts, {"docs": parts}))
    assert set(judged["drop_reason"].to_pylist()) == {"no_positive"}
    alone = collected(STEP.apply(parts, {"docs": ray.data.from_arrow(TABLE.slice(0, 0))}))
    assert alone["negatives"].to_pylist() == [[]] * COUNT
