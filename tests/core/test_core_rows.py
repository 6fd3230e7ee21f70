from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from synth.core import rows
from synth.core.rows import Table


def documents(reasons: list[str | None]) -> Table:
    ids = [f"d{number}" for number in range(len(reasons))]
    return pa.table(
        {"id": pa.array(ids, pa.string()), "drop_reason": pa.array(reasons, pa.string())}
    )


REASONS = st.lists(st.none() | st.sampled_from(["too_short", "near_duplicate"]))


@given(REASONS, st.randoms())
def test_a_row_keeps_the_first_reason_it_was_dropped_for(
    reasons: list[str | None], random: Random
) -> None:
    dropped = [random.random() < 0.5 for _ in reasons]
    marked = rows.mark_dropped(documents(reasons), dropped, "no_text")
    expected = [
        reason or ("no_text" if hit else None) for reason, hit in zip(reasons, dropped, strict=True)
    ]
    assert marked["drop_reason"].to_pylist() == expected
    assert marked["id"].to_pylist() == documents(reasons)["id"].to_pylist()
    assert rows.mark_dropped(marked, dropped, "other").equals(marked)


@given(REASONS)
def test_every_row_is_live_or_has_a_reason(reasons: list[str | None]) -> None:
    alive = rows.live(documents(reasons))
    assert alive.num_rows == reasons.count(None)
    assert alive["drop_reason"].null_count == alive.num_rows


def test_a_column_is_added_at_the_end_or_replaced_in_its_place() -> None:
    table = documents([None, None])
    wider = rows.with_column(table, rows.TEXT, ["a", None])
    assert wider.column_names == ["id", "drop_reason", "text"]
    again = rows.with_column(wider, rows.ID, pa.array(["x", "y"]))
    assert again.column_names == wider.column_names
    assert again["id"].to_pylist() == ["x", "y"]
    assert rows.with_fields(table.schema, [rows.TEXT, rows.ID]) == wider.schema


def test_a_table_conforms_to_the_planned_columns_their_order_and_types() -> None:
    planned = pa.schema([rows.ID, rows.TEXT, pa.field("embedding_text", rows.VECTOR)])
    table = pa.table(
        {
            "extra": [1],
            "embedding_text": rows.vector_column(np.ones((1, 3), np.float32)),
            "text": pa.array(["a cat"], pa.large_string()),
            "id": ["d0"],
        }
    )
    out = rows.conform(table, planned)
    assert out.column_names == ["id", "text", "embedding_text"]
    assert out.schema.field("text").type == pa.string()
    assert out.schema.field("embedding_text").type == pa.list_(pa.float32(), 3)
    assert rows.conform(out, planned).equals(out)


def test_a_planned_column_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="text"):
        rows.conform(documents([None]), pa.schema([rows.TEXT]))


FLOATS = st.floats(-1, 1, width=32)


@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=FLOATS))
def test_vectors_come_out_of_a_table_as_they_went_in(matrix: NDArray[np.float32]) -> None:
    table = pa.table({"v": rows.vector_column(matrix)})
    assert np.array_equal(rows.vectors(table, "v"), matrix)
    assert np.array_equal(rows.vectors(table.slice(1), "v").ravel(), matrix[1:].ravel())
    apart = pa.concat_tables([table.slice(1), table.slice(0, 1)])
    assert np.array_equal(rows.vectors(apart, "v"), np.roll(matrix, -1, axis=0))


def test_no_rows_have_no_vectors_and_keep_the_width() -> None:
    column = rows.vector_column(np.empty((0, 384), np.float32))
    assert column.type == pa.list_(pa.float32(), 384)
    assert rows.vectors(pa.table({"v": column}), "v").shape == (0, 0)


def test_rows_without_a_vector_are_refused_before_others_move_into_their_place() -> None:
    column = pa.array([[1.0, 0.0], None, [0.0, 1.0], None], pa.list_(pa.float32(), 2))
    with pytest.raises(ValueError, match="2 of 4 rows have no vector in 'v'"):
        rows.vectors(pa.table({"v": column}), "v")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (pa.string(), pa.large_string(), True),
        (rows.VECTOR, pa.list_(pa.float32(), 384), True),
        (pa.int64(), pa.int64(), True),
        (pa.int64(), pa.string(), False),
        (rows.VECTOR, pa.list_(pa.string()), False),
        (rows.POSITIVES, rows.NEGATIVES, False),
    ],
)
def test_types_that_can_stand_for_each_other_are_the_same_both_ways(
    one: pa.DataType, other: pa.DataType, same: bool
) -> None:
    assert rows.same_type(one, other) == rows.same_type(other, one) == same
