"""Every export of a run, from its steps' rows to its files, in this process and on Ray."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth.core.errors import SynthError
from synth.recipe import Recipe, parse_recipe
from synth.runner import exporting, passages, run

pytestmark = pytest.mark.ray

HALVES = {"train": 0.5, "test": 0.5}
NAMES = ["n_tuple", "triplet", "pair", "labeled_pair", "labeled_list", "listwise"]
EXPORTS: list[dict[str, Any]] = [
    *({"format": name, "name": name, "splits": HALVES} for name in NAMES),
    {"format": "nemotron", "name": "nemo", "splits": HALVES, "corpus": "docs"},
    {"format": "beir", "name": "eval", "corpus": "docs", "negatives": True},
    {"format": "documents", "name": "docs", "from": "docs"},
]


def documents(number: int) -> list[dict[str, Any]]:
    return [{"id": f"d{at:02}", "text": f"Document {at} says a thing."} for at in range(number)]


def retrieval(number: int) -> list[dict[str, Any]]:
    """Rows that name documents; the first four each lack something."""
    found, made = documents(number + 4), []
    for at in range(number):
        negatives = [{**found[at + 1 + one], "score": 0.5 - one / 10} for one in range(4)]
        positives = [{**found[at], "score": 0.9}]
        row = {"id": f"q{at:02}", "query": f"what is {at}?", "pos": positives, "neg": negatives}
        made.append(row)
    made[0]["pos"], made[1]["neg"], made[2]["pos"] = [], [], [{"id": "x", "text": " "}]
    made[3]["neg"] = [{**found[-1], "score": None}]
    return made


def recipe(
    folder: Path, exports: list[dict[str, Any]], rows: list[dict[str, Any]], version: str = "1"
) -> Recipe:
    for name, records in (("rows", rows), ("docs", documents(20))):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines)
    columns = {"id": "id", "query": "query", "positives": "pos", "negatives": "neg"}
    docs = {"kind": "jsonl", "path": "docs.jsonl", "columns": {"id": "id", "text": "text"}}
    text = yaml.safe_dump(
        {
            "name": "cats",
            "version": version,
            "source": {"kind": "jsonl", "path": "rows.jsonl", "columns": columns},
            "sources": {"docs": docs},
            "steps": [{"kind": "take", "from": "source", "rows": 100}],
            "export": exports,
        }
    )
    return parse_recipe(text, "cats.yaml").placed(folder, text)


def files(root: Path) -> dict[str, bytes]:
    found = [*(root / "data").rglob("*.*"), *root.glob("*/dataset_metadata.json")]
    return {str(one.relative_to(root)): one.read_bytes() for one in sorted(found)}


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_every_export_accounts_for_every_row(kind: str, tmp_path: Path, ray_session: None) -> None:
    exports = [{**one, "files": kind} for one in EXPORTS]
    if kind == "jsonl":
        exports.append({"format": "flag_embedding", "name": "flag"})
    outcome = run(recipe(tmp_path, exports, retrieval(12)), out=str(tmp_path / "out"))
    for record in outcome.records:
        assert record.adds_up, record
    made = {record.kind: record for record in outcome.records[-len(exports) :]}
    assert made["beir"].dropped == {"no_positive": 2}
    assert made["beir"].facts == {"corpus": "20 passages"}
    assert made["nemotron"].dropped == {"no_positive": 2, "no_negative": 1}
    assert made["listwise"].dropped == {
        "no_positive": 2, "short_of_documents": 1, "no_score": 1,
    }  # fmt: skip


def test_ray_sorts_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_session: None
) -> None:
    exports = [one for one in EXPORTS if one["name"] in ("labeled_pair", "nemo")]
    here = run(recipe(tmp_path, exports, retrieval(12)), out=str(tmp_path / "here"))
    for module in (exporting, passages):
        monkeypatch.setattr(module, "SORTED_HERE_ROWS", 0)
    there = run(recipe(tmp_path, exports, retrieval(12)), out=str(tmp_path / "there"))
    assert files(Path(here.path)) == files(Path(there.path))
    assert len(files(Path(here.path))) == 2 + 2 * 2 + 3


def test_a_passage_with_two_texts_is_named_and_nothing_is_finished(
    tmp_path: Path, ray_session: None
) -> None:
    rows = retrieval(6)
    rows[5]["neg"][0]["text"] = "Another text altogether."
    changed = rows[5]["neg"][0]["id"]
    with pytest.raises(SynthError, match=f"passage '{changed}' has two different texts"):
        run(recipe(tmp_path, [{"format": "beir"}], rows), out=str(tmp_path / "out"))
    root = tmp_path / "out" / "cats" / "1"
    assert not (root / "README.md").exists()
    assert not (root / "_export").exists()


def test_a_restart_leaves_no_file_of_an_export_that_is_gone(
    tmp_path: Path, ray_session: None
) -> None:
    nemotron = [{"format": "nemotron", "name": "nemo"}]
    first = run(recipe(tmp_path, nemotron, retrieval(6)), out=str(tmp_path / "out"))
    root = Path(first.path)
    assert (root / "nemo" / "dataset_metadata.json").exists()
    beir = recipe(tmp_path, [{"format": "beir"}], retrieval(6))
    run(beir, out=str(tmp_path / "out"), restart_from="export")
    assert not (root / "nemo").exists()
    assert {name.split("/")[1] for name in files(root)} == {"default"}


def test_rows_that_all_lack_something_leave_a_dataset_without_rows(
    tmp_path: Path, ray_session: None
) -> None:
    outcome = run(recipe(tmp_path, EXPORTS[6:8], retrieval(12)[:1]), out=str(tmp_path / "out"))
    for record in outcome.records[-2:]:
        assert (record.rows_out, record.dropped) == (0, {"no_positive": 1})
    assert "eval-queries" not in (Path(outcome.path) / "README.md").read_text().split("---")[1]
