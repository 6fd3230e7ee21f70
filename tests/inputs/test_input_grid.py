"""A grid lays values out in the shares of their weights, and grows without changing."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from synth.algorithms.grid import grid_row
from synth.core.errors import SourceError
from synth.core.rows import Table
from synth.estimate import _rows_of
from synth.inputs.readers import content_mark
from synth.inputs.records import BATCH_ROWS
from synth.inputs.sources import SourceSpec
from synth.inputs.tables import planned_schema, read_tables

AXES = {"language": {"English": 3, "German": 1}, "domain": ["bees", "tides", "bread", "glass"]}
SPEC: TypeAdapter[SourceSpec] = TypeAdapter(SourceSpec)


def grid(rows: int, **more: Any) -> SourceSpec:
    return SPEC.validate_python({"kind": "grid", "rows": rows, "axes": AXES, **more})


def read(spec: SourceSpec, limit: int | None = None) -> Table:
    return pa.concat_tables(read_tables(spec, Path(), limit))


@given(
    weights=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    others=st.integers(0, 5),
    number=st.integers(50, 400),
    seed=st.integers(0, 99),
)
def test_every_value_comes_as_often_as_its_weight_says(
    weights: list[int], others: int, number: int, seed: int
) -> None:
    one = {f"value {at}": float(weight) for at, weight in enumerate(weights)}
    axes = {"a": one, **{f"b{at}": {"x": 1.0, "y": 2.0} for at in range(others)}}
    counts = Counter(grid_row(at, axes, seed)["a"] for at in range(number))
    for value, weight in one.items():
        expected = number * weight / sum(weights)
        assert abs(counts[value] - expected) <= 4, value


def test_combinations_come_as_often_as_the_product_of_their_weights() -> None:
    rows = read(grid(400)).to_pylist()
    counts = Counter((row["language"], row["domain"]) for row in rows)
    for (language, share), domain in product((("English", 0.75), ("German", 0.25)), AXES["domain"]):
        assert counts[language, domain] == pytest.approx(400 * share / 4, abs=4)


def test_a_grid_that_grows_keeps_the_rows_that_it_had() -> None:
    small, large = read(grid(30)), read(grid(BATCH_ROWS + 30))
    assert large.num_rows == BATCH_ROWS + 30
    assert large.slice(0, 30).equals(small)
    assert read(grid(BATCH_ROWS + 30), limit=30).equals(small)
    assert len(set(large["id"].to_pylist())) == large.num_rows


def test_another_seed_lays_values_out_in_another_way_in_the_same_shares() -> None:
    one, other = read(grid(80)), read(grid(80, seed=1))
    assert one["domain"].to_pylist() != other["domain"].to_pylist()
    assert Counter(one["language"].to_pylist())["German"] == pytest.approx(20, abs=2)
    assert Counter(other["language"].to_pylist())["German"] == pytest.approx(20, abs=2)


def test_axes_become_columns_of_text_unless_columns_say_otherwise() -> None:
    assert planned_schema(grid(3), Path()).names == ["id", "language", "domain", "drop_reason"]
    named = read(grid(3, columns={"text": "domain", "place": "number"}))
    assert named.column_names == ["id", "text", "place", "drop_reason"]
    assert named["place"].to_pylist() == [0, 1, 2]
    with pytest.raises(SourceError, match="has no field 'topic'; it has number, language, domain"):
        read(grid(3, columns={"text": "topic"}))


def test_what_a_grid_holds_is_known_without_reading() -> None:
    assert _rows_of(grid(7), Path()) == 7
    assert content_mark(grid(7), Path()) == content_mark(grid(8), Path())


@pytest.mark.parametrize(
    "axes", [{}, {"a": {}}, {"a": {"x": 0}}, {"number": ["x"]}, {"id ": ["x"]}]
)
def test_axes_without_values_or_weights_are_refused(axes: Any) -> None:
    with pytest.raises(ValidationError):
        SPEC.validate_python({"kind": "grid", "rows": 3, "axes": axes})
