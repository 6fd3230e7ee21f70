from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from synth.core.chat import Sampling
from synth.core.errors import RecipeError
from synth.engines.specs import FakeSpec, OpenAISpec
from synth.formats import (
    BeirExport,
    DocumentsExport,
    ListwiseExport,
    NemotronExport,
    NTupleExport,
    PairExport,
    RowsExport,
)
from synth.inputs.shipped import shipped_names
from synth.inputs.sources import JsonlSource, ParquetSource
from synth.recipe import CardSpec, Recipe, load_recipe, parse_recipe
from synth.steps import Embed, Generate, MarginFilter, MineNegatives, Take

GOOD = """\
name: cats
source: {kind: jsonl, path: cats.jsonl}
models: {writer: {kind: fake}}
steps:
  - {name: docs, kind: minhash_dedup, threshold: 0.8}
  - {kind: generate, prompt: query_from_passage, model: writer}
export: {format: pair}
"""

# What is wrong, by what replaces what in the recipe above.
WRONG: dict[str, tuple[str, str, str]] = {
    "a key of the recipe": (
        "name: cats",
        "name: c\nsede: 1",
        "sede: unknown key; did you mean 'seed'?",
    ),
    "a key of a step": (
        "threshold",
        "treshold",
        "steps.1.treshold: unknown key; did you mean 'threshold'?",
    ),
    "a key by its beginning": (
        "threshold",
        "num",
        "steps.1.num: unknown key; did you mean 'num_perm'?",
    ),
    "a key of one letter": (
        "threshold",
        "k",
        "steps.1.k: unknown key; allowed are ",
    ),
    "a key like no other": (
        "threshold",
        "zzz",
        "steps.1.zzz: unknown key; allowed are against, against_column, column, from, index, "
        "keep, kind, name, ngram, num_perm, threshold",
    ),
    "a key of a model": (
        "{kind: fake}",
        "{kind: fake, modle: a}",
        "models.writer.modle: unknown key; did you mean 'model'?",
    ),
    "a key of a source": (
        "path: cats.jsonl",
        "pth: a",
        "source.pth: unknown key; did you mean 'path'?",
    ),
    "a key of an export": (
        "format: pair",
        "format: pair, splitz: {}",
        "export.1.splitz: unknown key; did you mean 'splits'?",
    ),
    "a key of sampling": (
        "model: writer}",
        "model: writer, sampling: {temprature: 1}}",
        "steps.2.sampling.temprature: unknown key; did you mean 'temperature'?",
    ),
    "a kind of step": (
        "kind: minhash_dedup",
        "kind: minhash_dedupe",
        "steps.1.kind: there is no 'minhash_dedupe'; did you mean 'minhash_dedup'?",
    ),
    "a kind of source": (
        "kind: jsonl",
        "kind: json",
        "source.kind: there is no 'json'; did you mean 'jsonl'?",
    ),
    "a kind of model": (
        "{kind: fake}",
        "{kind: gguf}",
        "models.writer.kind: there is no 'gguf'; allowed are vllm, openai, "
        "sentence_transformers, cross_encoder, fake",
    ),
    "a format": (
        "format: pair",
        "format: tripel",
        "export.1.format: there is no 'tripel'; did you mean 'triplet'?",
    ),
    "no kind": (
        "kind: generate, ",
        "",
        "steps.2: `kind` is missing",
    ),
    "no prompt": (
        "prompt: query_from_passage, ",
        "",
        "steps.2.prompt: is missing",
    ),
    "no source": (
        "source: {kind: jsonl, path: cats.jsonl}",
        "",
        "source: is missing",
    ),
    "no step": (
        "steps:",
        "more:",
        "more: unknown key; ",
    ),
    "steps of text": (
        GOOD[GOOD.index("steps:") : GOOD.index("export:")],
        "steps: docs\n",
        "steps: input should be a valid list, got 'docs'",
    ),
    "a step of text": (
        "- {name: docs, kind: minhash_dedup, threshold: 0.8}",
        "- docs",
        "steps.1: input should be a valid mapping, got 'docs'",
    ),
    "a number": (
        "0.8",
        "high",
        "steps.1.threshold: input should be a valid number, unable to parse string as a "
        "number, got 'high'",
    ),
    "a range": (
        "0.8",
        "1.5",
        "steps.1.threshold: input should be less than or equal to 1, got 1.5",
    ),
    "a range of sampling": (
        "model: writer}",
        "model: writer, sampling: {temperature: 3}}",
        "steps.2.sampling.temperature: input should be less than or equal to 2, got 3",
    ),
    "a seed": (
        "name: cats",
        "name: cats\nseed: -1",
        "seed: input should be greater than or equal to 0, got -1",
    ),
    "a name": (
        "name: docs",
        "name: ../docs",
        "steps.1.name: string should match pattern",
    ),
    "a name twice": (
        "{kind: generate",
        "{name: docs, kind: generate",
        "step 'generate' is called 'docs', as is another step; give it a `name` of its own",
    ),
    "a prompt twice": (
        "export:",
        "  - {kind: generate, prompt: query_from_passage, model: writer}\nexport:",
        "step 'generate' is called 'query_from_passage', as is another step",
    ),
    "the name of a source": (
        "steps:",
        "sources: {docs: {kind: jsonl, path: a}}\nsteps:",
        "step 'minhash_dedup' is called 'docs', as is a source",
    ),
    "the name source": (
        "name: docs",
        "name: source",
        "is called 'source', as is source",
    ),
    "the name export": (
        "name: docs",
        "name: export",
        "is called 'export', as is export",
    ),
    "a source named source": (
        "steps:",
        "sources: {source: {kind: jsonl, path: a}}\nsteps:",
        "sources: the name 'source' belongs to the main `source`; choose another",
    ),
    "exports of one name": (
        "{format: pair}",
        "[{format: pair}, {format: rows}]",
        "two exports have one name; give each a `name` of its own",
    ),
    "exports of one configuration": (
        "{format: pair}",
        "[{format: beir}, {format: rows, name: corpus}]",
        "two exports have a configuration 'corpus'; give one of them another `name`",
    ),
    "exports of two kinds of files": (
        "{format: pair}",
        "[{format: pair}, {format: flag_embedding, name: flag}]",
        "export 'flag' is written as jsonl and 'default' as parquet, but `datasets` opens one kind "
        "of files in one dataset; say `files: jsonl` in each, or put one into a recipe of its own",
    ),
    "a kind that a trainer does not read": (
        "{format: pair}",
        "{format: flag_embedding, files: parquet}",
        "export.1.files: input should be 'jsonl', got 'parquet'",
    ),
    "more documents than there may be": (
        "{format: pair}",
        "{format: listwise, k: 3, min_documents: 4}",
        "min_documents is 4, but no row has more than k=3 documents; raise `k` or lower",
    ),
    "a list of one document": (
        "{format: pair}",
        "{format: listwise, k: 1}",
        "export.1.k: input should be greater than or equal to 2, got 1",
    ),
    "two ways to name models": (
        "model: writer}",
        "model: writer, models: {writer: 1}}",
        "steps.2: give either `model: name` or `models: {name: weight}`",
    ),
    "no model": (
        ", model: writer}",
        "}",
        "steps.2: give either `model: name` or `models: {name: weight}`",
    ),
    "a column that is ours": (
        "path: cats.jsonl",
        "path: a, columns: {provenance: p}",
        "source.columns: synth fills 'provenance' itself; call the column something else",
    ),
    "a split's name": (
        "format: pair",
        "format: pair, splits: {a b: 1}",
        "string should match pattern",
    ),
    "no split": (
        "format: pair",
        "format: pair, splits: {}",
        "export.1.splits: mapping should have at least 1 item, not 0",
    ),
    "a filter without a rule": (
        "kind: minhash_dedup, threshold: 0.8",
        "kind: length_filter",
        "steps.1: give at least one of min_words, max_words, min_chars, max_chars",
    ),
    "an address": (
        "{kind: fake}",
        "{kind: openai, model: m, base_url: 'localhost:8000'}",
        "models.writer.base_url: string should match pattern '^https?://', got 'localhost:8000'",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence_with_its_place(what: str) -> None:
    old, new, said = WRONG[what]
    assert old in GOOD
    with pytest.raises(RecipeError) as refused:
        parse_recipe(GOOD.replace(old, new, 1), "cats.yaml")
    message = str(refused.value)
    assert message.startswith("cats.yaml: ")
    assert said in message
    assert "\n" not in message
    assert not {"tuple", "dictionary", "discriminator"} & set(message.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a mapping such as `name: ...`, not an empty file"),
        ("- cats", "must be a mapping such as `name: ...`, not list"),
        ("name: cats\nsteps: [", "is not YAML at line 2"),
        ("name: cats\n\tseed: 1", "is not YAML at line 2: found character '\\t'"),
        ("a: b: c", "is not YAML at line 1: mapping values are not allowed here"),
        ("version: 2026-99-99", "name: is missing"),
        ("\0", "is not YAML"),
        ("run: !!python/object/apply:os.system [x]", "is not YAML at line 1: could not determine"),
        ("[" * 5000, "is nested too deeply"),
    ],
    ids=lambda text: text[:12],
)
def test_a_file_that_is_no_recipe_is_one_sentence(text: str, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(text, "cats.yaml")
    assert str(refused.value).startswith("cats.yaml")
    assert said in str(refused.value)


def test_a_recipe_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'quickstrat'; did you mean 'quickstart'\?"):
        load_recipe("quickstrat")
    with pytest.raises(RecipeError, match="no recipe 'zzz'; `synth recipes` lists those"):
        load_recipe("zzz")
    with pytest.raises(RecipeError, match=r"or give the path of a .yaml file"):
        load_recipe(str(tmp_path / "none.yaml"))
    (tmp_path / "latin.yaml").write_bytes("name: café".encode("latin-1"))
    with pytest.raises(RecipeError, match=r"latin.yaml cannot be read as UTF-8 text"):
        load_recipe(str(tmp_path / "latin.yaml"))


def test_steps_are_called_by_name_else_by_prompt_else_by_kind() -> None:
    text = GOOD.replace("name: docs, ", "").replace("query_from_passage", "my/own_prompt.md")
    named = [name for name, _ in parse_recipe(text, "cats.yaml").named_steps()]
    assert named == ["minhash_dedup", "own_prompt"]


def test_a_number_may_be_a_version_and_one_export_a_list() -> None:
    recipe = parse_recipe(GOOD + "version: 1.5\n", "cats.yaml")
    assert recipe.version == "1.5"
    assert recipe.export == (PairExport(),)


def test_what_an_export_hangs_on_the_recipe_for_is_filled_in_by_its_name() -> None:
    listwise, nemotron = ListwiseExport(k=5), NemotronExport()
    assert listwise.completed("cats") == ListwiseExport(k=5, source="cats")
    assert nemotron.completed("cats") == NemotronExport(corpus_id="cats")
    named = NemotronExport(corpus_id="dogs")
    assert named.completed("cats") == named
    assert PairExport().completed("cats") == PairExport()


def test_paths_start_from_the_folder_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "cats.yaml").write_text(GOOD)
    recipe = load_recipe(str(tmp_path / "cats.yaml"))
    assert recipe.base == tmp_path
    assert recipe.text == GOOD


@pytest.mark.parametrize("name", shipped_names("recipes"))
def test_a_shipped_recipe_survives_being_written_out(name: str) -> None:
    recipe = load_recipe(name)
    made = Recipe.model_validate(recipe.model_dump(by_alias=True))
    assert made.text != recipe.text
    assert parse_recipe(made.text, "written") == made
    assert made.model_dump() == recipe.model_dump()


MADE = Recipe(
    name="made",
    version="2",
    description="Ünïcode: and a colon.",
    seed=3,
    source=JsonlSource(kind="jsonl", path="a.jsonl", columns={"text": "body", "title": "name"}),
    sources={"corpus": ParquetSource(kind="parquet", path="s3://bucket/corpus")},
    models={
        "writer": FakeSpec(kind="fake", fail_rate=0.1, sampling=Sampling(temperature=0)),
        "server": OpenAISpec(kind="openai", model="m", base_url="http://localhost:8000/v1"),
    },
    steps=(
        Take(rows=5),
        Generate(
            name="queries",
            from_="source",
            prompt="query_from_passage",
            models={"writer": 2, "server": 1},
            sampling=Sampling(stop=("\n",), top_p=0.5),
        ),
        Embed(column="query", model="writer"),
        MineNegatives(corpus="corpus", near_copy=None),
        MarginFilter(relative_margin=None, keep=None, max_score=0.9),
    ),
    export=(
        NTupleExport(negatives=2, splits={"train": 0.9, "test": 0.1}),
        DocumentsExport(name="docs", from_="take", columns=("title",)),
        RowsExport(name="all", shard_rows=5),
        ListwiseExport(name="lists", k=5),
        NemotronExport(name="nemo", corpus="corpus", query_instruction="Find: "),
        BeirExport(name="eval", negatives=True),
    ),
    card=CardSpec(license="cc-by-4.0", tags=("x",)),
)


def test_a_recipe_made_in_python_survives_being_written_out() -> None:
    assert parse_recipe(MADE.text, "made") == MADE


def test_a_rule_switched_off_by_null_is_written_as_null() -> None:
    steps: list[dict[str, Any]] = yaml.safe_load(MADE.text)["steps"]
    assert steps[3]["near_copy"] is None
    assert steps[4] == {
        "kind": "margin_filter",
        "relative_margin": None,
        "keep": None,
        "max_score": 0.9,
    }
    (again,) = (s for s in parse_recipe(MADE.text, "made").steps if isinstance(s, MarginFilter))
    assert (again.relative_margin, again.keep) == (None, None)


def test_what_is_written_says_kinds_and_nothing_that_is_default_anyway() -> None:
    data = yaml.safe_load(MADE.text)
    assert data["source"]["kind"] == "jsonl"
    assert data["models"]["writer"]["kind"] == "fake"
    assert data["steps"][0] == {"kind": "take", "rows": 5}
    assert data["steps"][1]["from"] == "source"
    assert data["export"][2] == {"format": "rows", "name": "all", "shard_rows": 5}


def test_a_recipe_is_frozen_and_equal_to_its_equal() -> None:
    one, other = (parse_recipe(GOOD, "cats.yaml") for _ in range(2))
    assert one == other
    assert one.placed(Path("/elsewhere"), GOOD).base == Path("/elsewhere")
    assert one.base == Path.cwd()
    with pytest.raises(ValueError, match="frozen"):
        one.seed = 4  # type: ignore[misc]


def test_reading_a_recipe_loads_no_heavy_package() -> None:
    heavy = "ray torch vllm datasets transformers sentence_transformers faiss"
    told = (
        "import sys, synth.recipe\n"
        "synth.recipe.load_recipe('quickstart')\n"
        f"print(sorted(set('{heavy}'.split()) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", told], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"
