"""What the explorer finds, against the same computed from the rows by pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from explore_run import build_run
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from synth.algorithms.projection import cosines, principal_plane
from synth.core.errors import SynthError
from synth.core.rows import Table, vectors
from synth.explore import Explorer, Query
from synth.explore.flags import FLAGS_FILE, Flag, Flags
from synth.view import open_run

COUNT = 300


@pytest.fixture(scope="module")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Explorer:
    folder = tmp_path_factory.mktemp("runs") / "made" / "1"
    run = open_run(build_run(folder, COUNT, part_rows=64))
    return Explorer(run, Flags(run.folder, FLAGS_FILE))


@pytest.fixture(scope="module")
def rows(explorer: Explorer) -> Table:
    return explorer.run["margin"].to_arrow(dropped=True)


def scores(rows: Table, column: str) -> NDArray[np.float64]:
    """The best score of each row, as the page shows it."""
    lists = rows[column].to_pylist()
    return np.array([max(entry["score"] for entry in one) for one in lists]).round(6)


def every_text(row: dict[str, Any]) -> str:
    lists = ("positives", "negatives", "rejected_negatives")
    entries = [one["text"] for name in lists for one in row[name]]
    return "\n".join([row["id"], row["query"], row["text"], *entries]).lower()


def found(explorer: Explorer, **query: Any) -> list[str]:
    """The ids of all pages."""
    asked, ids, page = Query.model_validate(query), [], 0
    while True:
        answer = explorer.page("margin", asked, "n", page, falls=False)
        ids += [row["id"] for row in answer["rows"]]
        page += 1
        if page * answer["page_rows"] >= answer["total"]:
            assert len(ids) == answer["total"]
            return ids


BOUND = st.none() | st.floats(0, 1).map(lambda one: round(one, 2))


def bounds(low: st.SearchStrategy[Any], high: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"least": low, "most": high})


WORDS = ["", "VOLCANO", "the bees", '"the bees"', "q000001", "x'; drop table rows_0"]
QUERIES = st.fixed_dictionaries(
    {
        "rows": st.sampled_from(["all", "live", "dropped"]),
        "reason": st.sampled_from([None, "too_short", "below_min_positive", "other"]),
        "model": st.sampled_from([None, "writer-7b", "nobody"]),
        "text": st.sampled_from(WORDS),
        "positive": bounds(BOUND, BOUND),
        "negative": bounds(BOUND, BOUND),
        "length": bounds(st.none(), st.none() | st.integers(40, 80)),
    }
)


def within(numbers: NDArray[np.float64], query: dict[str, Any], name: str) -> NDArray[np.bool_]:
    least, most = query[name]["least"], query[name]["most"]
    above = numbers >= (-np.inf if least is None else least)
    return above & (numbers <= (np.inf if most is None else most))


@settings(max_examples=60)
@given(query=QUERIES)
def test_a_filter_finds_what_pyarrow_finds(
    explorer: Explorer, rows: Table, query: dict[str, Any]
) -> None:
    dropped = pc.is_valid(rows["drop_reason"]).to_numpy()
    keep = {"all": dropped | True, "live": ~dropped, "dropped": dropped}[query["rows"]]
    if query["reason"] is not None:
        same = pc.equal(rows["drop_reason"], query["reason"])
        keep &= pc.fill_null(same, fill_value=False).to_numpy()
    if query["model"] is not None:
        made_by = pc.struct_field(rows["provenance"].combine_chunks(), "model")
        keep &= pc.equal(made_by, query["model"]).to_numpy(zero_copy_only=False)
    keep &= within(scores(rows, "positives"), query, "positive")
    keep &= within(scores(rows, "negatives"), query, "negative")
    keep &= within(pc.utf8_length(rows["query"]).to_numpy(), query, "length")
    word = query["text"].lower()
    words = [word.strip('"')] if word.startswith('"') else word.split()
    texts = [every_text(row) for row in rows.to_pylist()]
    keep &= np.array([all(one in text for one in words) for text in texts])
    assert found(explorer, **query) == rows.filter(pa.array(keep))["id"].to_pylist()


@pytest.mark.parametrize("falls", [True, False])
def test_rows_are_sorted_with_those_without_a_number_last(
    explorer: Explorer, rows: Table, falls: bool
) -> None:
    answer = explorer.page("margin", Query(), "margin", 0, falls=falls)
    margins = scores(rows, "positives") - scores(rows, "negatives")
    expected = np.sort(margins)[::-1] if falls else np.sort(margins)
    shown = [row["margin"] for row in answer["rows"]]
    assert shown == pytest.approx(expected[: len(shown)], abs=1e-5)


def test_values_to_filter_by_are_counted(explorer: Explorer, rows: Table) -> None:
    facets = explorer.facets("margin")
    counted = {one["value"]: one["rows"] for one in facets["reason"]}
    assert counted == explorer.run["margin"].record.dropped
    assert sum(one["rows"] for one in facets["model"]) == COUNT
    assert facets["near"] == ["embedding_query", "words of query"]
    assert explorer.facets("source")["near"] == ["embedding_text", "words of text"]
    assert explorer.facets("source")["origin"] == []


@pytest.mark.parametrize("place", [0, 63, 64, COUNT - 1])
def test_a_row_is_shown_whole(explorer: Explorer, rows: Table, place: int) -> None:
    shown, row = explorer.row("margin", place), rows.slice(place, 1).to_pylist()[0]
    assert shown.pop("embedding_query") == "384 numbers"
    del row["embedding_query"]
    assert shown == row


def test_a_row_that_is_not_there_is_said(explorer: Explorer) -> None:
    with pytest.raises(SynthError, match="no row number 999"):
        explorer.row("margin", 999)


def test_the_nearest_rows_are_those_with_the_largest_cosine(
    explorer: Explorer, rows: Table
) -> None:
    matrix = vectors(rows, "embedding_query")
    cosine = cosines(matrix[7], matrix)
    cosine[7] = -2
    near = explorer.near("margin", 7, "embedding_query")
    assert [one["n"] for one in near] == np.argsort(-cosine)[:12].tolist()
    assert [one["score"] for one in near] == pytest.approx(np.sort(-cosine)[:12] * -1, abs=1e-3)


def test_the_nearest_by_words_are_those_that_share_most(explorer: Explorer) -> None:
    near = explorer.near("margin", 7, "words of query")
    assert 7 not in [one["n"] for one in near]
    assert near[0]["score"] >= near[-1]["score"] > 0


def test_what_a_step_cannot_be_compared_by_is_said(explorer: Explorer) -> None:
    with pytest.raises(SynthError, match="no 'embedding_text'; it has embedding_query, words"):
        explorer.near("margin", 7, "embedding_text")


def test_a_rectangle_of_the_map_selects_the_rows_that_are_in_it(explorer: Explorer) -> None:
    points = explorer.points("margin", "embedding_query", Query(), "reason")
    assert points["total"] == COUNT
    inside = (points["x"] >= 0) & (points["y"] <= 0.1)
    box = {"vector": "embedding_query", "x0": 0, "x1": 9, "y0": -9, "y1": 0.1}
    ids = found(explorer, box=box)
    assert sorted(f"q{n:07}" for n in points["n"][inside]) == ids


def test_colours_of_the_map_are_values_of_its_rows(explorer: Explorer, rows: Table) -> None:
    points = explorer.points("margin", "embedding_query", Query(), "reason")
    assert points["names"][0] == "kept"
    reasons = rows["drop_reason"].to_pylist()
    told = [points["names"][at] for at in points["color"]]
    assert told == [reasons[n] or "kept" for n in points["n"]]


def test_the_plane_of_a_map_is_where_vectors_differ_most() -> None:
    draw = np.random.default_rng(3)
    flat = draw.normal(size=(500, 2)).astype(np.float32) * [5, 2]
    turned, _ = np.linalg.qr(draw.normal(size=(8, 8)))
    there = (flat @ turned[:2] + 3 + draw.normal(size=(500, 8), scale=0.01)).astype(np.float32)
    mean, axes = principal_plane(there)
    again = (there - mean) @ axes
    assert np.abs(np.corrcoef(again[:, 0], flat[:, 0])[0, 1]) > 0.999
    assert axes.T @ axes == pytest.approx(np.eye(2), abs=1e-5)
    assert np.var(again[:, 0]) > np.var(again[:, 1])
    assert principal_plane(there[::-1])[1] == pytest.approx(axes, abs=1e-4)
    assert not principal_plane(np.empty((0, 3), np.float32))[1].any()


def test_flags_survive_a_restart_and_a_second_page(tmp_path: Path) -> None:
    run = open_run(build_run(tmp_path / "made" / "1", 10))
    first, second = (Flags(run.folder, FLAGS_FILE) for _ in range(2))
    first.set(Flag(id="q1", step="margin", note="unclear"), on=True)
    second.set(Flag(id="q1", entry="d7", step="margin"), on=True)
    first.set(Flag(id="q2"), on=True)
    first.set(Flag(id="q2"), on=False)
    kept = Flags(run.folder, FLAGS_FILE).all()
    assert [(one.id, one.entry, one.note) for one in kept] == [
        ("q1", None, "unclear"),
        ("q1", "d7", ""),
    ]


def test_a_file_that_holds_no_flags_is_left_alone(tmp_path: Path) -> None:
    run = open_run(build_run(tmp_path / "made" / "1", 10))
    (tmp_path / "made" / "1" / FLAGS_FILE).write_text("[1]")
    with pytest.raises(SynthError, match="holds no flags of `synth explore`; repair it"):
        Flags(run.folder, FLAGS_FILE)
