"""The recipe as a picture: a Mermaid diagram, which the Hub draws."""

from __future__ import annotations

import re
from collections.abc import Iterator

from synth.card.markdown import fenced
from synth.card.run_info import RunInfo
from synth.recipe import EXPORT, SOURCE
from synth.steps import Generate

# All else is written as its number, so that no name ends a label or begins markup.
_PLAIN = re.compile(r"[^A-Za-z0-9 .,:/()_-]")


def diagram(run: RunInfo) -> str:
    """Sources, steps and exports as boxes with their rows, an arrow for each table that is read."""
    lines = ["flowchart TD", *(f"  {line}" for line in _lines(run))]
    return fenced("\n".join(lines), "mermaid")


def _lines(run: RunInfo) -> Iterator[str]:
    recipe = run.recipe
    rows = {record.name: record.rows_out for record in run.records}
    boxes: dict[str, str] = {}
    for at, (name, source) in enumerate(recipe.all_sources().items()):
        boxes[name] = f"s{at}"
        yield f"{boxes[name]}[({_label(name, source.kind, rows.get(name))})]"
    before = SOURCE
    for at, (name, step) in enumerate(recipe.named_steps()):
        box = f"n{at}"
        by = (
            f"{step.kind} by {', '.join(step.weights)}" if isinstance(step, Generate) else step.kind
        )
        yield f"{box}[{_label(name, by, rows.get(name))}]"
        yield from _arrows(boxes, box, step.from_ or before, list(step.second_tables()))
        boxes[name] = box
        before = name
    for at, spec in enumerate(recipe.export):
        box = f"e{at}"
        told = rows.get(EXPORT if at == 0 else f"{EXPORT} {spec.name}")
        yield f"{box}([{_label(spec.name, spec.format, told)}])"
        yield from _arrows(boxes, box, spec.from_ or before, list(spec.second_tables()))


def _arrows(boxes: dict[str, str], box: str, reads: str, beside: list[str]) -> Iterator[str]:
    if reads in boxes:
        yield f"{boxes[reads]} --> {box}"
    yield from (f"{boxes[name]} -.-> {box}" for name in beside if name in boxes)


def _label(name: str, kind: str, rows: int | None) -> str:
    counted = "" if rows is None else f"<br>{rows:,} rows"
    return f'"{_escaped(name)}<br>{_escaped(kind)}{counted}"'


def _escaped(text: str) -> str:
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", text)
