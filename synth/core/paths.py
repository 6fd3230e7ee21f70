"""Paths as users write them: what can be no path is not there, and raises nothing."""

from __future__ import annotations

from pathlib import Path


def user_path(text: str) -> Path:
    """The path with its ``~`` written out, where there is such a home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # nobody of that name
        return Path(text)


def is_file(path: Path) -> bool:
    """Whether it is a file."""
    try:
        return path.is_file()
    except OSError:  # a name longer than any file's, or a folder that may not be read
        return False


def is_folder(path: Path) -> bool:
    """Whether it is a folder."""
    try:
        return path.is_dir()
    except OSError:  # as above
        return False
