from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
import yaml
from huggingface_hub import DatasetCard

from synth.card import RunInfo, metadata, render_card
from synth.core.prompt import Prompt, PromptHead
from synth.export import Written, file_sets
from synth.manifest import StepRecord
from synth.recipe import Recipe, parse_recipe
from synth.redact import redacted

RECIPE = """\
name: cats
description: "Questions | about cats: and --- more"
source: {kind: jsonl, path: /home/alice/secret/cats.jsonl, columns: {text: text}}
models:
  writer: {kind: openai, model: m, base_url: "http://gpu7.lab.internal:8000/v1"}
steps:
  - {kind: generate, prompt: ask, model: writer}
  - {kind: margin_filter}
export:
  - {format: n_tuple, splits: {train: 0.9, test: 0.1}}
  - {format: rows, name: all_rows}
"""
PROMPT = "---\npurpose: Ask.\n---\nSay:\n````\ncode\n````\n"


def record(name: str, kind: str) -> StepRecord:
    return StepRecord(
        name=name, kind=kind, fingerprint="f", ingredients={"path": "/home/alice"}, rows_in=3,
        rows_out=2, dropped={"too_short": 1},
    )  # fmt: skip


def configs(recipe: Recipe, columns: pa.Schema) -> dict[str, Written]:
    counts = ({"train": 1200, "test": 30}, {"train": 1230})
    example = {"query": "q" * 1000, "positive": "p", "numbers": list(range(50))}
    return {
        spec.name: Written(file_sets(recipe.export, spec)[0], rows, columns, example)
        for spec, rows in zip(recipe.export, counts, strict=True)
    }


def a_run(recipe: str = RECIPE) -> RunInfo:
    parsed = parse_recipe(recipe, "test")
    head = PromptHead(purpose="Ask.", makes="pairs")
    columns = pa.schema([("query", pa.string()), ("positive", pa.string())])
    return RunInfo(
        recipe=parsed.placed(parsed.base, recipe),
        records=[record("source", "source"), record("ask", "generate")],
        prompts=[Prompt("ask", head, (), "abc123", PROMPT)],
        models={"writer": '{"base_url":"http://gpu7.lab.internal:8000/v1","model":"m"}'},
        configs=configs(parsed, columns),
        run_date="2026-01-02",
        packages={"synth-recipes": "0.1.0"},
    )


def test_the_hub_reads_the_metadata() -> None:
    card = DatasetCard(render_card(a_run()), ignore_metadata_errors=False)
    data: Any = card.data
    assert data.pretty_name == "cats"
    assert data.size_categories == ["1K<n<10K"]
    assert data.task_categories == ["sentence-similarity", "text-retrieval"]
    assert data.to_dict()["configs"] == [
        {
            "config_name": "default",
            "default": True,
            "data_files": [
                {"split": "train", "path": "data/train-?????-of-?????.parquet"},
                {"split": "test", "path": "data/test-?????-of-?????.parquet"},
            ],
        },
        {
            "config_name": "all_rows",
            "data_files": [
                {"split": "train", "path": "data/all_rows/train-?????-of-?????.parquet"}
            ],
        },
    ]


def test_no_path_host_or_key_of_the_machine_is_in_the_card() -> None:
    text = render_card(a_run())
    for secret in ("alice", "/home", "gpu7", "lab.internal"):
        assert secret not in text
    assert "…/cats.jsonl" in text
    assert "http://<host>/v1" in text


def test_a_recipe_without_anything_private_is_in_the_card_verbatim() -> None:
    recipe = RECIPE.replace("/home/alice/secret/", "data/").replace(
        "gpu7.lab.internal", "127.0.0.1"
    )
    assert recipe in render_card(a_run(recipe))


def test_a_prompt_is_in_the_card_verbatim_inside_a_longer_fence() -> None:
    text = render_card(a_run())
    assert f"`````markdown\n{PROMPT}`````" in text
    assert "`abc123`" in text


def test_no_licence_is_said_and_left_out_of_the_metadata() -> None:
    run = a_run()
    assert "license" not in metadata(run)
    assert "No licence chosen" in render_card(run)
    chosen = a_run(RECIPE + "card: {license: cc-by-4.0, languages: [en], tags: [cats, synth]}\n")
    assert metadata(chosen)["license"] == "cc-by-4.0"
    assert metadata(chosen)["language"] == ["en"]
    assert metadata(chosen)["tags"] == ["synthetic", "synth", "sentence-transformers", "cats"]


def test_documents_are_for_text_generation() -> None:
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    run = a_run()
    run = replace(run, configs=configs(run.recipe, schema))
    assert metadata(run)["task_categories"] == ["text-generation"]


def test_hub_sources_are_named() -> None:
    source = "source: {kind: hub, dataset: org/cats}"
    run = a_run(re.sub(r"source: .*", source, RECIPE, count=1))
    assert metadata(run)["source_datasets"] == ["org/cats"]


def test_an_example_is_cut_and_the_ledger_tells_reasons() -> None:
    text = render_card(a_run())
    assert "q" * 300 + "…" in text
    assert "q" * 301 not in text
    assert "… 47 more" in text
    assert "too_short 1" in text


def test_a_config_without_rows_is_left_out_of_the_metadata() -> None:
    run = a_run()
    empty = replace(run.configs["default"], splits={}, schema=None, example={})
    run = replace(run, configs={"default": empty, "all_rows": run.configs["all_rows"]})
    assert [one["config_name"] for one in metadata(run)["configs"]] == ["all_rows"]
    assert metadata(run)["configs"][0]["default"] is True


def test_the_metadata_is_the_yaml_at_the_top() -> None:
    run = a_run()
    assert yaml.safe_load(render_card(run).split("---\n")[1]) == metadata(run)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("path: /home/alice/data/cats.jsonl", "path: …/cats.jsonl"),
        ("path: ~/cats.jsonl", "path: …/cats.jsonl"),
        ("[/mnt/models/llama, x]", "[…/llama, x]"),
        ("path: 'C:\\Users\\alice\\cats.jsonl'", "path: '…/cats.jsonl'"),
        ("path: /srv/data/*.parquet", "path: …/*.parquet"),
        ("path: s3://bucket/deep/cats.jsonl", "path: s3://…/cats.jsonl"),
        ("file:///home/alice/cats.jsonl", "file://…/cats.jsonl"),
        ("https://u:pw@files.corp.com/a/cats.jsonl?sig=1", "https://…/cats.jsonl"),
        ("base_url: http://10.0.0.7:8000/v1", "base_url: http://<host>/v1"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("# token hf_abcdefghijklmnop", "# token <key>"),
        ("data/cats.jsonl and/or ../cats.jsonl, arXiv:2508.21632 1/2/3", None),
        ("model: org/name # https://arxiv.org/abs/2407.15831", None),
    ],
)
def test_paths_hosts_and_keys_are_shortened(text: str, public: str | None) -> None:
    assert redacted(text) == (text if public is None else public)
    assert redacted(redacted(text)) == redacted(text)


def test_a_card_tells_how_often_to_take_each_configuration() -> None:
    sampling = (
        "card: {sampling: {groups: {pairs: {share: 3, configs: [default]}, "
        "others: {configs: [all_rows]}}}}\n"
    )
    text = render_card(a_run(RECIPE + sampling))
    assert re.search(r"\| default \| pairs \| 1,230 \| 0\.7500 \|", text)
    assert re.search(r"\| all_rows \| others \| 1,230 \| 0\.2500 \|", text)
    assert "## Sampling" not in render_card(a_run())


TOKENS = """
name: windows
version: "1"
source: {kind: jsonl, path: docs.jsonl}
steps:
  - {name: few, kind: pack, tokenizer: bundled/smollm2-135m-instruct, window_tokens: 64}
  - {name: many, from: source, kind: pack, tokenizer: bundled/smollm2-135m-instruct,
     window_tokens: 128, fill: true}
  - {name: some, kind: sample, fraction: 0.5}
export:
  - {format: rows}
  - {format: tokens, name: mine, trainer: TRAINER, from: FROM}
"""


@pytest.mark.parametrize(
    ("trainer", "told"), [("megatron", "--seq-length {}"), ("nanotron", "sequence_length: {}")]
)
@pytest.mark.parametrize(("reads", "tokens"), [("few", 64), ("many", 128), ("some", 128)])
def test_a_trainer_of_token_files_is_told_the_length_of_its_own_windows(
    trainer: str, told: str, reads: str, tokens: int
) -> None:
    run = a_run(TOKENS.replace("TRAINER", trainer).replace("FROM", reads))
    records = [record("few", "pack"), record("many", "pack"), record("some", "sample")]
    reads_of = dict(zip(("few", "many", "some"), ("source", "source", "many"), strict=True))
    records = [one.model_copy(update={"reads": reads_of[one.name]}) for one in records]
    text = render_card(replace(run, records=records, prompts=[]))
    assert f"{told.format(tokens - (trainer == 'nanotron'))} " in f"{text} ".replace("\n", " ")
    assert ("Windows are not filled up" in text) == (reads == "few")


def test_a_card_without_a_row_shows_no_way_to_load_it() -> None:
    text = render_card(replace(a_run(), configs={}))
    assert "No configuration has a row." in text
    assert "load_dataset" not in text
