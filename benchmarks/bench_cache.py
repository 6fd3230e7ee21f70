"""Where benchmarks keep what takes long to make."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """A folder of the user's cache; it is there."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "synth-bench" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
