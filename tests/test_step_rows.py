"""Rows read column by column, evenly spread, and by the reason for which they were dropped."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from report_runs import PartRows, write_run, write_step

from synth.step_rows import StepRows
from synth.view import open_run


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StepRows]:
    run = tmp_path_factory.mktemp("run") / "1"
    write_run(run)
    made = PartRows(9_000, 0, np.random.default_rng(0))
    write_step(run / "00-docs", "docs", [made.deduped()], repeat=2, kind="minhash_dedup")
    few = PartRows(50, 0, np.random.default_rng(0)).judged()
    write_step(run / "01-margin", "margin", [few, few.slice(0, 10)])
    opened = open_run(run)
    return {name: opened[name] for name in opened}


def test_batches_have_the_columns_that_are_asked_for_and_no_other(
    steps: dict[str, StepRows],
) -> None:
    batches = list(steps["margin"].batches(["positives.score", "id", "nobody"], batch_rows=7))
    assert all(batch.column_names == ["id", "positives"] for batch in batches)
    assert all(batch.num_rows <= 7 for batch in batches)
    assert sum(batch.num_rows for batch in batches) == 60
    entry = batches[0].column("positives")[0].as_py()[0]
    assert list(entry) == ["score"]


@pytest.mark.parametrize("which", ["live", "dropped", "all"])
def test_batches_count_what_the_ledger_counts(steps: dict[str, StepRows], which: str) -> None:
    record = steps["docs"].record
    counts = {"live": record.rows_out, "dropped": record.rows_dropped, "all": 18_000}
    read = steps["docs"].batches(["id"], which)  # type: ignore[arg-type]
    assert sum(batch.num_rows for batch in read) == counts[which]


def test_a_sample_is_spread_over_the_step_and_has_no_dropped_row(
    steps: dict[str, StepRows],
) -> None:
    step = steps["docs"]
    found = step.sample(["id", "duplicate_of"], 100)
    assert 100 <= found.num_rows <= 102
    assert found.column("duplicate_of").null_count == found.num_rows
    numbers = [int(name[1:]) for name in found.column("id").to_pylist()]
    assert min(numbers) < 100
    assert max(numbers) > 8_900
    assert step.sample(["id"], 100).equals(step.sample(["id"], 100))


def test_a_sample_of_more_than_there_is_has_all(steps: dict[str, StepRows]) -> None:
    found = steps["margin"].sample(["id"], 10_000)
    assert found.equals(steps["margin"].to_arrow().select(["id"]))


def test_a_sample_of_a_column_that_is_not_there_has_no_column(steps: dict[str, StepRows]) -> None:
    assert steps["margin"].sample(["nobody"], 5).column_names == []


def test_dropped_rows_are_found_by_their_reason(steps: dict[str, StepRows]) -> None:
    found = steps["docs"].dropped_by_reason(3)
    assert {reason: table.num_rows for reason, table in found.items()} == {"near_duplicate": 3}
    assert found["near_duplicate"].column("drop_reason").to_pylist() == ["near_duplicate"] * 3
    assert steps["margin"].dropped_by_reason(3) == {}


def test_pandas_and_polars_read_what_arrow_reads(steps: dict[str, StepRows]) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    step = steps["margin"]
    assert list(step.to_pandas()["id"]) == step.to_arrow()["id"].to_pylist()
    assert isinstance(step.to_polars(), polars.DataFrame)
    assert step.to_polars()["id"].to_list() == step.to_arrow()["id"].to_pylist()
    assert isinstance(step.head(2), pa.Table)


def test_a_notebook_shows_the_first_rows_as_a_table(steps: dict[str, StepRows]) -> None:
    html = steps["margin"]._repr_html_()
    assert html.count("<tr>") == 6
    assert "1 more columns" in html
    assert '<div class="synth in-notebook">' in html
