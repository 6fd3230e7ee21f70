"""From a worker's batch to a line of the ledger, without Ray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.core.errors import DriftError, StorageError
from synth.core.rows import DROP_REASON, ID, Table
from synth.inputs.files import Folder
from synth.manifest import Part, Usage, read_record
from synth.plan import make_plan
from synth.recipe import parse_recipe
from synth.runner.folder import RunFolder
from synth.runner.tally import split_tally, with_tally
from synth.runner.work import Entry, Target, write_part

SCHEMA = pa.schema([ID, ("position", pa.int64()), DROP_REASON])
RECIPE = """\
name: cats
source: {kind: jsonl, path: cats.jsonl}
steps: [{kind: take, rows: 2}, {kind: length_filter, min_words: 1}]
export: {format: rows}
"""


def batch(*reasons: str | None, first: int = 0) -> Table:
    ids = [f"r{at}" for at in range(first, first + len(reasons))]
    places = range(first, first + len(reasons))
    return pa.table([ids, list(places), list(reasons)], schema=SCHEMA)


def target(tmp_path: Path) -> Target:
    return Target("step", Folder(str(tmp_path / "01-step")), SCHEMA)


def test_a_tally_travels_with_its_batch_and_leaves_no_column() -> None:
    came = batch(None, "too_short", None)
    usage = Usage(requests=2, reused=1, prompt_tokens=9, output_tokens=4)
    told = with_tally(came, np.array([False, False, True]), 1, usage)
    both = pa.concat_tables([told, told])
    for table, times in ((told, 1), (both, 2)):
        left, made, replaced, used = split_tally(table)
        assert left.schema == came.schema
        assert (made, replaced) == (times, times)
        assert (used.requests, used.output_tokens) == (2 * times, 4 * times)
    assert split_tally(came) == (came, 0, 0, Usage())


def test_a_part_is_a_file_with_its_share_of_the_ledger(tmp_path: Path) -> None:
    entry = write_part(batch(None, "too_short", "no_text", "no_text", first=7), target(tmp_path))
    assert entry.dropped == {"too_short": 1, "no_text": 2}
    assert (entry.first, entry.made, entry.replaced) == (7, 0, 0)
    assert entry.part is not None
    assert (entry.part.rows, entry.part.live) == (4, 1)
    assert pq.read_table(tmp_path / "01-step" / entry.part.file).num_rows == 4
    assert Entry.from_json(entry.json()) == entry
    assert Entry.of(Entry.table([entry, entry])) == [entry, entry]


def test_a_batch_without_rows_leaves_no_file(tmp_path: Path) -> None:
    entry = write_part(batch(), target(tmp_path))
    assert entry.part is None
    assert Entry.from_json(entry.json()) == entry
    assert not (tmp_path / "01-step").exists()


def test_a_batch_without_a_planned_column_is_a_bug_and_no_part(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_part(batch(None).drop_columns(["position"]), target(tmp_path))
    assert not (tmp_path / "01-step").exists()


def test_a_full_disk_is_told_while_a_part_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("synth.runner.work.pq.write_table", full)
    with pytest.raises(StorageError, match=r"no space left on the filesystem of .*01-step"):
        write_part(batch(None), target(tmp_path))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "cats.jsonl").write_text('{"text": "a cat"}\n')
    recipe = parse_recipe(RECIPE, "cats.yaml").placed(tmp_path, RECIPE)
    return RunFolder(make_plan(recipe), str(tmp_path / "out"))


def entry(name: str, first: int, live: int, **dropped: int) -> Entry:
    part = Part(file=name, rows=live + sum(dropped.values()), live=live)
    return Entry("take", part, first, 0, 0, dict(dropped), Usage(requests=1), {})


def test_a_finished_step_adds_its_parts_up_in_the_order_of_their_rows(folder: RunFolder) -> None:
    step = folder.plan.steps[0]
    entries = [entry("b.parquet", 5, 2, not_taken=1), entry("c.parquet", 0, 1, not_taken=2)]
    record = folder.finish(step, entries, 6, 1.23456)
    assert [part.file for part in record.parts] == ["c.parquet", "b.parquet"]
    assert (record.rows_in, record.rows_out, record.dropped) == (6, 3, {"not_taken": 3})
    assert (record.usage.requests, record.reads, record.kind) == (2, "source", "take")
    assert record == read_record(folder.step(step)) == folder.record(step)


def test_rows_that_are_lost_are_never_recorded_as_a_finished_step(folder: RunFolder) -> None:
    step = folder.plan.steps[0]
    with pytest.raises(AssertionError, match="the ledger of take does not add up"):
        folder.finish(step, [entry("a.parquet", 0, 2)], 3, 0.0)
    assert folder.record(step) is None


def test_what_a_killed_attempt_left_is_removed_when_the_step_is_finished(
    folder: RunFolder,
) -> None:
    step = folder.plan.steps[0]
    for name in ("part-old.parquet", "part-new.parquet"):
        folder.step(step).write(name, b"")
    folder.finish(step, [entry("part-new.parquet", 0, 2)], 2, 0.0)
    assert folder.step(step).names() == ["_manifest.json", "part-new.parquet"]


def test_a_restart_removes_a_step_all_after_it_and_the_dataset(folder: RunFolder) -> None:
    for table in folder.plan.tables:
        folder.finish(table, [], 0, 0.0)
    for name in ("data", "_export", "_logs"):
        folder.root.sub(name).write("file", b"")
    folder.remove_from("length_filter")
    assert folder.root.names() == ["00-source", "01-take", "_logs"]
    folder.remove_from("source")
    assert folder.root.names() == ["_logs"]


def test_a_step_between_finished_ones_that_is_new_is_refused(folder: RunFolder) -> None:
    for table in folder.plan.tables:
        folder.finish(table, [], 0, 0.0)
    folder.check_drift()
    text = RECIPE.replace("[{kind: take", "[{kind: sample, fraction: 0.5}, {kind: take")
    recipe = parse_recipe(text, "cats.yaml").placed(folder.plan.recipe.base, text)
    changed = RunFolder(make_plan(recipe), folder.out)
    with pytest.raises(DriftError, match=r"--restart-from sample to overwrite"):
        changed.check_drift()


def test_a_restart_after_a_step_that_changed_is_refused_and_removes_nothing(
    folder: RunFolder,
) -> None:
    for table in folder.plan.tables:
        folder.finish(table, [], 0, 0.0)
    folder.root.sub("data").write("train.parquet", b"paid for")
    before = folder.root.names()
    text = RECIPE.replace("rows: 2", "rows: 3")
    recipe = parse_recipe(text, "cats.yaml").placed(folder.plan.recipe.base, text)
    changed = RunFolder(make_plan(recipe), folder.out)
    for late in ("length_filter", "export"):
        with pytest.raises(DriftError, match=r"take.rows was 2, is 3.*--restart-from take"):
            changed.remove_from(late)
    assert folder.root.names() == before
    changed.remove_from("take")
    assert folder.root.names() == ["00-source"]
