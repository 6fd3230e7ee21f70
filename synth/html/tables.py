"""Tables of a page: the ledger, and rows as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from synth.html.card import value_in_words
from synth.html.plain import number, shortened
from synth.html.render import render

if TYPE_CHECKING:
    from synth.manifest import StepRecord

_CELL_CHARS = 120
_COUNTS = ("in", "made", "replaced", "out")


def table(
    caption: str,
    head: Sequence[str],
    lines: Iterable[Sequence[str]],
    numbers: Collection[str] = (),
    *,
    kind: str = "plain",
) -> Markup:
    """A table whose first column names its lines.

    Args:
        caption: What it is a table of.
        head: Names of the columns.
        lines: Their values.
        numbers: Columns that are set to the right.
        kind: ``plain``, or ``ledger``, whose words are never broken.
    """
    return render(
        "table.html", caption=caption, head=head, lines=list(lines), numbers=numbers,
        kind=kind,
    )  # fmt: skip


def ledger(records: Sequence[StepRecord]) -> Markup:
    """For each step the rows that came in, were made, went on and were dropped, and why."""
    head = ["step", "kind", "reads", *_COUNTS, "dropped", "seconds"]
    lines = [
        [
            record.name,
            record.kind,
            record.reads,
            *(number(getattr(record, f"rows_{name}")) for name in _COUNTS),
            ", ".join(f"{why} {count:,}" for why, count in reasons(record)),
            f"{record.seconds:,.1f}",
        ]
        for record in records
    ]
    caption = "Ledger: in + made = out + replaced + dropped"
    return table(caption, head, lines, (*_COUNTS, "seconds"), kind="ledger")


def reasons(record: StepRecord) -> list[tuple[str, int]]:
    """Why rows were dropped, the most frequent reason first."""
    return sorted(record.dropped.items(), key=lambda item: (-item[1], item[0]))


def rows_table(caption: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Markup:
    """Rows as they are, long values cut.

    Args:
        caption: What they are.
        rows: The rows.
        columns: Theirs.
    """
    lines = [[shortened(_cell(row[name]), _CELL_CHARS) for name in columns] for row in rows]
    return table(caption, columns, lines)


def _cell(value: Any) -> str:  # noqa: ANN401  (any value of a row)
    match value:
        case None:
            return ""
        case [{"text": text}, *_]:
            return f"{len(value)}: {text}"
    return value_in_words(value)
