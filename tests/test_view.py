from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console, RenderableType

from synth.card import RunInfo, render_card
from synth.core import rows
from synth.core.errors import StorageError, SynthError
from synth.core.rows import Table
from synth.export import file_sets, shape, write_tables, written
from synth.inputs.files import Folder
from synth.manifest import Part, StepRecord, write_record
from synth.recipe import Recipe, parse_recipe
from synth.steps.rejected import REJECTED_NEGATIVES
from synth.terminal import _labelled, render_ledger, render_near, render_rows, render_why
from synth.view import Run, open_run

RECIPE = """\
name: cats
source: {kind: jsonl, path: cats.jsonl}
models: {m: {kind: fake}}
steps:
  - {name: docs, kind: minhash_dedup}
  - {name: queries, kind: generate, prompt: query_from_passage, model: m}
  - {kind: generate, prompt: hard_negative, model: m}
  - {kind: margin_filter}
export:
  - {format: n_tuple, negatives: 1, ids: true, splits: {train: 0.5, test: 0.5}}
  - {format: rows, name: corpus, from: docs}
"""
BY = {"model": "fake", "prompt_sha": "sha", "seed": 7, "axes": '{"length":"short"}'}
ASKED = BY | {"step": "queries", "prompt": "query_from_passage"}
WRITTEN = BY | {"step": "hard_negative", "prompt": "hard_negative"}
DOC = pa.schema([("id", pa.string()), ("text", pa.string()), ("drop_reason", pa.string())])
DEDUPED = pa.schema([*DOC, ("duplicate_of", pa.string()), ("duplicate_jaccard", pa.float32())])
PAIR = pa.schema(
    [
        *DOC,
        ("query", pa.string()),
        ("positives", rows.POSITIVES),
        ("negatives", rows.NEGATIVES),
        *rows.LINEAGE,
    ]
)
EDITED = PAIR.append(pa.field("edits", rows.EDITS))
FILTERED = EDITED.append(REJECTED_NEGATIVES)

GOOD = {"id": "n1", "text": "a dog", "score": 0.25, "origin": "generated:fake"}
CLOSE = {"id": "d3", "text": "cats purr", "score": 0.75, "rank": 0, "origin": "mined"}
POSITIVE = {"id": "d1", "text": "cats meow"}
ASKING = {
    "id": "q1", "text": "cats meow", "query": "what do [cats] say?", "positives": [POSITIVE],
    "parent_id": "d1", "source_id": "d1", "provenance": ASKED,
}  # fmt: skip


def write_step(
    run: Path, number: int, table: Table, kind: str, reads: str = "", name: str = "", made: int = 0
) -> StepRecord:
    folder = Folder(str(run / f"{number:02d}-{name or kind}"))
    folder.make()
    parts = []
    for at in range(0, max(table.num_rows, 1), 2):
        part = table.slice(at, 2)
        file = f"part-{at:05d}.parquet"
        pq.write_table(part, folder.path(file), row_group_size=1)
        parts.append(Part(file=file, rows=part.num_rows, live=rows.live(part).num_rows))
    reasons = [why for why in table["drop_reason"].to_pylist() if why]
    live = table.num_rows - len(reasons)
    record = StepRecord(
        name=name or kind, kind=kind, reads=reads, fingerprint="f", ingredients={},
        rows_in=3 if made else table.num_rows, rows_made=made, rows_replaced=2 if made else 0,
        rows_out=live, dropped={why: reasons.count(why) for why in reasons}, parts=tuple(parts),
    )  # fmt: skip
    write_record(folder, record)
    return record


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "cats" / "1"
    docs = [
        {"id": "d1", "text": "cats meow"},
        {"id": "d2", "text": "cats  meow"},
        {"id": "d3", "text": "cats purr"},
    ]
    copy = {"drop_reason": "near_duplicate", "duplicate_of": "d1", "duplicate_jaccard": 0.875}
    failed = {"id": "d3", "text": "cats purr", "drop_reason": "check_words"}
    pair = ASKING | {"negatives": []}
    edited = ASKING | {"negatives": [GOOD, CLOSE], "edits": [WRITTEN]}
    rejected = CLOSE | {"reason": "above_margin", "ceiling": 0.5}
    judged = edited | {"negatives": [GOOD], "rejected_negatives": [rejected]}

    def step(
        number: int, found: list[dict[str, Any]], schema: pa.Schema, kind: str, reads: str = "",
        name: str = "",
    ) -> None:  # fmt: skip
        table = pa.Table.from_pylist(found, schema)
        write_step(folder, number, table, kind, reads, name, made=1 if name == "queries" else 0)

    step(0, docs, DOC, "source")
    step(1, [docs[0], docs[1] | copy, docs[2]], DEDUPED, "minhash_dedup", "source", "docs")
    step(2, [failed, pair], PAIR, "generate", "docs", "queries")
    step(3, [edited], EDITED, "generate", "queries", "hard_negative")
    step(4, [judged], FILTERED, "margin_filter", "hard_negative")
    (folder / "05-unfinished").mkdir()
    data = {"recipe": RECIPE, "name": "cats", "version": "1", "more": {}}
    (folder / "_run.json").write_bytes(orjson.dumps(data))
    return open_run(folder)


def shown(what: RenderableType) -> str:
    console = Console(width=120, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def test_a_run_shows_its_finished_steps_in_order(run: Run) -> None:
    assert run.steps == ["source", "docs", "queries", "hard_negative", "margin_filter"]
    assert list(run) == run.steps
    assert "docs" in run
    assert "unfinished" not in run
    assert [record.name for record in run.records] == run.steps


def test_a_folder_left_by_an_older_recipe_is_no_step(run: Run) -> None:
    data = orjson.loads(run.folder.read("_run.json"))
    run.folder.write("_run.json", orjson.dumps(data | {"steps": ["00-source", "01-docs"]}))
    assert open_run(run.folder.url).steps == ["source", "docs"]


def test_exports_stand_at_the_end_of_the_ledger(run: Run) -> None:
    made = run["docs"].record
    for name, folder in (("export corpus", "corpus"), ("export", "default")):
        record = made.model_copy(update={"name": name})
        write_record(run.folder.sub("_export", folder), record)
    names = [record.name for record in run.records]
    assert names == [*run.steps, "export", "export corpus"]


def test_a_step_that_is_not_there_is_answered_with_those_that_are(run: Run) -> None:
    with pytest.raises(SynthError, match="no finished step 'embed'; there are: source, docs, qu"):
        run["embed"]


def test_rows_are_live_unless_dropped_ones_are_asked_for(run: Run) -> None:
    docs = run["docs"]
    assert len(docs) == 2
    assert docs.to_arrow()["id"].to_pylist() == ["d1", "d3"]
    assert docs.to_arrow(dropped=True)["id"].to_pylist() == ["d1", "d2", "d3"]
    assert docs.dropped()["drop_reason"].to_pylist() == ["near_duplicate"]
    assert list(docs.to_pandas()["id"]) == ["d1", "d3"]
    assert docs.head(1)["id"].to_pylist() == ["d1"]
    assert docs.head(9, dropped=True)["id"].to_pylist() == ["d2"]
    assert run["margin_filter"].dropped().schema == run["margin_filter"].to_arrow().schema


def test_a_head_reads_only_the_files_it_needs(run: Run) -> None:
    Path(run.folder.path("00-source/part-00002.parquet")).unlink()
    assert run["source"].head(2).num_rows == 2
    with pytest.raises(StorageError, match="is missing"):
        run["source"].to_arrow()


def test_polars_is_asked_for_by_name_where_it_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "polars", None)
    with pytest.raises(SynthError, match="pip install polars"):
        run["docs"].to_polars()


def test_the_ledger_is_plain_rows(run: Run) -> None:
    line = run.ledger()[1]
    assert (line["step"], line["rows_in"], line["rows_out"]) == ("docs", 3, 2)
    assert line["dropped"] == {"near_duplicate": 1}


def test_a_folder_without_a_run_says_what_to_give(run: Run, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there are the runs 1 inside"):
        open_run(tmp_path / "cats")
    with pytest.raises(StorageError, match="outputs/NAME/VERSION"):
        open_run(tmp_path / "nowhere")


def test_a_dropped_row_tells_what_it_repeats(run: Run) -> None:
    events = run.why("d2").events
    assert [(event.step, event.what) for event in events] == [
        ("source", "read"), ("docs", "changed"), ("docs", "dropped"),
    ]  # fmt: skip
    assert events[-1].facts == {
        "reason": "near_duplicate", "duplicate_of": "d1", "duplicate_jaccard": 0.875,
    }  # fmt: skip


def test_a_made_row_is_walked_back_to_its_source(run: Run) -> None:
    lineage = run.why("q1")
    assert [(event.id, event.step, event.what) for event in lineage.events] == [
        ("d1", "source", "read"),
        ("d1", "docs", "kept"),
        ("d1", "queries", "replaced"),
        ("q1", "queries", "made"),
        ("q1", "hard_negative", "changed"),
        ("q1", "margin_filter", "changed"),
        ("q1", "margin_filter", "rejected"),
    ]
    made, changed, _, rejected = (event.facts for event in lineage.events[3:])
    assert made["parents"] == ["d1"]
    assert {name: made[name] for name in BY} == BY
    assert changed["made_by"][0]["prompt"] == "hard_negative"
    assert (rejected["negative"], rejected["reason"]) == ("d3", "above_margin")
    assert (rejected["score"], rejected["ceiling"]) == (0.75, 0.5)


def test_a_generated_negative_is_walked_back_through_its_row(run: Run) -> None:
    lineage = run.why("n1")
    (use,) = lineage.uses
    assert (use.step, use.row_id, use.role, use.score) == ("hard_negative", "q1", "negative", 0.25)
    assert use.made_by[0]["prompt_sha"] == "sha"
    assert use.rejected_by is None
    assert lineage.events[0].id == "d1"


def test_a_document_tells_where_it_is_a_negative_and_what_became_of_it(run: Run) -> None:
    lineage = run.why("d3")
    assert lineage.events[-1].facts == {"reason": "check_words"}
    (use,) = lineage.uses
    assert (use.rejected_by, use.reason, use.ceiling) == ("margin_filter", "above_margin", 0.5)
    assert [child.id for child in run.why("d1").children] == ["q1"]
    assert [use.role for use in run.why("d1").uses] == ["positive"]


def test_an_unknown_id_is_said_to_be_unknown(run: Run) -> None:
    with pytest.raises(SynthError, match="has the id 'nobody'; looked in source, docs"):
        run.why("nobody")


def test_lists_and_structures_are_shown_as_a_reader_writes_them() -> None:
    notes = [{"id": "a", "note": "twice"}, {"id": "b", "note": None}]
    assert _labelled("listed", notes, "dim").plain == "listed id a, note twice; id b"
    assert _labelled("tags", ["x", "y"], "dim").plain == "tags x; y"
    assert _labelled("words", 3, "dim").plain == "words 3"


def test_a_terminal_shows_ledger_rows_and_lineage(run: Run) -> None:
    assert "near_duplicate 1" in shown(render_ledger(run))
    cards = shown(render_rows(run["margin_filter"], 3))
    for part in ("what do [cats] say?", "cats meow", "0.250", "generated:fake", "above_margin"):
        assert part in cards
    assert "dropped: near_duplicate" in shown(render_rows(run["docs"], 3, dropped=True))
    why = shown(render_why(run.why("n1")))
    for part in ("in row q1", "from row d1", "prompt sha sha", "negative of q1"):
        assert part in why
    assert "rejected by margin_filter: above_margin, ceiling 0.500" in shown(
        render_why(run.why("d3"))
    )


def test_a_control_sequence_in_a_row_does_not_reach_the_terminal(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{"id": "d", "text": "a\x1b[31mb"}], DOC)
    write_step(tmp_path, 0, table, "source")
    (tmp_path / "_run.json").write_bytes(orjson.dumps({"recipe": "", "name": "x", "version": 1}))
    assert "\x1b" not in shown(render_rows(open_run(tmp_path)["source"]))


def export(run: Run, recipe: Recipe) -> RunInfo:
    configs = {}
    for spec in recipe.export:
        done = shape(spec, run[spec.from_ or run.steps[-1]].to_arrow())
        parts = [{name: table.sort_by("_order") for name, table in done.tables.items()}]
        files = file_sets(recipe.export, spec)
        write_tables(parts, files, 3, run.folder)
        configs[spec.name] = written(files[0], run.folder, pa.schema([]))
    return RunInfo(recipe, run.records, [], {}, configs, "2026-01-02", {})


def test_an_equal_window_of_another_step_is_made_there_and_not_kept(tmp_path: Path) -> None:
    doc = {"id": "d1", "text": "cats meow"}
    window = doc | {"id": "w", "doc_ids": ["d1"]}
    schema = DOC.append(pa.field("doc_ids", pa.list_(pa.string())))
    steps = [
        (0, doc, "source", "", 0),
        (1, window, "a", "source", 1),
        (2, window, "b", "source", 1),
    ]
    for number, row, name, reads, made in steps:
        table = pa.Table.from_pylist([row, doc | {"id": "d2"}], schema)
        write_step(tmp_path, number, table, "pack" if made else "source", reads, name, made)
    (tmp_path / "_run.json").write_bytes(
        orjson.dumps({"name": "cats", "version": "1", "recipe": ""})
    )
    events = open_run(tmp_path).why("w").events
    assert [(one.step, one.id, one.what) for one in events] == [
        ("source", "d1", "read"), ("a", "d1", "replaced"), ("b", "d1", "replaced"),
        ("a", "w", "made"), ("b", "w", "made"),
    ]  # fmt: skip


def test_datasets_opens_a_run_with_two_configs(
    run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    with pytest.raises(SynthError, match="has no dataset yet"):
        run.dataset()
    run.folder.write("README.md", b"---\ntags: [synth]\n---\n")
    with pytest.raises(SynthError, match="has exported no row that `datasets` reads"):
        run.dataset()
    info = export(run, parse_recipe(RECIPE, "test"))
    run.folder.write("README.md", render_card(info).encode())
    with pytest.raises(SynthError, match=r"no configuration 'queries'; it has .*corpus"):
        run.dataset("queries")
    first, corpus = run.dataset(), run.dataset("corpus")
    split = "train" if info.configs["default"].splits.get("train") else "test"
    assert {name: part.num_rows for name, part in first.items()} == {split: 1}
    assert first[split][0] == {
        "query": "what do [cats] say?", "positive": "cats meow", "negative_1": "a dog",
        "id": "q1", "source_id": "d1",
    }  # fmt: skip
    assert corpus["train"]["id"] == ["d1", "d3"]
    columns = info.configs["corpus"].schema
    assert columns is not None
    assert corpus["train"].features.arrow_schema.types == columns.types
    assert datasets.load_dataset(run.folder.root)[split].num_rows == 1


def test_rows_around_a_threshold_are_shown_from_both_sides(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": list("abcde"),
            "score": pa.array([0.1, 0.9, 0.45, None, 0.5]),
            "drop_reason": ["low", None, None, "none", None],
        }
    )
    write_step(tmp_path / "r" / "1", 0, table, "source", "", "", made=0)
    data = {"recipe": RECIPE, "name": "r", "version": "1"}
    (tmp_path / "r" / "1" / "_run.json").write_bytes(orjson.dumps(data))
    step = open_run(tmp_path / "r" / "1")["source"]
    assert step.near("score", 0.4, 3)["id"].to_pylist() == ["a", "c", "e"]
    assert step.near("score", 0.4, 9)["id"].to_pylist() == ["a", "c", "e", "b"]
    assert "4 rows around score 0.4" in shown(render_near(step, "score", 0.4, 9))
    with pytest.raises(SynthError, match="has no column 'scores'; it has id, score"):
        step.near("scores", 0.4)
    with pytest.raises(SynthError, match="reads numbers"):
        step.near("id", 0.4)


@pytest.mark.parametrize("at", [0, 30])
def test_a_damaged_file_is_one_sentence_that_names_it(at: int, run: Run) -> None:
    step = run["docs"]
    path = Path(step.folder.root) / step.record.parts[0].file
    whole = path.read_bytes()
    path.write_bytes(whole[:200] if not at else whole[:at] + b"garbage" * 3 + whole[at + 21 :])
    with pytest.raises(StorageError, match="it is damaged") as caught:
        open_run(run.folder.url)["docs"].to_arrow()
    assert path.name in str(caught.value)
    assert "delete that folder, and run again" in str(caught.value)
