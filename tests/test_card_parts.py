"""The parts of a card that say how a dataset was made, what it is for, and what to cite."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import orjson
import pyarrow as pa
import pytest
import yaml
from huggingface_hub import DatasetCard
from test_card import RECIPE, a_run, configs

from synth.card import addressed, metadata, render_card
from synth.inputs.prompts import load_prompt
from synth.inputs.shipped import shipped_names
from synth.recipe import load_recipe
from synth.steps import AnyStep
from synth.steps.papers import _ALWAYS, PAPERS, papers_of

NASTY = "<script>alert(1)</script> | `a` ``` \n# head [x](y) \x1b[31mred\x9b2J\u202e &amp; ---"


def nasty_card() -> str:
    run = a_run()
    schema = pa.schema([("query", pa.string()), ("positive", pa.string()), (NASTY, pa.string())])
    found = configs(run.recipe, schema)
    example = {"query": NASTY, "positive": NASTY, NASTY: [NASTY, {NASTY: NASTY}]}
    found = {name: replace(one, example=example) for name, one in found.items()}
    return render_card(replace(run, configs=found))


def test_the_text_of_rows_changes_nothing_in_the_card() -> None:
    text = nasty_card()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    outside = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "\n# head" not in outside
    code = r"(`+)(?!`).*?(?<!`)\1(?!`)"
    assert "<script>" not in re.sub(code, "", outside.split("---\n", 2)[2])
    assert re.search(r"^## Known limits$", outside, re.MULTILINE)


def test_an_example_with_any_text_is_still_json() -> None:
    blocks = re.findall(r"^(`{3,})json\n(.*?)\n\1$", nasty_card(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for _, block in blocks:
        assert orjson.loads(block)["query"] == NASTY


def test_the_metadata_of_any_column_name_are_read_offline() -> None:
    data: Any = DatasetCard(nasty_card(), ignore_metadata_errors=False).data
    (info, _) = data.to_dict()["dataset_info"]
    assert info["features"][2] == {"name": NASTY, "dtype": "string"}


@pytest.mark.parametrize("name", shipped_names("recipes"))
def test_the_card_of_every_recipe_that_ships_has_a_diagram_and_methods(name: str) -> None:
    recipe = load_recipe(name)
    prompts = [
        load_prompt(step.prompt, recipe.base)
        for _, step in recipe.named_steps()
        if step.kind == "generate"
    ]
    text = render_card(replace(a_run(), recipe=recipe, prompts=prompts, configs={}))
    (drawn,) = re.findall(r"```mermaid\nflowchart TD\n(.*?)\n```", text, re.DOTALL)
    boxes = re.findall(r"^  (\w+)[\[(]", drawn, re.MULTILINE)
    assert len(boxes) == len(set(boxes))
    for step, _ in recipe.named_steps():
        assert f'"{step}<br>' in drawn
    arrows = re.findall(r"^  (\w+) -\.?->? ?>? ?(\w+)$", drawn.replace("-.->", "-->"), re.MULTILINE)
    assert {box for arrow in arrows for box in arrow} == set(boxes)
    assert "## Methods to cite" in text
    DatasetCard(text, ignore_metadata_errors=False)


def test_names_cannot_leave_their_box_of_the_diagram() -> None:
    recipe = RECIPE.replace("model: writer}", "models: {writer: 1, other: 2}}").replace(
        "\nsteps:", "\n  other: {kind: fake}\nsteps:"
    )
    text = render_card(a_run(recipe))
    (drawn,) = re.findall(r"```mermaid\n(.*?)\n```", text, re.DOTALL)
    assert 'n0["ask<br>generate by writer, other<br>2 rows"]' in drawn


def test_kinds_that_follow_a_paper_are_kinds_of_steps() -> None:
    kinds = {one.model_fields["kind"].default for one in get_args(get_args(AnyStep)[0])}
    assert set(_ALWAYS) <= kinds
    assert all(re.fullmatch(r"\d{4}\.\d{4,5}", number) for number in PAPERS)


def test_the_methods_of_steps_depend_on_how_they_are_set() -> None:
    recipe = load_recipe("distinct_queries")
    named = {paper.title for _, step in recipe.named_steps() for paper in papers_of(step)}
    assert any(title.startswith("NV-Retriever") for title in named)


def test_models_that_wrote_are_named_by_their_hub_ids() -> None:
    quickstart = load_recipe("quickstart")
    run = replace(a_run(), recipe=quickstart)
    assert metadata(run)["base_model"] == ["HuggingFaceTB/SmolLM2-135M-Instruct"]
    assert "base_model" not in metadata(a_run())
    named = a_run(RECIPE.replace("model: m,", "model: Qwen/Qwen3-8B,"))
    assert metadata(named)["base_model"] == ["Qwen/Qwen3-8B"]


def test_figures_and_limits_are_told() -> None:
    text = render_card(replace(a_run(), limit=20, figures={"default": {"a | b": "1 of 2"}}))
    assert "| a \\| b | 1 of 2 |" in text
    assert "synth run cats.yaml --limit 20" in text
    assert "Only the first 20 records of the main source were read." in text
    assert "## Quality" not in render_card(a_run())


def test_uses_follow_the_formats() -> None:
    text = render_card(a_run())
    assert "- `default`: training an embedding model for retrieval, with hard negatives." in text
    assert "- Not for: measuring a model" in text


def test_a_published_card_names_its_dataset_and_nothing_else_changes() -> None:
    text = render_card(a_run())
    there = addressed(text, "org/cats")
    assert 'load_dataset("org/cats")' in there
    assert there.replace("org/cats", "REPOSITORY_OR_FOLDER") == text


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (pa.list_(pa.float32(), 3), {"list": "float32", "length": 3}),
        (pa.large_list(pa.int8()), {"large_list": "int8"}),
        (pa.timestamp("us", tz="UTC"), {"dtype": "timestamp[us, tz=UTC]"}),
        (pa.date32(), {"dtype": "date32"}),
        (pa.list_(pa.struct([("a", pa.bool_())])), {"list": [{"name": "a", "dtype": "bool"}]}),
        (pa.map_(pa.string(), pa.string()), None),
    ],
)
def test_types_are_written_as_datasets_reads_them(
    kind: pa.DataType, told: dict[str, Any] | None
) -> None:
    from datasets import Features

    run = a_run()
    run = replace(run, configs=configs(run.recipe, pa.schema([("c", kind)])))
    infos = metadata(run).get("dataset_info", [])
    if told is None:
        assert infos == []
        return
    features = yaml.safe_load(yaml.safe_dump(infos, sort_keys=False))[0]["features"]
    assert features == [{"name": "c", **told}]
    assert Features._from_yaml_list(features).arrow_schema.field("c").type == kind
