"""Tables and code blocks of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table with a line for each of `lines`."""
    ruled = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in ruled)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any inside."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
