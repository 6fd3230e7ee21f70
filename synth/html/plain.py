"""What texts and numbers look like on a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

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


def in_words(value: Any, characters: int) -> str:  # noqa: ANN401  (any value of a row)
    """Any value of a row as a reader writes it, in so many characters; of a vector its length.

    Of a record with a text it is the text; fields that hold nothing are left out.
    """
    match value:
        case [float(), float(), *_]:
            return f"{len(value):,} numbers"
        case float():
            return number(value)
        case list():
            # Each entry takes a character or more.
            told = "; ".join(in_words(one, characters) for one in value[:characters])
        case {"text": str(text)}:
            told = text
        case Mapping():
            told = ", ".join(
                f"{name} {in_words(one, characters)}"
                for name, one in value.items()
                if one is not None
            )
        case _:
            told = str(value)
    return shortened(told, characters)
