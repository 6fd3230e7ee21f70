"""Files of JSON Lines, of which a set may have several."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_lines(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    """The objects in all files of a folder that a pattern matches, file by file.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no {pattern}")
    for path in paths:
        # Not splitlines: JSON may hold other line ends than \n.
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line:
                yield json.loads(line)
