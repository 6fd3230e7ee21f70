"""Why a row is what it is: every step that touched it, from its source on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from synth.core.errors import SynthError
from synth.core.rows import Table
from synth.html import Fragment
from synth.html.tree import tree
from synth.manifest import StepRecord

Row = dict[str, Any]
What = Literal["read", "made", "kept", "changed", "dropped", "rejected", "replaced"]

_LISTS = {"positives": "positive", "negatives": "negative"}
_REJECTED = "rejected_negatives"
_MADE_BY = ("model", "prompt", "prompt_sha", "seed", "axes")


class Searchable(Protocol):
    """The rows of a step, as `synth.view` has them."""

    @property
    def record(self) -> StepRecord:
        """The step's line of the ledger."""
        ...

    def search(
        self, named_in: Sequence[str], ids: Sequence[str], columns: Sequence[str] | None = None
    ) -> Table:
        """The rows that name one of `ids` in one of the columns `named_in`."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """What one step did to one row.

    Attributes:
        step: The step.
        id: The row.
        what: ``read`` from a source; ``made`` from its parent; ``kept`` as it was; ``changed``;
            ``dropped``; one of its negatives ``rejected``; ``replaced`` by rows made from it.
        facts: What there is to know of it, such as model, prompt, reason or score.
    """

    step: str
    id: str
    what: What
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Use:
    """A text that stands in the list of another row.

    Attributes:
        step: The step that put it there.
        row_id: The row.
        role: ``positive`` or ``negative``.
        text: The text.
        origin: Of a negative: ``mined``, ``given``, ``generated:<model>``, or ``positive`` where it
            was the row's positive.
        score: Its last score.
        made_by: Whoever may have written it, where a model did: every reply of that step.
        rejected_by: The step that rejected it.
        reason: Why.
        ceiling: The score that it had to stay below.
    """

    step: str
    row_id: str
    role: str
    text: str
    origin: str | None = None
    score: float | None = None
    made_by: tuple[Mapping[str, Any], ...] = ()
    rejected_by: str | None = None
    reason: str | None = None
    ceiling: float | None = None


@dataclass(frozen=True, slots=True)
class Child:
    """A row made from another one.

    Attributes:
        step: The step that made it.
        id: The row.
    """

    step: str
    id: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """All that is known of one id.

    Attributes:
        id: A row's, or that of a text in a list.
        events: What happened to its sources, and then to the row; where the id is only that of a
            text in lists, what happened to the rows that list it.
        uses: Where it stands as a positive or a negative.
        children: Rows made from it.
    """

    id: str
    events: tuple[Event, ...]
    uses: tuple[Use, ...]
    children: tuple[Child, ...]

    def _repr_html_(self) -> str:
        """It as a tree, for a notebook."""
        return Fragment(tree(self), f"lineage of {self.id}")._repr_html_()


def trace(steps: Sequence[Searchable], row_id: str) -> Lineage:
    """The lineage of an id.

    Args:
        steps: Sources and steps in their order.
        row_id: Of a row, or of an entry of `positives`, `negatives` or `rejected_negatives`.

    Raises:
        SynthError: If no step knows it.
    """
    uses = _uses(steps, row_id)
    stories = _stories(steps, [row_id]) or _stories(
        steps, list(dict.fromkeys(u.row_id for u in uses))
    )
    if not stories:
        looked = ", ".join(step.record.name for step in steps) or "no finished step"
        raise SynthError(
            f"no row and no positive or negative has the id {row_id!r}; looked in {looked}"
        )
    events = [event for name, seen in stories.items() for event in _events(steps, name, seen)]
    return Lineage(row_id, tuple(events), uses, _children(steps, row_id))


def _stories(steps: Sequence[Searchable], ids: list[str]) -> dict[str, dict[str, Row]]:
    """How rows and all their ancestors look after each step, the oldest ancestors first."""
    stories: dict[str, dict[str, Row]] = {}
    while ids:
        found: dict[str, dict[str, Row]] = defaultdict(dict)
        for step in steps:
            for row in step.search(["id"], ids).to_pylist():
                found[row["id"]][step.record.name] = row
        stories = {**found, **stories}
        born = [next(iter(seen.values())) for seen in found.values()]
        parents = dict.fromkeys(parent for row in born for parent in _parents(row))
        ids = [parent for parent in parents if parent not in stories]
    return stories


def _parents(row: Row) -> list[str]:
    """The rows that a row was made from, those of a window by their documents."""
    if row.get("parent_id"):
        return [row["parent_id"]]
    return list(row.get("doc_ids") or [])


def _events(steps: Sequence[Searchable], row_id: str, seen: Mapping[str, Row]) -> Iterator[Event]:
    previous: Row | None = None
    for record in (step.record for step in steps):
        before = seen.get(record.reads, previous)
        row = seen.get(record.name)
        if row is None:
            if record.reads in seen and seen[record.reads]["drop_reason"] is None:
                yield Event(record.name, row_id, "replaced")
            continue
        if previous is None or record.reads not in seen:
            # What another step has made may have the same id: an equal window, an equal text.
            yield _birth(record, row)
        else:
            yield from _changes(record, before or {}, row)
        if row["drop_reason"] is not None:
            yield Event(record.name, row_id, "dropped", _drop(row))
        previous = row


def _birth(record: StepRecord, row: Row) -> Event:
    if record.kind == "source":
        return Event(record.name, row["id"], "read", _present(row, ("text", "query")))
    by = row.get("provenance") or {}
    facts = {"parents": _parents(row)} | _present(by, _MADE_BY) | _present(row, ("text", "query"))
    return Event(record.name, row["id"], "made", facts)


def _changes(record: StepRecord, before: Row, row: Row) -> Iterator[Event]:
    changed = [
        name
        for name, value in row.items()
        if name != "drop_reason"
        and (name not in before or before[name] != value)
        and value is not None
    ]
    edits = (row.get("edits") or [])[len(before.get("edits") or []) :]
    facts: dict[str, Any] = {"columns": [name for name in changed if name != "edits"]}
    if edits:
        facts["made_by"] = [_present(edit, _MADE_BY) for edit in edits]
    if changed:
        yield Event(record.name, row["id"], "changed", facts)
    elif row["drop_reason"] is None:
        yield Event(record.name, row["id"], "kept")
    for entry in (row.get(_REJECTED) or []) if _REJECTED in changed else []:
        yield Event(record.name, row["id"], "rejected", _rejection(entry))


def _rejection(entry: Row) -> Row:
    names = ("reason", "score", "ceiling", "origin", "text")
    return {"negative": entry["id"]} | _present(entry, names)


def _drop(row: Row) -> Row:
    names = ("duplicate_of", "duplicate_jaccard")
    notes = "; ".join(one["note"] for one in row.get("listed") or () if one["note"])
    told = {"reason": row["drop_reason"]} | _present(row, names)
    return told | ({"note": notes} if notes else {})


def _present(values: Row, names: Iterable[str]) -> Row:
    return {name: values[name] for name in names if values.get(name) is not None}


def _uses(steps: Sequence[Searchable], entry_id: str) -> tuple[Use, ...]:
    uses: dict[tuple[str, str], Use] = {}
    lists = [*_LISTS, _REJECTED]
    for step in steps:
        for row in step.search(lists, [entry_id], ["id", "edits", *lists]).to_pylist():
            for name, role in _LISTS.items():
                for entry in _named(row, name, entry_id):
                    use = uses.get((row["id"], role)) or _first_use(step.record, row, role, entry)
                    uses[row["id"], role] = replace(use, score=entry["score"])
            for entry in _named(row, _REJECTED, entry_id):
                key = (row["id"], "negative")
                use = uses.get(key) or _first_use(step.record, row, "negative", entry)
                uses[key] = use if use.rejected_by else _rejected(use, step.record, entry)
    return tuple(uses.values())


def _rejected(use: Use, record: StepRecord, entry: Row) -> Use:
    why = {name: entry[name] for name in ("score", "reason", "ceiling")}
    return replace(use, rejected_by=record.name, **why)


def _named(row: Row, column: str, entry_id: str) -> list[Row]:
    return [entry for entry in row.get(column) or [] if entry["id"] == entry_id]


def _first_use(record: StepRecord, row: Row, role: str, entry: Row) -> Use:
    edits = row.get("edits") or []
    made_by = tuple(
        _present(edit, ("step", *_MADE_BY)) for edit in edits if edit["step"] == record.name
    )
    return Use(record.name, row["id"], role, entry["text"], entry.get("origin"), made_by=made_by)


def _children(steps: Sequence[Searchable], row_id: str) -> tuple[Child, ...]:
    found: dict[str, Child] = {}
    for step in steps:
        for row in step.search(["parent_id", "doc_ids"], [row_id], ["id"]).to_pylist():
            found.setdefault(row["id"], Child(step.record.name, row["id"]))
    return tuple(found.values())
