"""Every recipe that ships, end to end on the fake model; one that is added is covered that day."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from accounts import Account, Row, accounts, dataset_bytes, faked, reply_keys
from huggingface_hub import DatasetCard

from synth.core import rows
from synth.core.ids import derive_seed
from synth.formats import BeirExport
from synth.gallery import FAMILIES
from synth.inputs.shipped import shipped_folder, shipped_names
from synth.plan import Plan, PlannedStep, make_plan
from synth.recipe import EXPORT, Recipe, load_recipe
from synth.runner import Outcome, Placement, run
from synth.steps.generate import Generation

RECIPES = shipped_names("recipes")
# One that is added is counted here, so that none is lost on the way.
HOW_MANY = 45


def test_there_are_recipes_and_all_of_them_are_found() -> None:
    assert len(RECIPES) == HOW_MANY
    assert sorted(path.stem for path in shipped_folder("recipes").glob("*.y*ml")) == RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_makes_and_can_be_planned(name: str) -> None:
    recipe = load_recipe(name)
    assert re.fullmatch(r"\S.{10,98}\.", recipe.description)
    assert recipe.text.startswith("#"), "a recipe begins with a comment that explains it"
    assert recipe.family in FAMILIES
    assert recipe.papers
    assert all(re.search(r"arXiv:\d{4}\.\d{5}|https://", paper) for paper in recipe.papers)
    plan = make_plan(recipe)
    assert [step.name for step in plan.steps] == [step for step, _ in recipe.named_steps()]


@dataclass(frozen=True)
class Finished:
    """A recipe that was run."""

    recipe: Recipe
    plan: Plan
    out: Path
    outcome: Outcome
    found: dict[str, Account]

    @property
    def path(self) -> Path:
        return Path(self.outcome.path)

    def read_by(self, step: PlannedStep) -> Account:
        return self.found[step.reads]


@pytest.fixture(scope="module", params=RECIPES)
def finished(
    request: pytest.FixtureRequest, ray_session: None, tmp_path_factory: pytest.TempPathFactory
) -> Finished:
    out = tmp_path_factory.mktemp(request.param)
    recipe = faked(load_recipe(request.param))
    outcome = run(recipe, out=str(out))
    return Finished(recipe, make_plan(recipe), out, outcome, accounts(Path(outcome.path)))


@pytest.mark.ray
def test_every_row_is_accounted_for(finished: Finished) -> None:
    assert set(finished.found) == {table.name for table in finished.plan.tables}
    for record in finished.outcome.records:
        assert record.adds_up, record
    for name, account in finished.found.items():
        record = account.record
        assert sorted(part.file for part in record.parts) == list(account.files), name
        assert len(set(account.ids)) == len(account.ids), f"{name} repeats an id"
        assert record.rows_out == len(account.live_ids)
        assert record.dropped == account.dropped
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", reason) for reason in account.dropped)
    for source in finished.plan.sources:
        account = finished.found[source.name]
        assert account.record.rows_in == len(account.ids)
        assert account.record.rows_made == account.record.rows_replaced == 0


@pytest.mark.ray
def test_a_row_goes_on_is_dropped_or_lives_in_the_rows_made_from_it(finished: Finished) -> None:
    for step in finished.plan.steps:
        account = finished.found[step.name]
        came, left = set(finished.read_by(step).live_ids), set(account.ids)
        made, replaced = left - came, came - left
        record = account.record
        assert (record.rows_in, record.rows_made) == (len(came), len(made)), step.name
        assert record.rows_replaced == len(replaced), step.name
        makes = step.step.makes_rows or (step.generation and step.generation.makes_rows)
        assert makes or not (made or replaced), f"{step.name} makes rows or loses some"
        parents = {parent for row in account.rows if row["id"] in made for parent in _parents(row)}
        assert replaced <= parents <= came, step.name


def _parents(row: Row) -> list[str]:
    return list(row.get("doc_ids") or []) or [row["parent_id"]]


@pytest.mark.ray
def test_columns_are_those_that_were_planned(finished: Finished) -> None:
    for table in finished.plan.tables:
        found = finished.found[table.name].table.schema
        assert found.names == table.schema.names, table.name
        for field in table.schema:
            kind = found.field(field.name).type
            same = rows.is_vector(kind) if rows.is_vector(field.type) else kind == field.type
            assert same, (table.name, field, kind)
            if field.name.startswith("embedding_"):
                assert pa.types.is_fixed_size_list(kind)


@pytest.mark.ray
def test_what_a_model_wrote_names_parent_step_model_prompt_seed_and_axes(
    finished: Finished,
) -> None:
    for step in finished.plan.steps:
        if step.generation is None:
            continue
        account = finished.found[step.name]
        came = set(finished.read_by(step).live_ids)
        made = [row for row in account.rows if row["id"] not in came]
        for row in made:
            assert row["parent_id"] in came
            assert row["source_id"], row["id"]
            _check_provenance(step.generation, row["parent_id"], row["provenance"])
        edits = [(row["id"], edit) for row in account.rows for edit in row.get("edits") or []]
        own = [(row_id, edit) for row_id, edit in edits if edit["step"] == step.name]
        for row_id, edit in own:
            _check_provenance(step.generation, row_id, edit)
        assert made or own, f"{step.name} wrote nothing"
        assert account.record.usage.requests >= len({seed for _, seed in _seeds(made, own)})


def _seeds(made: list[Row], own: list[tuple[str, Row]]) -> Iterator[tuple[str, int]]:
    yield from ((row["parent_id"], row["provenance"]["seed"]) for row in made)
    yield from ((row_id, edit["seed"]) for row_id, edit in own)


def _check_provenance(generation: Generation, asked: str, told: dict[str, Any]) -> None:
    samples = range(generation.step.n)
    seeds = [derive_seed(generation.seed, generation.name, asked, sample) for sample in samples]
    assert told["seed"] in seeds
    assert told["step"] == generation.name
    assert told["prompt"] == generation.prompt.name
    assert told["prompt_sha"] == generation.prompt.sha
    assert told["model"] in {card.label for card in generation.cards.values()}
    assert orjson.loads(told["axes"]) == generation.prompt.draw_axes(
        told["seed"], generation.step.axes
    )


@pytest.mark.ray
def test_the_dataset_opens_and_no_source_document_straddles_its_splits(
    finished: Finished, tmp_path: Path
) -> None:
    import datasets

    for spec, reads in finished.plan.exports:
        config, *others = spec.configs()
        opened = datasets.load_dataset(str(finished.path), config, cache_dir=str(tmp_path))
        names = (f"export {spec.name}", *([EXPORT] if spec is finished.plan.exports[0][0] else []))
        record = next(one for one in finished.outcome.records if one.name in names)
        judged = isinstance(spec, BeirExport)  # one judgement for each positive of a row
        number = sum(len(split) for split in opened.values())
        assert number == record.rows_out > 0 or (judged and number > record.rows_out > 0)
        assert set(opened) <= set(spec.splits)
        for other in others:
            beside = datasets.load_dataset(str(finished.path), other, cache_dir=str(tmp_path))
            assert all(len(split) for split in beside.values())
        if judged:
            continue  # its tables name rows in columns of their own
        sources = {row["id"]: row.get("source_id") for row in finished.found[reads].rows}
        splits = defaultdict(set)
        for name, split in opened.items():
            for row_id in split["id"]:
                splits[sources[row_id] or row_id].add(name)
        straddling = {source: names for source, names in splits.items() if len(names) > 1}
        assert not straddling


@pytest.mark.ray
def test_the_card_reads_as_the_hub_reads_it(finished: Finished) -> None:
    card = DatasetCard.load(finished.path / "README.md")
    assert card.data.pretty_name == finished.recipe.name
    for config in card.data.configs:
        for files in config["data_files"]:
            assert list(finished.path.glob(files["path"])), files
    for step in finished.plan.steps:
        assert f"| {step.name} |" in card.content
    for prompt in finished.plan.prompts:
        assert prompt.sha in card.content
    assert "/tmp/" not in card.content


@pytest.mark.ray
def test_a_finished_run_is_used_as_it_is(finished: Finished) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.*")}
    again = run(finished.recipe, out=str(finished.out))
    assert again.records == finished.outcome.records
    after = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*.*")}
    assert after == before


@pytest.mark.ray
def test_a_run_made_anew_asks_no_model_and_ends_the_same(ray_session: None, tmp_path: Path) -> None:
    recipe = faked(load_recipe("paraphrase"))
    first = run(recipe, out=str(tmp_path), limit=12)
    data, asked = dataset_bytes(Path(first.path)), reply_keys(tmp_path, recipe.name)
    again = run(
        recipe,
        out=str(tmp_path),
        limit=12,
        restart_from="source",
        placement=Placement(batch_rows=5),
    )
    assert sum(record.usage.requests for record in first.records) == len(asked) > 0
    assert sum(record.usage.requests for record in again.records) == 0
    assert sum(record.usage.reused for record in again.records) >= len(asked)
    assert reply_keys(tmp_path, recipe.name) == asked
    assert dataset_bytes(Path(again.path)) == data
