"""What single recipes promise, seen in the datasets that they leave; those here need no model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import datasets
import pytest
from accounts import accounts

from synth.new_recipe import new_recipe
from synth.recipe import load_recipe
from synth.runner import run


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session", "cache")
def test_a_copy_of_limit_runs_and_judges_exactly_two_documents_for_each_query(
    tmp_path: Path,
) -> None:
    made = new_recipe("mine", "limit", tmp_path)
    path = run(load_recipe(str(made[0])), out=str(tmp_path / "out")).path
    assert Path(path).parts[-2:] == ("mine", "1")
    judged = datasets.load_dataset(path, "qrels", split="test")
    corpus = datasets.load_dataset(path, "corpus", split="corpus")
    queries = datasets.load_dataset(path, "queries", split="queries")
    assert (len(judged), len(queries), len(corpus)) == (2000, 1000, 46)
    assert set(Counter(judged["query-id"]).values()) == {2}
    assert set(judged["corpus-id"]) == set(corpus["_id"])


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session", "cache")
def test_each_shard_set_holds_one_task_and_together_they_hold_all_rows(tmp_path: Path) -> None:
    recipe = load_recipe("single_task_shards")
    path = Path(run(recipe, out=str(tmp_path)).path)
    found = accounts(path)
    live = {
        name: [row for row in one.rows if row["drop_reason"] is None] for name, one in found.items()
    }
    for export in recipe.export:
        assert {row["task"] for row in live[str(export.from_)]} == {export.name}
        queries = {row["query"] for row in live[str(export.from_)]}
        assert set(datasets.load_dataset(str(path), export.name, split="train")["query"]) == queries
    parts = [row["id"] for name in ("retrieval", "sts", "classification") for row in live[name]]
    assert sorted(parts) == sorted(row["id"] for row in live["source"])
    assert "| retrieval | retrieval | 8 | 0.7200 |" in (path / "README.md").read_text()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session", "cache")
def test_folds_of_an_aspect_fill_every_split_and_share_no_document(tmp_path: Path) -> None:
    path = run(load_recipe("aspect_pairs"), out=str(tmp_path)).path
    found = datasets.load_dataset(path)
    texts = {
        split: {text for row in rows for text in (row["query"], row["passage"])}
        for split, rows in found.items()
    }
    assert set(texts) == {"train", "test"}
    assert not texts["train"] & texts["test"]
    assert 0.1 < len(texts["test"]) / sum(map(len, texts.values())) < 0.4


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_strata_hold_their_quotas(tmp_path: Path) -> None:
    found = accounts(Path(run(load_recipe("length_stratified"), out=str(tmp_path)).path))
    came, left = (
        Counter(row["stratum"] for row in found[name].rows if row["drop_reason"] is None)
        for name in ("strata", "even")
    )
    assert left == {stratum: min(8, number) for stratum, number in came.items()}
    assert len(left) == 4


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session", "cache")
def test_pass_keys_are_one_for_each_document_of_its_length(tmp_path: Path) -> None:
    path = run(load_recipe("passkey"), out=str(tmp_path)).path
    corpus = datasets.load_dataset(path, "corpus", split="corpus")
    places = datasets.load_dataset(path, "places", split="train")
    text = dict(zip(corpus["_id"], corpus["text"], strict=True))
    for row in places:
        assert [row["key"] in one for one in text.values()].count(True) == 1
        assert row["key"] in text[row["id"]]
        assert 0.98 * row["length"] <= row["tokens"] <= row["length"]
    assert Counter(places["length"]) == {256: 20, 512: 20, 1024: 20}
