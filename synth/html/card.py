"""A row as a card: its query, its positives and negatives side by side, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from synth.algorithms.word_diff import Piece, kept_share, word_diff
from synth.html.plain import in_words, number, shortened
from synth.html.render import render

Row = Mapping[str, Any]

TEXT_CHARS = 1_200
_ENTRY_CHARS = 600
_VALUE_CHARS = 300
# Entries of a list on a card; the others are counted.
_ENTRIES = 8
# Texts that share less than this are no versions of each other: every word would be marked.
_LEAST_KEPT = 0.3

_PLACED = (
    *("id", "text", "query", "positives", "negatives", "rejected_negatives", "drop_reason"),
    *("provenance", "edits", "input_ids"),
)
_MADE_BY = ("step", "model", "prompt", "prompt_sha", "seed", "axes")


@dataclass(frozen=True, slots=True)
class Entry:
    """A positive or a negative.

    Attributes:
        text: It.
        score: Its score, as text.
        facts: What else is known of it.
        pieces: How it differs from the first positive, where it is a version of it.
    """

    text: str
    score: str
    facts: tuple[tuple[str, str], ...]
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A score on the line.

    Attributes:
        kind: ``positive``, ``negative``, ``rejected`` or ``ceiling``.
        at: Its place, in percent.
        score: It, as text.
    """

    kind: str
    at: float
    score: str


@dataclass(frozen=True, slots=True)
class Line:
    """The scores of a row on one line.

    Attributes:
        low: The score at its beginning.
        high: The score at its end.
        marks: Where the scores lie.
        said: The same in words.
    """

    low: str
    high: str
    marks: tuple[Mark, ...]
    said: str


def card(row: Row, parent_text: str | None = None, level: int = 3) -> Markup:
    """A row as a card.

    Args:
        row: The row.
        parent_text: The text of the row that it was made from; what differs is marked.
        level: Of its heading.
    """
    return render(
        "card.html",
        row=row,
        level=level,
        text=shortened(str(row["text"]), TEXT_CHARS) if _has_own_text(row) else None,
        parent=parent_text,
        pieces=_version(parent_text, row["text"]) if parent_text and _has_own_text(row) else (),
        lists=[(name, _entries(row, name), len(row[name])) for name in _filled(row)],
        rejected=_entries(row, "rejected_negatives"),
        rejected_count=len(row.get("rejected_negatives") or ()),
        line=_line(row),
        made_by=_made_by(row),
        more=[(name, value_in_words(row[name])) for name in row if _is_shown(name, row[name])],
    )


def _has_own_text(row: Row) -> bool:
    return bool(row.get("text")) and row.get("query") is None


def _filled(row: Row) -> list[str]:
    return [name for name in ("positives", "negatives") if row.get(name)]


def _version(before: str, after: str) -> tuple[Piece, ...]:
    """What differs, where one text is a version of the other."""
    pieces = word_diff(shortened(before, TEXT_CHARS), shortened(after, TEXT_CHARS))
    differs = any(one.what != "same" for one in pieces)
    return pieces if differs and kept_share(pieces) >= _LEAST_KEPT else ()


def _entries(row: Row, name: str) -> list[Entry]:
    found: list[Entry] = []
    listed = row.get(name) or []
    for one in listed[:_ENTRIES]:
        is_version = name == "positives" and found and one.get("text")
        pieces = _version(listed[0]["text"] or "", one["text"]) if is_version else ()
        text = shortened(str(one.get("text") or ""), _ENTRY_CHARS)
        found.append(Entry(text, number(one.get("score")), tuple(_facts(one)), pieces))
    return found


def _facts(entry: Row) -> list[tuple[str, str]]:
    facts = [(name, str(entry[name])) for name in ("reason", "origin", "rank") if _is(entry, name)]
    if _is(entry, "ceiling"):
        facts.append(("ceiling", number(entry["ceiling"])))
    found = ", ".join(f"{one['by']} {one['rank']}" for one in entry.get("found") or ())
    return [*facts, ("found by", found)] if found else facts


def _is(entry: Row, name: str) -> bool:
    return entry.get(name) is not None


def _line(row: Row) -> Line | None:
    """The line of scores, None where there are fewer than two."""
    scores = [
        (kind, float(one["score"]))
        for name, kind in (
            ("positives", "positive"),
            ("negatives", "negative"),
            ("rejected_negatives", "rejected"),
        )
        for one in row.get(name) or ()
        if one.get("score") is not None
    ]
    limits = {
        float(one["ceiling"]) for one in row.get("rejected_negatives") or () if _is(one, "ceiling")
    }
    if len(scores) < 2:
        return None
    scores += [("ceiling", one) for one in sorted(limits)]
    low, high = (end(score for _, score in scores) for end in (min, max))
    width = (high - low) or 1.0
    marks = tuple(
        Mark(kind, round(2 + 96 * (score - low) / width, 2), number(score))
        for kind, score in scores
    )
    return Line(number(low), number(high), marks, _said(marks))


def _said(marks: Sequence[Mark]) -> str:
    kinds = dict.fromkeys(one.kind for one in marks)
    told = (f"{kind} {', '.join(m.score for m in marks if m.kind == kind)}" for kind in kinds)
    return f"Scores on a line: {'; '.join(told)}"


def _made_by(row: Row) -> list[list[tuple[str, str]]]:
    """Of each reply that is in the row: the step, model, prompt, seed and what was drawn."""
    made = [row["provenance"]] if row.get("provenance") else []
    return [
        [(name.replace("_", " "), str(by[name])) for name in _MADE_BY if by.get(name) not in _NONE]
        for by in [*made, *(row.get("edits") or ())]
    ]


_NONE = (None, "", "{}")


def _is_shown(name: str, value: Any) -> bool:  # noqa: ANN401  (any value of a row)
    return name not in _PLACED and value is not None and value != []


def value_in_words(value: Any) -> str:  # noqa: ANN401  (any value of a row)
    """Any value of a row in words; of a vector its length."""
    return in_words(value, _VALUE_CHARS)
