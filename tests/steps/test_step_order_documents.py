from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.steps import OrderDocuments
from synth.steps.whole import in_order


def documents(vectors: list[list[float]]) -> Table:
    count = len(vectors)
    return pa.table(
        {
            "id": [f"d{number:02}" for number in range(count)],
            "embedding_text": rows.vector_column(np.array(vectors, np.float32).reshape(count, -1))
            if count
            else pa.array([], pa.list_(pa.float32(), 2)),
            "drop_reason": pa.nulls(count, pa.string()),
        }
    )


@pytest.mark.parametrize(
    "vectors",
    [[], [[1, 0]], [[1, 0], [0, 1]], [[1, 1]] * 60, np.eye(30).tolist()],
    ids=["none", "one", "two", "all identical", "all isolated"],
)
def test_every_document_comes_out_once_in_the_order_of_its_position(
    vectors: list[list[float]],
) -> None:
    out = in_order(OrderDocuments(), documents(vectors))
    assert out["position"].to_pylist() == list(range(len(vectors)))
    assert sorted(out["id"].to_pylist()) == documents(vectors)["id"].to_pylist()


def test_like_documents_stand_together() -> None:
    topics = [[1, 0.1 * n] if n % 2 else [0.1 * n, 1] for n in range(6)]
    out = in_order(OrderDocuments(neighbors=2), documents(topics))
    odd = [int(name[1:]) % 2 for name in out["id"].to_pylist()]
    assert odd in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_likeness_is_the_angle_and_not_the_length() -> None:
    ordered = [
        in_order(OrderDocuments(neighbors=1), documents([[1, 0], [0, scale], [1, 0.1], [0.1, 1]]))
        for scale in (1, 50)
    ]
    assert ordered[0]["id"].equals(ordered[1]["id"])


def test_the_order_of_the_rows_changes_nothing() -> None:
    table = documents(np.random.default_rng(0).normal(size=(40, 3)).round().tolist())
    table = table.filter(pa.array([any(v) for v in table["embedding_text"].to_pylist()]))
    shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
    assert in_order(OrderDocuments(), shuffled).equals(in_order(OrderDocuments(), table))


@pytest.mark.parametrize("vector", [[0, 0], [float("nan"), 1]])
def test_a_document_without_a_usable_vector_is_named(vector: list[float]) -> None:
    with pytest.raises(EngineError, match="row 'd01' has no usable vector"):
        in_order(OrderDocuments(), documents([[1, 0], vector]))
