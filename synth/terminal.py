"""A run on a terminal: its ledger, sample rows that can be read, and the lineage of a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from synth.html.plain import in_words
from synth.lineage import Event, Lineage, Use
from synth.view import Run, StepRows

if TYPE_CHECKING:
    from synth.calibration import Calibration, Point
    from synth.style_leak import StyleLeak

# Characters of a text, and entries of a list, that fit where rows are to be compared.
_TEXT_CHARS = 400
# White space, of which one is shown, may be most of a text.
_READ_CHARS = 10 * _TEXT_CHARS
_ENTRY_CHARS = 160
_ENTRIES = 6
_USES = 20
_STEP_CHARS = 20

_COLOURS = {
    "read": "cyan",
    "made": "green",
    "kept": "dim",
    "changed": "blue",
    "dropped": "bold red",
    "rejected": "yellow",
    "replaced": "magenta",
}
# Columns that a card shows in places of their own, or that nobody reads.
_PLACED = ("id", "text", "query", "positives", "negatives", "rejected_negatives", "drop_reason")
_QUIET = ("provenance", "edits", "source_id", "input_ids", "starts", "ends", "offsets")


def render_ledger(run: Run) -> Table:
    """For each step the rows that came in, were made, went on and were dropped, and why."""
    records = run.records
    counts = {
        "in": [record.rows_in for record in records],
        "made": [record.rows_made for record in records],
        "replaced": [record.rows_replaced for record in records],
        "out": [record.rows_out for record in records],
    }
    shown = [name for name in counts if name in ("in", "out") or any(counts[name])]
    table = _table(f"{run.name} {run.version}")
    table.add_column("step", no_wrap=True, max_width=_STEP_CHARS, overflow="ellipsis")
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("dropped", overflow="fold")
    table.add_column("seconds", justify="right", no_wrap=True)
    for at, record in enumerate(records):
        reasons = sorted(record.dropped.items(), key=lambda item: (-item[1], item[0]))
        table.add_row(
            Text(record.name),
            *(Text(f"{counts[name][at]:,}", "" if counts[name][at] else "dim") for name in shown),
            Text("\n".join(f"{reason} {count:,}" for reason, count in reasons), "red"),
            f"{record.seconds:,.1f}",
        )
    told = [
        f"{record.name}: {name}: {fact}"
        for record in records
        for name, fact in record.facts.items()
    ]
    if told:
        _tell(table, "\n".join(told))
    return table


def _table(title: str) -> Table:
    return Table(
        title=Text(title, "bold"), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False
    )


def _tell(table: Table, what: str) -> None:
    """Adds what there is to say under a table."""
    table.caption, table.caption_justify = Text(what, "dim"), "left"


def render_rows(step_rows: StepRows, n: int = 5, *, dropped: bool = False) -> RenderableType:
    """Cards of the first rows of a step, or of the first that it dropped."""
    found = step_rows.head(n, dropped=dropped).to_pylist()
    name = step_rows.record.name
    number = step_rows.record.rows_dropped if dropped else len(step_rows)
    which = "dropped rows" if dropped else "rows"
    head = Text(f"{name}: {len(found):,} of {number:,} {which}", "bold")
    return Group(head, *(_card(row) for row in found))


def render_near(step_rows: StepRows, column: str, value: float, n: int = 5) -> RenderableType:
    """Cards of the rows around a threshold, those below it before those above."""
    found = step_rows.near(column, value, n).to_pylist()
    head = Text(f"{step_rows.record.name}: {len(found):,} rows around {column} {value:g}", "bold")
    return Group(head, *(_card(row) for row in found))


def render_calibration(found: Calibration) -> Table:
    """For each margin what it keeps, and how much of that is estimated to be relevant."""
    table = _table(f"{found.step}: {found.rows:,} rows, judged by {found.judge}")
    # On a narrow terminal headings wrap; values stay whole.
    longest = max((len(point.margin) for point in found.points), default=0)
    table.add_column("margin", min_width=longest)
    for name in ("kept a row", "rows short", "rows lost", "false negatives"):
        table.add_column(name, justify="right", min_width=max(map(len, name.split())))
    table.add_column("95 %", justify="right", no_wrap=True, min_width=len("10.0% to 99.9%"))
    for point in found.points:
        shares = (f"{one:.0%}" for one in (point.short, point.lost))
        style = "bold" if point.margin == "as it is" else ""
        table.add_row(point.margin, f"{point.a_row:.2f}", *shares, *_rates(point), style=style)
    told = (
        f"The judge calls {found.hits:.0%} of the positives relevant and {found.false_alarms:.0%} "
        f"of passages of other queries; of {found.asked:,} negatives judged."
    )
    if not found.tells:
        told += (
            " That is too little to tell false negatives by: judge with a cross-encoder or a "
            "larger LLM."
        )
    _tell(table, told)
    return table


def _rates(point: Point) -> tuple[str, str]:
    if point.false_negatives is None or point.low is None or point.high is None:
        return "-", "-"
    return f"{point.false_negatives:.1%}", f"{point.low:.1%} to {point.high:.1%}"


def render_style_leaks(found: Sequence[StyleLeak]) -> Table:
    """How well generated negatives are told from other texts, and by what."""
    table = _table(f"{found[0].step}: style of {found[0].generated:,} generated negatives")
    table.add_column("told from")
    for name in ("AUC", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("by, most of all", overflow="fold")
    for one in found:
        leak = one.leak
        tells = ", ".join(f"{name} {weight:+.2f}" for name, weight in leak.tells)
        ends = f"{leak.low:.2f} to {leak.high:.2f}"
        table.add_row(f"{one.compared:,} {one.others}", f"{leak.auc:.2f}", ends, tells)
    told = (
        "AUC of a linear classifier that sees lengths, marks and small words: 0.5 is no leak. "
        "Above 0.8 a model can learn the style instead of the meaning: cap the generated share, or "
        "let several LLMs write."
    )
    _tell(table, told)
    return table


def _card(row: Mapping[str, Any]) -> Panel:
    parts: list[RenderableType] = []
    if row.get("drop_reason"):
        parts.append(Text(f"dropped: {row['drop_reason']}", _COLOURS["dropped"]))
    if "query" in row:
        parts.append(_labelled("query", row["query"], "bold cyan"))
    parts += [_entries(name, row[name]) for name in ("positives", "negatives") if row.get(name)]
    if row.get("rejected_negatives"):
        parts.append(_rejected(row["rejected_negatives"]))
    if row.get("text") and "query" not in row:
        parts.append(Text(cut(row["text"], _TEXT_CHARS)))
    parts += [_labelled(name, row[name], "dim") for name in row if _is_shown(name, row[name])]
    if by := row.get("provenance"):
        parts.append(Text(_made_by(by), "dim"))
    border = "red" if row.get("drop_reason") else "dim"
    return Panel(
        Group(*parts),
        title=Text(cut(row["id"], _ENTRY_CHARS)),
        title_align="left",
        border_style=border,
    )


def _is_shown(name: str, value: Any) -> bool:  # noqa: ANN401  (any value of a row)
    hidden = name in _PLACED or name in _QUIET or name.startswith("embedding_")
    return not hidden and value is not None


def _labelled(label: str, value: Any, style: str) -> Text:  # noqa: ANN401  (any value of a row)
    return Text.assemble((f"{label} ", style), cut(in_words(value, _READ_CHARS), _TEXT_CHARS))


def _entries(name: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, padding=(0, 1))
    colour = "green" if name == "positives" else "red"
    table.add_column(Text(f"{name} {len(entries)}", colour), ratio=1, overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    if name != "positives":
        table.add_column("origin", max_width=28, overflow="fold")
    for entry in entries[:_ENTRIES]:
        cells = [Text(cut(entry["text"], _ENTRY_CHARS)), Text(_number(entry["score"]))]
        origin = [] if name == "positives" else [Text(entry.get("origin") or "", "dim")]
        table.add_row(*cells, *origin)
    if len(entries) > _ENTRIES:
        table.add_row(Text(f"… {len(entries) - _ENTRIES} more", "dim"))
    return table


def _rejected(entries: Sequence[Mapping[str, Any]]) -> Text:
    """Why negatives were rejected, counted; `render_why` tells each with its numbers."""
    counts = Counter(str(entry["reason"]) for entry in entries)
    told = ", ".join(f"{reason} {count}" for reason, count in counts.most_common())
    ceilings = [entry["ceiling"] for entry in entries if entry.get("ceiling") is not None]
    under = f" (ceiling {ceilings[0]:.3f})" if ceilings else ""
    return Text.assemble(("rejected ", "yellow"), f"{told}{under}")


def render_why(lineage: Lineage) -> RenderableType:
    """What happened to a row step by step, where its text stands in lists, and what it became."""
    parts: list[RenderableType] = []
    is_row = any(event.id == lineage.id for event in lineage.events)
    listing = set() if is_row else {use.row_id for use in lineage.uses}
    told = ""
    for event in lineage.events:
        if event.id != told:
            told = event.id
            role = "row" if told == lineage.id else "in row" if told in listing else "from row"
            parts.append(Text.assemble((f"{role} ", "dim"), (told, "bold")))
        parts.append(_event(event))
    if lineage.uses:
        parts.append(Text(f"stands in the lists of {len(lineage.uses):,} rows", "dim"))
        parts += [_use(use) for use in lineage.uses[:_USES]]
    if len(lineage.uses) > _USES:
        parts.append(Text(f"  … {len(lineage.uses) - _USES:,} more", "dim"))
    if lineage.children:
        parts.append(Text(f"{len(lineage.children):,} rows were made from it", "dim"))
        parts += [Text(f"  {child.step}  {child.id}") for child in lineage.children[:_USES]]
    if len(lineage.children) > _USES:
        parts.append(Text(f"  … {len(lineage.children) - _USES:,} more", "dim"))
    return Group(*parts)


def _event(event: Event) -> Text:
    facts = dict(event.facts)
    line = Text.assemble("  ", (f"{event.step} ", "bold"), (event.what, _COLOURS[event.what]))
    texts = {name: facts.pop(name) for name in ("query", "text") if name in facts}
    made_by = facts.pop("made_by", ())
    for name, value in facts.items():
        if value not in ([], "", "{}"):
            line.append(f"  {name.replace('_', ' ')} ", "dim").append(_value(value))
    for by in made_by:
        line.append(f"\n    {_made_by(by)}", "dim")
    for name, value in texts.items():
        line.append(f"\n    {name} ", "dim").append(cut(value, _ENTRY_CHARS))
    return line


def _use(use: Use) -> Text:
    line = Text.assemble("  ", (f"{use.step} ", "bold"), f"{use.role} of {use.row_id}")
    line.append(f"  {use.origin or ''}  score {_number(use.score)}", "dim")
    if use.rejected_by:
        line.append(f"\n    rejected by {use.rejected_by}: {use.reason}", _COLOURS["rejected"])
        line.append(f", ceiling {_number(use.ceiling)}", "dim")
    for by in use.made_by:
        line.append(f"\n    {_made_by(by)}", "dim")
    return line.append(f"\n    {cut(use.text, _ENTRY_CHARS)}")


def _made_by(by: Mapping[str, Any]) -> str:
    names = ("model", "prompt", "prompt_sha", "seed", "axes")
    said = [f"{name.replace('_', ' ')} {by[name]}" for name in names if by.get(name) is not None]
    return ", ".join(one for one in said if one != "axes {}")


def _value(value: Any) -> str:  # noqa: ANN401  (any fact)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return _number(value) if isinstance(value, float) else str(value)


def _number(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def cut(value: Any, characters: int) -> str:  # noqa: ANN401  (any value of a row)
    """The value as text on one line, with its end left out where it is longer."""
    text = " ".join(str(value).split())
    # A control sequence in a row would otherwise steer the terminal.
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return text if len(text) <= characters else f"{text[: characters - 1]}…"
