"""What texts and numbers look like on a page."""

from __future__ import annotations

import re

# Control characters (tabs and ends of lines are none that harm), the signs that turn the direction
# of what follows, halves of surrogate pairs, annotations, and tags that nobody sees.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile("\r\n?")


def plain(text: str) -> str:
    """The text with a visible sign for each character that would act instead of being seen.

    An ANSI code cannot colour, and an override cannot turn the page's own words around.
    """
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", _LINE_ENDS.sub("\n", text))


def shortened(text: str, characters: int) -> str:
    """The text, with its end left out where it is longer."""
    return text if len(text) <= characters else f"{text[: characters - 1].rstrip()}…"


def number(value: float | None) -> str:
    """A number with as many digits as tell something; a dash for none."""
    if value is None or value != value:
        return "-"
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 10 else f"{value:.3f}"
