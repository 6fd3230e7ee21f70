"""The gallery of recipes is made from the files, and copies of recipes run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.sampling import sampling_weights
from synth.core.errors import RecipeError
from synth.gallery import FAMILIES, entries, page
from synth.inputs.shipped import shipped_folder, shipped_names
from synth.new_recipe import new_recipe
from synth.plan import make_plan
from synth.recipe import load_recipe, parse_recipe

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"
RECIPES = shipped_names("recipes")


def test_the_page_of_recipes_is_what_the_files_say_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(entries(), PAGE.parent / "runs"), "make docs"


def test_every_recipe_is_on_the_page_once_and_its_links_lead_somewhere() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^### (\S+)$", text, re.MULTILINE)
    assert sorted(headings) == RECIPES
    for link in re.findall(r"\]\(([^#)]+)\)", text):
        assert (PAGE.parent / link).is_file(), link


def test_every_note_of_a_run_is_of_a_recipe() -> None:
    notes = [path.stem for path in (PAGE.parent / "runs").glob("*.md")]
    assert set(notes) <= set(RECIPES)


def test_a_recipe_is_found_by_all_that_is_shown_of_it() -> None:
    assert {one.name for one in entries("beir")} >= {"limit", "downsample_corpus"}
    assert all("encoder" in one.needs for one in entries("Encoder") if "ncoder" not in one.papers)
    assert entries("no such word") == []


@pytest.mark.parametrize("name", ["2020", "true", "0x1F", "1.5"])
def test_a_copy_may_be_called_what_yaml_reads_as_no_text(name: str, tmp_path: Path) -> None:
    made, *_ = new_recipe(name, "limit", tmp_path)
    assert load_recipe(str(made)).name == name


def test_recipes_are_sorted_by_family() -> None:
    places = [FAMILIES.index(one.recipe.family) for one in entries()]
    assert places == sorted(places)


def test_the_page_is_written_by_one_command(tmp_path: Path) -> None:
    target = tmp_path / "recipes.md"
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "limit.md").write_text("It ran.")
    subprocess.run([sys.executable, "-m", "synth.gallery", str(target)], check=True, timeout=60)
    assert "It ran." in target.read_text()


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("with_prompts", [False, True])
def test_a_copy_is_sound_where_it_is_and_reads_what_was_copied(
    name: str, with_prompts: bool, tmp_path: Path
) -> None:
    made = new_recipe("mine", name, tmp_path, with_prompts=with_prompts)
    copy, shipped = load_recipe(str(made[0])), load_recipe(name)
    assert (copy.name, copy.version) == ("mine", "1")
    plan = make_plan(copy)
    assert [step.name for step in plan.steps] == [step for step, _ in shipped.named_steps()]
    prompts = sorted(path.name for path in (tmp_path / "mine").rglob("*.md"))
    assert prompts == (sorted(f"{p.name}.md" for p in plan.prompts) if with_prompts else [])
    assert {p.sha for p in plan.prompts} == {p.sha for p in make_plan(shipped).prompts}
    assert str(shipped_folder("recipes")) not in copy.text


def test_a_copied_prompt_is_the_one_that_is_used(tmp_path: Path) -> None:
    made = new_recipe("mine", "paraphrase", tmp_path, with_prompts=True)
    prompt = tmp_path / "mine" / "prompts" / "paraphrase.md"
    prompt.write_text(prompt.read_text().replace("careful editor", "bold editor"))
    (used,) = make_plan(load_recipe(str(made[0]))).prompts
    assert "bold editor" in used.text


def test_nothing_is_overwritten_and_no_name_leads_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.yaml").write_text("precious")
    with pytest.raises(RecipeError, match="is not overwritten"):
        new_recipe("mine", "limit", tmp_path)
    assert (tmp_path / "mine" / "mine.yaml").read_text() == "precious"
    for name in ("../mine", "a/b", "", "-x"):
        with pytest.raises(RecipeError, match="cannot be called"):
            new_recipe(name, "limit", tmp_path)
    with pytest.raises(RecipeError, match="there is no recipe 'limitt'; did you mean 'limit'"):
        new_recipe("other", "limitt", tmp_path)


def test_a_copy_of_a_copy_names_data_elsewhere_by_its_whole_path(tmp_path: Path) -> None:
    (tmp_path / "docs.jsonl").write_text('{"text": "a cat sleeps"}\n')
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.yaml").write_text(
        "name: own\nsource: {kind: jsonl, path: ../docs.jsonl}\n"
        "steps: [{kind: exact_dedup}]\nexport: {format: documents}\n"
    )
    made = new_recipe("mine", str(tmp_path / "own" / "own.yaml"), tmp_path)
    assert str(tmp_path / "docs.jsonl") in made[0].read_text()
    assert make_plan(load_recipe(str(made[0]))).steps


SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**6), min_size=2)


@given(sizes=SIZES, exponent=st.floats(0, 1), share=st.floats(0.1, 5))
def test_sampling_weights_add_up_to_one_and_groups_get_their_shares(
    sizes: dict[str, int], exponent: float, share: float
) -> None:
    names = sorted(sizes)
    groups = [(share, names[:1]), (1.0, names[1:])]
    found = sampling_weights(sizes, groups, exponent)
    assert set(found) == set(names)
    assert all((weight > 0) == (sizes[name] > 0) for name, weight in found.items())
    filled = [any(sizes[name] for name in own) for _, own in groups]
    if any(filled):
        assert sum(found.values()) == pytest.approx(1)
    if all(filled):
        assert found[names[0]] == pytest.approx(share / (share + 1))


def test_more_rows_weigh_more_but_less_than_their_number() -> None:
    found = sampling_weights({"a": 100, "b": 400}, [(1, ["a", "b"])], 0.5)
    assert found == {"a": pytest.approx(1 / 3), "b": pytest.approx(2 / 3)}


@pytest.mark.parametrize(
    ("configs", "told"),
    [("[nothing]", "weighs 'nothing'; the exports have default"), ("[default, default]", "twice")],
)
def test_weights_of_what_is_not_exported_are_refused(configs: str, told: str) -> None:
    text = (
        "name: own\nsource: {kind: jsonl, path: docs.jsonl}\nsteps: [{kind: exact_dedup}]\n"
        "export: {format: documents}\n"
        f"card: {{sampling: {{groups: {{one: {{configs: {configs}}}}}}}}}\n"
    )
    with pytest.raises(RecipeError, match=told):
        parse_recipe(text, "own.yaml")
