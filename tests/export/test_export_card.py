"""The card of each format: files, rows, and code that can be copied."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import DatasetCard
from publishing import publish, retrieval_rows

FORMATS: dict[str, tuple[dict[str, Any], str]] = {
    "pair": ({}, "MultipleNegativesRankingLoss(model)"),
    "triplet": ({"scores": True}, "MarginMSELoss(model)"),
    "n_tuple": ({"negatives": 3, "ids": True}, '.remove_columns(["id", "source_id"])'),
    "labeled_pair": ({}, "BinaryCrossEntropyLoss(model)"),
    "labeled_list": ({"scores": True}, "ListNetLoss(model)"),
    "flag_embedding": ({"scores": True}, "--knowledge_distillation True"),
    "listwise": ({"files": "jsonl"}, 'data_args.data_path: "FOLDER/data/train.jsonl"'),
    "nemotron": ({}, "data_dir_list: [hf://REPOSITORY/default]"),
    "beir": ({"files": "jsonl"}, 'GenericDataLoader("FOLDER/data/default")'),
    "rows": ({}, 'load_dataset("REPOSITORY_OR_FOLDER")'),
}


def card(tmp_path: Path, name: str) -> str:
    more, _ = FORMATS[name]
    publish(tmp_path, [{"format": name, **more}], retrieval_rows(3))
    return (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_a_card_has_the_code_of_the_trainer(name: str, tmp_path: Path) -> None:
    text = card(tmp_path, name)
    assert FORMATS[name][1] in text
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(code, name, "exec")
        for line in re.findall(r"^from (?:datasets|sentence_transformers).*$", code, re.MULTILINE):
            exec(line, {})


@pytest.mark.parametrize("name", FORMATS)
def test_a_card_names_files_that_are_there_and_shows_a_row_of_each(
    name: str, tmp_path: Path
) -> None:
    text = card(tmp_path, name)
    data: Any = DatasetCard(text, ignore_metadata_errors=False).data
    for config in data.to_dict()["configs"]:
        for files in config["data_files"]:
            assert list(tmp_path.glob(files["path"]))
        assert f"\n`{config['config_name']}`:\n\n```json\n" in text
    assert all(f"{path}" in text for path in re.findall(r"FOLDER/(data/\S+\.jsonl)", text))


def test_a_dataset_for_evaluation_is_no_training_set_of_sentence_transformers(
    tmp_path: Path,
) -> None:
    head = yaml.safe_load(card(tmp_path, "beir").split("---\n")[1])
    assert head["task_categories"] == ["text-retrieval"]
    assert head["tags"] == ["synthetic", "synth", "mteb"]
    head = yaml.safe_load(card(tmp_path / "pairs", "pair").split("---\n")[1])
    assert head["task_categories"] == ["sentence-similarity", "text-retrieval"]
    assert head["tags"] == ["synthetic", "synth", "sentence-transformers"]
