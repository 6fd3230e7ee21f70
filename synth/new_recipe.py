"""A recipe of one's own, begun as a copy of another."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from synth.core.errors import RecipeError, StorageError
from synth.core.paths import is_file, user_path
from synth.core.step import NAME
from synth.inputs.shipped import find
from synth.inputs.sources import GridSource, HubSource, LimitSource, PasskeySource, SourceSpec
from synth.recipe import Recipe, load_recipe, parse_recipe
from synth.steps import Generate


def new_recipe(name: str, source: str, folder: Path, *, with_prompts: bool = False) -> list[Path]:
    """Copies a recipe into a folder of its own, with what it takes to run there.

    The small files of data beside a recipe are copied, and prompts that are named by their paths;
    what lies elsewhere is named by its whole path. Nothing that is there is overwritten.

    Args:
        name: Name of the new recipe and of its folder.
        source: Name of a shipped recipe, or path of one.
        folder: Where the new folder is made.
        with_prompts: Whether the shipped prompts that it uses are copied too, to be edited.

    Returns:
        The files made, the recipe first.

    Raises:
        RecipeError: If the name cannot be one, there is no such recipe, or the folder is there.
        StorageError: If it cannot be written.
    """
    if not re.fullmatch(NAME, name):
        raise RecipeError(f"a recipe cannot be called {name!r}; use letters, digits and ._-")
    target = folder / name
    if target.exists():
        raise RecipeError(f"{target} is there already, and is not overwritten; choose another name")
    recipe = load_recipe(source)
    text, copies = _moved(recipe)
    if with_prompts:
        text, copied = _own_prompts(recipe, text)
        copies |= copied
    # What YAML reads as a number or a truth value is quoted.
    stated = name if isinstance(yaml.safe_load(name), str) else f'"{name}"'
    text = re.sub(r"(?m)^name:.*$", f"name: {stated}", text, count=1)
    text = re.sub(r"(?m)^version:.*$", 'version: "1"', text, count=1)
    parse_recipe(text, f"the copy of {source}")
    made = target / f"{name}.yaml"
    try:
        for inside, file in copies.items():
            (target / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / inside)
        target.mkdir(parents=True, exist_ok=True)
        made.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}") from error
    return [made, *(target / inside for inside in copies)]


def _moved(recipe: Recipe) -> tuple[str, dict[str, Path]]:
    """The recipe's text for another folder, and the files to copy by their place in it."""
    text, copies = recipe.text, {}
    own_prompts = (step.prompt for step in recipe.steps if isinstance(step, Generate))
    named = [*_paths(recipe), *(one for one in own_prompts if _is_path(one, recipe.base))]
    for path in dict.fromkeys(named):
        there = recipe.base / path
        if ".." not in Path(path).parts and is_file(there):
            copies[path] = there
        else:
            text = _renamed(text, r"(?:path|dataset|things|prompt)", path, str(there.resolve()))
    return text, copies


def _paths(recipe: Recipe) -> Iterator[str]:
    """The paths of sources that start from the recipe's folder."""
    for spec in recipe.all_sources().values():
        path = _path_of(spec)
        if path and "://" not in path and not user_path(path).is_absolute():
            yield path


def _path_of(spec: SourceSpec) -> str:
    match spec:
        case LimitSource():
            return spec.things
        case PasskeySource() | GridSource() | HubSource():
            return ""
        case _:
            return spec.path


def _is_path(prompt: str, base: Path) -> bool:
    return (prompt.endswith(".md") or "/" in prompt) and is_file(base / user_path(prompt))


def _own_prompts(recipe: Recipe, text: str) -> tuple[str, dict[str, Path]]:
    """The text with its shipped prompts named as files beside it, and these files."""
    copies = {}
    for prompt in dict.fromkeys(s.prompt for s in recipe.steps if isinstance(s, Generate)):
        found = find("prompts", prompt, recipe.base)
        if found is not None and not _is_path(prompt, recipe.base):
            inside = f"prompts/{found.name}"
            copies[inside] = found
            text = _renamed(text, "prompt", prompt, inside)
    return text, copies


def _renamed(text: str, key: str, old: str, new: str) -> str:
    """A recipe's text with another value of a key, wherever it has the old one."""
    pattern = rf"(\b{key}:[ \t]*)(['\"]?){re.escape(old)}\2(?=[ \t]*(?:[,}}\n]|\Z))"
    return re.sub(pattern, lambda match: f"{match[1]}{match[2]}{new}{match[2]}", text)
