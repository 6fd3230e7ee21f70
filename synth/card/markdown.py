"""Tables and code blocks of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# Control characters but tab and line feed, and those that change the direction of writing.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def markdown_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table with a line for each of `lines`."""
    ruled = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in ruled)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def code(text: str) -> str:
    """A name as code on one line, with as many ticks as it takes."""
    shown = " ".join(visible(text).split())
    longest = max((len(ticks) for ticks in re.findall(r"`+", shown)), default=0)
    if not longest:
        return f"`{shown}`"
    ticks = "`" * (longest + 1)
    return f"{ticks} {shown} {ticks}"


def visible(text: str) -> str:
    """The text with what steers a terminal or turns writing around as a code of JSON."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any inside."""
    longest = max((len(ticks) for ticks in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
