"""The passages of a corpus: each once, in one order, and one text for each id."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from publishing import retrieval_rows

from synth.core.errors import SynthError
from synth.core.rows import Table
from synth.export.corpus import (
    IN_ORDER,
    PASSAGES,
    corpus_passages,
    merged,
    named_passages,
    unique_passages,
)

IDS = st.lists(st.sampled_from(["a", "b", "c", "é", "Z"]))


def passages(ids: list[str], text: str = "") -> Table:
    return pa.table({"id": ids, "text": [f"on {name}{text}" for name in ids]}).cast(PASSAGES)


@given(ids=IDS, size=st.integers(1, 4))
def test_each_id_comes_once_and_in_order_however_they_are_divided(
    ids: list[str], size: int
) -> None:
    table = passages(sorted(ids))
    parts = [table.slice(at, size) for at in range(0, len(ids), size)]
    found = [row for part in unique_passages(parts) for row in part.to_pylist()]
    assert found == passages(sorted(set(ids))).to_pylist()


@given(one=IDS, other=IDS)
def test_merging_hangs_on_no_order(one: list[str], other: list[str]) -> None:
    tables = [passages(one), passages(other)]
    found = merged(tables).sort_by(IN_ORDER)
    assert found.equals(merged(tables[::-1]).sort_by(IN_ORDER))
    assert found["id"].to_pylist() == sorted({*one, *other})
    assert merged([found, *tables]).num_rows == found.num_rows


@pytest.mark.parametrize("size", [1, 2, 9])
def test_an_id_with_two_texts_is_named(size: int) -> None:
    table = merged([passages(["a", "b", "c"]), passages(["b"], " and more")]).sort_by(IN_ORDER)
    parts = [table.slice(at, size) for at in range(0, table.num_rows, size)]
    with pytest.raises(SynthError, match=r"passage 'b' has two different texts, .*; give each"):
        list(unique_passages(parts))


def test_a_blank_text_is_no_passage_of_a_corpus() -> None:
    table = pa.table({"id": ["a", "b", "c"], "text": pa.array(["x", None, " \n"], pa.string())})
    assert corpus_passages(table)["id"].to_pylist() == ["a"]


def test_rows_without_a_query_or_a_positive_name_nothing() -> None:
    batch = retrieval_rows(3)
    batch = batch.set_column(1, "query", pa.array(["what?", " ", None], pa.string()))
    assert sorted(named_passages(batch)["id"].to_pylist()) == ["n0-0", "n0-1", "n0-2", "p0"]
    positives = pa.array([[], None, [{"id": "p", "text": " "}]], batch["positives"].type)
    assert named_passages(retrieval_rows(3).set_column(2, "positives", positives)).num_rows == 0


def test_no_rows_have_no_passages_of_the_same_columns() -> None:
    assert named_passages(retrieval_rows(0)).schema == PASSAGES
    assert list(unique_passages([PASSAGES.empty_table()])) == []
    assert list(unique_passages([])) == []
