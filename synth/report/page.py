"""The page: what is on it, and where it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from synth.core.errors import StorageError
from synth.figures import FIGURES, figures
from synth.html.chart import chart
from synth.html.render import render, style
from synth.html.tables import ledger, reasons, rows_table, table
from synth.html.tree import tree
from synth.inputs.files import Folder, storage_errors
from synth.manifest import StepRecord
from synth.quality.finding import Finding
from synth.recipe import EXPORT
from synth.redact import redacted
from synth.samples import cards
from synth.view import Run

REPORT = "report.html"

# Cards of the last step, of every other one, and of each reason for which a step dropped rows.
_LAST_CARDS, _STEP_CARDS, _DROPPED_CARDS = 12, 2, 2
_TABLE_ROWS, _TABLE_COLUMNS = 4, 8
# Reasons of a step that are shown; the ledger counts all.
_REASONS = 8


@dataclass(frozen=True, slots=True)
class _Step:
    """A step on the page.

    Attributes:
        record: Its line of the ledger.
        table: Its first rows as they are; None where none are shown.
        cards: And as cards.
    """

    record: StepRecord
    table: Markup | None = None
    cards: list[Markup] = field(default_factory=list)


def write_report(run: Run, findings: Sequence[Finding] = (), out: str | None = None) -> str:
    """Writes the page of a run; its path.

    Args:
        run: The run.
        findings: Of its quality.
        out: The file; ``report.html`` in the run's folder when left out.

    Raises:
        StorageError: If it cannot be written.
    """
    page = render_report(run, findings).encode()
    if out is None:
        run.folder.write(REPORT, page)
        return f"{run.folder.url.rstrip('/')}/{REPORT}"
    path = Path(out)
    if path.is_dir():
        raise StorageError(f"{out} is a folder; give --out a file such as {out}/{REPORT}")
    with storage_errors(out):
        Folder(str(path.parent)).write(path.name, page)
    return out


def render_report(run: Run, findings: Sequence[Finding] = (), *, kept_only: bool = False) -> str:
    """The page of a run.

    Whatever a row holds is text on it: nothing in a row can become a tag, a script or a style.
    Paths, hosts and keys of the machine are not in it, where they are not in a row.

    Args:
        run: The run.
        findings: Of its quality.
        kept_only: Whether it is for those who get the dataset alone: without the texts of rows
            that were dropped, and without rows of the steps on the way.
    """
    records = run.records
    last = run.steps[-1] if run.steps else None
    sample = [] if last is None else run[last].head(_LAST_CARDS).to_pylist()
    page = render(
        "report.html",
        style=style(),
        run=run,
        facts=_facts(run),
        funnel=_charts(run, "funnel"),
        reasons=_charts(run, "drop_reasons"),
        ledger=ledger(records),
        last=last,
        samples=[] if last is None else cards(run, last, sample, level=3),
        lineage=tree(run.why(sample[0]["id"])) if sample else None,
        dropped=[
            (name, _dropped(run, name))
            for name in run.steps
            if run[name].record.rows_dropped and not kept_only
        ],
        steps=[
            _Step(run[name].record) if kept_only else _step(run, name, is_last=name == last)
            for name in run.steps
        ],
        charts=_charts(run, *(name for name in FIGURES if name not in ("funnel", "drop_reasons"))),
        findings=[
            (one, _tables(one), [chart(figure) for figure in one.figures]) for one in findings
        ],
        models=_models(records),
        prompts=_prompts(run),
        recipe=redacted(run.recipe),
    )
    return str(page)


def _charts(run: Run, *names: str) -> list[Markup]:
    return [chart(one) for name in names for one in figures(run, name)]


def _facts(run: Run) -> list[tuple[str, str]]:
    records = run.records
    usage = [record.usage for record in records]
    last = run.steps[-1] if run.steps else None
    found = [
        ("version", run.version),
        ("not finished", _missing(run)),
        ("finished", _day(max((record.finished_at for record in records), default=""))),
        ("steps", f"{len(run.steps):,}"),
        ("rows read", f"{sum(r.rows_out for r in records if r.kind == 'source'):,}"),
        ("rows of the last step", "" if last is None else f"{len(run[last]):,} ({last})"),
        ("rows dropped", f"{sum(record.rows_dropped for record in records):,}"),
        ("requests to models", _requests(run)),
        ("tokens written", f"{sum(one.output_tokens for one in usage):,}"),
        ("seconds", f"{sum(record.seconds for record in records):,.0f}"),
        ("made with", ", ".join(sorted(_versions(records)))),
    ]
    return [(name, told) for name, told in found if told]


def _missing(run: Run) -> str:
    """What the run has not finished, and what to do."""
    exported = any(record.name == EXPORT for record in run.records)
    missing = [*run.missing, *([] if exported else ["the export"])]
    return f"without {', '.join(missing)}; go on with `synth run`" if missing else ""


def _day(moment: str) -> str:
    """A time of the ledger as a reader wants it: ``2026-11-26 12:00 UTC``."""
    return f"{moment[:10]} {moment[11:16]} UTC" if moment else ""


def _requests(run: Run) -> str:
    usage = [record.usage for record in run.records]
    sent, reused = (sum(getattr(one, name) for one in usage) for name in ("requests", "reused"))
    return f"{sent:,}, and {reused:,} replies used again" if sent or reused else ""


def _versions(records: Sequence[StepRecord]) -> set[str]:
    found = (record.ingredients.get("synth") for record in records)
    return {f"synth {version}" for version in found if version}


def _step(run: Run, name: str, *, is_last: bool) -> _Step:
    rows = run[name].head(_TABLE_ROWS).to_pylist()
    columns = [one for one in run[name].schema.names if any(row[one] is not None for row in rows)]
    shown = rows_table(f"First rows of {name}", rows, columns[:_TABLE_COLUMNS])
    chosen = [] if is_last else rows[:_STEP_CARDS]
    return _Step(run[name].record, shown, cards(run, name, chosen, level=4))


def _dropped(run: Run, name: str) -> list[tuple[str, int, list[Markup]]]:
    found = run[name].dropped_by_reason(_DROPPED_CARDS)
    listed = [(why, count) for why, count in reasons(run[name].record) if why in found]
    return [
        (why, count, cards(run, name, found[why].to_pylist(), level=4))
        for why, count in listed[:_REASONS]
    ]


def _tables(finding: Finding) -> Markup | None:
    return table(finding.title, finding.head, finding.lines) if finding.lines else None


def _models(records: Sequence[StepRecord]) -> Markup | None:
    found = {
        name.removeprefix("model "): label
        for record in records
        for name, label in record.ingredients.items()
        if name.startswith("model ")
    }
    lines = [(name, redacted(label)) for name, label in found.items()]
    return table("Models", ("name", "what identifies it"), lines) if lines else None


def _prompts(run: Run) -> list[tuple[str, str, str]]:
    """Name, hash and text of each prompt."""
    hashes = {
        name.removeprefix("prompt "): sha
        for record in run.records
        for name, sha in record.ingredients.items()
        if name.startswith("prompt ")
    }
    return [(name, hashes.get(name, ""), text) for name, text in run.prompts.items()]
