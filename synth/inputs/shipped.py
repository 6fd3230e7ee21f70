"""Prompts and recipes that ship with the package, found by name."""

from __future__ import annotations

from pathlib import Path

import synth
from synth.core.paths import is_file, user_path

_ENDINGS = {"prompts": ".md", "recipes": ".yaml"}


def shipped_folder(what: str) -> Path:
    """The folder of shipped ``prompts`` or ``recipes``: in the wheel, or beside a checkout."""
    package = Path(synth.__file__).parent
    installed = package / "_shipped" / what
    return installed if installed.is_dir() else package.parent / what


def shipped_names(what: str) -> list[str]:
    """Names of all that ships, sorted."""
    ending = _ENDINGS[what]
    return sorted(path.stem for path in shipped_folder(what).glob(f"*{ending}"))


def find(what: str, name: str, base: Path) -> Path | None:
    """The file that a name or a path means.

    Args:
        what: ``prompts`` or ``recipes``. A prompt that lies in the folder ``prompts`` of `base`, as
            beside the recipe of a published dataset, comes before one that ships.
        name: A shipped name, or a path with its ending, absolute or relative to `base`.
        base: Folder of the file that names it, or the working directory.
    """
    ending = _ENDINGS[what]
    if name.endswith(ending) or "/" in name:
        path = base / user_path(name)
        if is_file(path):
            return path
    if what == "prompts" and (beside := _beside(name, base)) is not None:
        return beside
    if name.endswith(ending) or "/" in name:
        # Whoever names a file of a prompt wrote one: what ships would be another.
        ships = what == "recipes" and name in (f"{what}/{Path(name).name}", Path(name).name)
        name = Path(name).stem if ships else ""
    shipped = shipped_folder(what) / f"{name}{ending}"
    return shipped if name and is_file(shipped) else None


def _beside(name: str, base: Path) -> Path | None:
    file = Path(name).name.removesuffix(_ENDINGS["prompts"])
    path = base / "prompts" / f"{file}{_ENDINGS['prompts']}"
    return path if file and is_file(path) else None
