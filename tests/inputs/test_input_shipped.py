from pathlib import Path

import pytest

from synth.inputs.shipped import find, shipped_folder, shipped_names


@pytest.mark.parametrize(("what", "ending"), [("prompts", ".md"), ("recipes", ".yaml")])
def test_what_ships_is_found_by_its_name_and_by_its_path_from_anywhere(
    what: str, ending: str, tmp_path: Path
) -> None:
    names = shipped_names(what)
    assert names
    for name in names:
        path = shipped_folder(what) / f"{name}{ending}"
        assert find(what, name, tmp_path) == path
        # A prompt that is named as a file is one that its recipe has beside it, and no other.
        file = path if what == "recipes" else None
        assert find(what, f"{what}/{name}{ending}", tmp_path) == file
        assert find(what, f"{name}{ending}", tmp_path) == file


def test_a_file_beside_the_recipe_comes_before_one_that_ships(tmp_path: Path) -> None:
    name = shipped_names("prompts")[0]
    own = tmp_path / f"{name}.md"
    own.write_text("")
    assert find("prompts", f"{name}.md", tmp_path) == own
    assert find("prompts", name, tmp_path) != own


@pytest.mark.parametrize("name", ["", "nowhere", "nowhere.md", "a/b", "../prompts", "/"])
def test_a_name_that_nothing_has_finds_nothing(name: str, tmp_path: Path) -> None:
    assert find("prompts", name, tmp_path) is None


def test_a_prompt_in_a_folder_beside_the_recipe_comes_before_one_that_ships(tmp_path: Path) -> None:
    name = shipped_names("prompts")[0]
    own = tmp_path / "prompts" / f"{name}.md"
    own.parent.mkdir()
    own.write_text("")
    for said in (name, f"{name}.md", f"elsewhere/{name}.md", f"…/{name}.md"):
        assert find("prompts", said, tmp_path) == own
    assert find("recipes", name, tmp_path) is None
