"""Drop lists as files."""

from __future__ import annotations

from pathlib import Path

from synth.core.drop_list import Listed, parse_drop_list
from synth.core.errors import RecipeError
from synth.core.paths import is_file, user_path


def read_drop_list(path: str, base: Path) -> tuple[Listed, ...]:
    """The lines of a drop list.

    Args:
        path: Of the file.
        base: Folder that a relative path starts from.

    Raises:
        RecipeError: If there is none, or it is no drop list.
    """
    file = base / user_path(path)
    if not is_file(file):
        raise RecipeError(f"there is no drop list {path}; `synth explore RUN` writes one")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RecipeError(f"drop list {path} cannot be read: {error.strerror}") from error
    return parse_drop_list(data, f"drop list {path}")
