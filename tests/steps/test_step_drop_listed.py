"""What a drop list takes away, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synth.core import rows
from synth.core.drop_list import Listed, drop_list_bytes, parse_drop_list
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.plan import make_plan
from synth.recipe import Recipe, parse_recipe
from synth.runner import Placement, run
from synth.steps import DropListed
from synth.steps.whole import facts_of, in_order
from synth.view import open_run

DOCS = pa.table(
    {"id": ["d1", "d2"], "text": ["cats", "dogs"], "drop_reason": pa.nulls(2, pa.string())}
)
COLUMNS = {"id": "id", "text": "text"}
NAMES = st.text("dq12", min_size=1, max_size=2)


def entry(name: str) -> dict[str, Any]:
    return {"id": name, "text": f"about {name}", "score": 0.5}


def pairs() -> Table:
    """Two queries of one document, one of another, with negatives and how many are lacking."""
    return pa.table(
        {
            "id": ["q1", "q2", "q3"],
            "query": ["one", "two", "three"],
            "positives": pa.array([[entry("d1")], [entry("d1")], [entry("d2")]], rows.POSITIVES),
            "negatives": pa.array(
                [[entry("d7"), entry("d8")], [entry("d7")], []], rows.NEGATIVES
            ),
            "parent_id": ["d1", "q1", "d2"],
            "source_id": ["d1", "d1", "d2"],
            "short_by": pa.array([0, 1, 2], pa.int32()),
            "drop_reason": pa.nulls(3, pa.string()),
        }
    )  # fmt: skip


def applied(table: Table, *listed: Listed) -> Table:
    return in_order(DropListed(path="x").holding(listed, table.column_names), table)


def dropped(out: Table) -> list[str]:
    return [row["id"] for row in out.to_pylist() if row["drop_reason"] == "listed"]


def negatives(out: Table, column: str = "negatives") -> dict[str, list[str]]:
    return {row["id"]: [one["id"] for one in row[column] or []] for row in out.to_pylist()}


def test_a_listed_row_drops_with_its_note() -> None:
    out = applied(DOCS, Listed("d1", note="no cats"))
    assert dropped(out) == ["d1"]
    assert out["listed"].to_pylist() == [[{"id": "d1", "note": "no cats"}], None]


def test_what_was_made_from_a_listed_row_drops_with_it() -> None:
    assert dropped(applied(pairs(), Listed("q1"))) == ["q1", "q2"]
    assert dropped(applied(pairs(), Listed("d1", note="spam"))) == ["q1", "q2"]
    windows = pa.table(
        {
            "id": ["w1", "w2"],
            "doc_ids": [["d1", "d2"], ["d3"]],
            "drop_reason": pa.nulls(2, pa.string()),
        }
    )
    assert dropped(applied(windows, Listed("d2"))) == ["w1"]


def test_a_listed_text_leaves_the_lists_of_every_row_and_an_entry_those_of_one() -> None:
    everywhere = applied(pairs(), Listed("d7"))
    assert dropped(everywhere) == []
    assert negatives(everywhere) == {"q1": ["d8"], "q2": [], "q3": []}
    assert negatives(everywhere, "rejected_negatives") == {"q1": ["d7"], "q2": ["d7"], "q3": []}
    assert everywhere["short_by"].to_pylist() == [1, 2, 2]
    here = applied(pairs(), Listed("q1", "d7", "answers it"))
    assert negatives(here) == {"q1": ["d8"], "q2": ["d7"], "q3": []}
    (rejected,) = here["rejected_negatives"].to_pylist()[0]
    assert rejected["reason"] == "listed"
    assert here["listed"].to_pylist() == [[{"id": "d7", "note": "answers it"}], None, None]


def test_negatives_rejected_before_stay_rejected() -> None:
    once = applied(pairs(), Listed("q1", "d7"))
    twice = applied(once.drop_columns("listed"), Listed("q1", "d8"))
    assert negatives(twice, "rejected_negatives")["q1"] == ["d7", "d8"]


def test_a_row_without_its_last_positive_drops_and_is_kept_as_it_was() -> None:
    out = applied(pairs(), Listed("q3", "d2"))
    assert dropped(out) == ["q3"]
    assert out["positives"].to_pylist() == pairs()["positives"].to_pylist()


def test_ids_that_name_nothing_are_counted_in_the_ledger() -> None:
    facts = facts_of(applied(pairs(), Listed("q1"), Listed("gone"), Listed("q1", "lost")))
    assert facts["ids listed"] == "3"
    assert facts["ids listed that name nothing"] == "2 of 3: gone, lost"
    assert list(facts_of(applied(pairs(), Listed("d8")))) == ["ids listed"]


@given(listed=st.lists(st.builds(Listed, NAMES, st.none() | NAMES, NAMES), max_size=4))
def test_dropping_what_is_listed_twice_changes_nothing_more(listed: list[Listed]) -> None:
    once = applied(pairs(), *listed)
    again = applied(once.drop_columns("listed"), *listed)
    assert dropped(again) == dropped(once)
    assert negatives(again) == negatives(once)


@given(
    listed=st.lists(
        st.builds(Listed, st.text(min_size=1), st.none() | st.text(min_size=1), st.text()),
        unique_by=lambda one: (one.id, one.entry),
    )
)
def test_a_list_reads_as_it_was_written(listed: list[Listed]) -> None:
    data = drop_list_bytes(listed, {"run": "cats", "version": "1"})
    read = parse_drop_list(data, "list")
    assert sorted(read, key=str) == sorted(listed, key=str)
    assert orjson.loads(data.splitlines()[0]) == {"drop_list": "1", "run": "cats", "version": "1"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"q1", "line 1 is no JSON"),
        (b'"q1"', "line 1 is no object"),
        (b'{"note": "x"}', "line 1 has no `id`"),
        (b'{"id": 7}', "line 1 has no `id`"),
        (b'{"id": "q1", "why": "x"}', "line 1 has the key 'why'"),
        (b'{"id": "q1", "entry": 7}', "line 1: `entry` and `note` are texts"),
    ],
)
def test_a_line_that_is_none_of_a_drop_list_is_refused_by_its_number(
    line: bytes, told: str
) -> None:
    with pytest.raises(RecipeError, match=told):
        parse_drop_list(line, "drops.jsonl")


def recipe(folder: Path, *listed: Listed) -> Recipe:
    (folder / "docs.jsonl").write_text('{"id": "d1", "text": "cats"}\n{"id": "d2", "text": "x"}\n')
    (folder / "drops.jsonl").write_bytes(drop_list_bytes(listed, {}))
    text = yaml.safe_dump(
        {
            "name": "cats",
            "source": {"kind": "jsonl", "path": "docs.jsonl", "columns": COLUMNS},
            "steps": [{"kind": "drop_listed", "path": "drops.jsonl"}],
            "export": {"format": "rows"},
        }
    )  # fmt: skip
    return parse_recipe(text, "cats.yaml").placed(folder, text)


def test_what_a_list_says_is_part_of_what_the_step_is_and_where_it_is_is_not(
    tmp_path: Path,
) -> None:
    def mark(*listed: Listed) -> str:
        return make_plan(recipe(tmp_path, *listed)).steps[0].fingerprint

    first = mark(Listed("d1"))
    assert mark(Listed("d2")) != first
    assert mark(Listed("d1", note="why")) != first
    assert mark(Listed("d1"), Listed("d1")) == first
    moved = recipe(tmp_path)
    (tmp_path / "other.jsonl").write_bytes(drop_list_bytes([Listed("d1")], {"run": "x"}))
    step = moved.steps[0].model_copy(update={"path": "other.jsonl"})
    other = moved.model_copy(update={"steps": (step,)}).placed(tmp_path)
    assert make_plan(other).steps[0].fingerprint == first


def test_a_list_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    given = recipe(tmp_path)
    (tmp_path / "drops.jsonl").unlink()
    with pytest.raises(RecipeError, match=r"step 1 \(drop_listed\): there is no drop list drops"):
        make_plan(given)


@pytest.mark.ray
@pytest.mark.parametrize("in_process_rows", [1_000, 0])
def test_a_recipe_drops_what_the_list_says_here_and_on_ray(
    ray_session: None, tmp_path: Path, in_process_rows: int
) -> None:
    placement = Placement(in_process_rows=in_process_rows)
    given = recipe(tmp_path, Listed("d2", note="no text"), Listed("d9"))
    outcome = run(given, out=str(tmp_path / "out"), placement=placement)
    step = open_run(outcome.path)["drop_listed"]
    assert step.to_arrow()["id"].to_pylist() == ["d1"]
    assert step.record.dropped == {"listed": 1}
    assert step.record.facts["ids listed that name nothing"] == "1 of 2: d9"
    assert "no text" in str(open_run(outcome.path).why("d2").events[-1].facts)
