"""What must hold of documents that are ordered and packed into windows, before anything is run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Schema
from synth.core.step import Fields
from synth.formats import ExportSpec
from synth.plan.checks import RENAME, Tables, steps_back
from synth.plan.planned import PlannedStep
from synth.steps import AnyStep, Embed, OrderDocuments, Pack
from synth.steps.copies import is_number
from synth.steps.order_documents import WINDOWS


def check_plan(place: str, step: Pack, reads: str, tables: Tables) -> None:
    """Proves that a step packs documents as an earlier one has put them, or by a column of its own.

    Raises:
        RecipeError: If it cannot.
    """
    if step.order_by is not None:
        kind = tables[reads].schema.field(step.order_by).type
        if pa.types.is_nested(kind):
            raise RecipeError(
                f"{place}: order_by: {step.order_by} must hold numbers or texts, but in {reads!r} "
                f"it is {kind}"
            )
    between: list[PlannedStep] = []
    for table in steps_back(reads, tables):
        if isinstance(table.step, OrderDocuments):
            if problem := step.problem_with(table.step):
                raise RecipeError(f"{place}: {problem} (step {table.name!r})")
            _check_between(place, step, table, between)
            return
        between.append(table)


def _check_between(
    place: str, step: Pack, order: PlannedStep, between: Sequence[PlannedStep]
) -> None:
    """Proves that documents are still those that were put in order."""
    for table in between:
        what = "makes rows of its own" if table.makes_rows else None
        plans = isinstance(order.step, OrderDocuments) and order.step.plans_windows
        if what is None and plans and _writes(table, step.column):
            what = f"writes {step.column!r}"
        if what is not None:
            raise RecipeError(
                f"{place}: step {table.name!r} {what} after step {order.name!r} has put documents "
                "in order; put it before that step"
            )


def check_after(place: str, planned: PlannedStep, reads: str, tables: Tables) -> None:
    """Proves that a step leaves the text of windows that of their tokens.

    Raises:
        RecipeError: If it writes another.
    """
    for packed in _packs(reads, tables):
        column = packed.step.column if isinstance(packed.step, Pack) else ""
        if _writes(planned, column):
            raise RecipeError(
                f"{place} writes {column!r}, but step {packed.name!r} has packed documents into "
                "windows, whose tokens and spans would no longer be those of their text; put it "
                f"before that step, or say `from: {packed.reads}`"
            )


def check_once(place: str, reads: str, tables: Tables) -> None:
    """Proves that token files have each window once.

    Raises:
        RecipeError: If a step has made several rows of one.
    """
    between = itertools.takewhile(
        lambda table: not isinstance(table.step, Pack), steps_back(reads, tables)
    )
    made = next((table for table in between if table.makes_rows), None)
    if made is not None and any(_packs(reads, tables)):
        raise RecipeError(
            f"{place}: step {made.name!r} makes rows of windows, so that files would hold their "
            "tokens several times; say `from:` with the step before it"
        )


def _writes(table: PlannedStep, column: str) -> bool:
    return any(field.name == column for field in _adds(table))


def check_tokens(place: str, step: OrderDocuments, reads: str, schema: Schema) -> None:
    """Proves that the column that says how many tokens documents have holds numbers.

    Raises:
        RecipeError: If it does not.
    """
    if step.tokens is None:
        return
    kind = schema.field(step.tokens).type
    if not (is_number(kind) or pa.types.is_decimal(kind)):
        raise RecipeError(
            f"{place}: tokens: {step.tokens} must hold whole numbers, but in {reads!r} it is "
            f"{kind}; `tokenizer` counts the tokens of a text"
        )


def check_own_columns(
    place: str, step: AnyStep, reads: str, tables: Tables, schema: Schema
) -> None:
    """Proves that steps replace no column of a source that nobody has told them to.

    Raises:
        RecipeError: If one does.
    """
    match step:
        case OrderDocuments():
            own = [*step.adds(), WINDOWS]
        case Pack():
            own = [field for field in step.adds() if field.name != step.column]
        case Embed():
            own = [*step.adds()]
        case _:
            return
    made = {field.name for table in steps_back(reads, tables) for field in _adds(table)}
    for field in own:
        if field.name in schema.names and field.name not in made:
            raise RecipeError(
                f"{place} writes column {field.name!r}, but the source has one of that name; "
                f"{RENAME}"
            )
    brings_plan = WINDOWS.name not in made and WINDOWS in list(schema)
    if isinstance(step, Pack) and brings_plan:
        raise RecipeError(
            f"{place}: the source brings {WINDOWS.name!r}, a plan of order_documents, which is no "
            "step of this recipe; order here, or leave that column out"
        )


def check_documents(place: str, step: AnyStep, reads: str, tables: Tables) -> None:
    """Proves that windows are neither ordered nor packed again.

    Raises:
        RecipeError: If they are.
    """
    if not isinstance(step, OrderDocuments | Pack):
        return
    for packed in _packs(reads, tables):
        raise RecipeError(
            f"{place}: {step.kind} takes documents, and step {packed.name!r} has packed them into "
            f"windows; put it before that step, or say `from: {packed.reads}`"
        )


def check_left(place: str, needs: Fields, reads: str, tables: Tables) -> None:
    """Proves that what is read of windows is more than null.

    Raises:
        RecipeError: If it is what only documents have.
    """
    lost = null_in_windows(reads, tables)
    column = next((field.name for field in needs if field.name in lost), None)
    if column is None:
        return
    packed = next(_packs(reads, tables))
    raise RecipeError(
        f"{place} reads column {column!r}, which is null in the windows of step {packed.name!r}; "
        f"{_way_out(column, packed)}"
    )


def null_in_windows(reads: str, tables: Tables) -> set[str]:
    """The columns that only documents have, if a step has packed them into windows."""
    filled = {rows.ID.name, rows.DROP_REASON.name}
    for table in steps_back(reads, tables):
        filled |= {field.name for field in _adds(table)}
        if isinstance(table.step, Pack):
            if table.step.output == "tokens":
                filled.discard(table.step.column)
            return set(tables[reads].schema.names) - filled
    return set()


def check_one_split(place: str, spec: ExportSpec, reads: str, tables: Tables) -> None:
    """Proves that no document is in two splits, as one that is cut between two windows would be.

    Raises:
        RecipeError: If it may be.
    """
    if len(spec.splits) == 1:
        return
    for packed in _packs(reads, tables):
        raise RecipeError(
            f"{place}: `splits` of the windows of step {packed.name!r}: a document that is cut "
            "between two windows would be in two splits; say `splits: {train: 1.0}`, and pack the "
            "documents of another split by a recipe of their own"
        )


def _packs(reads: str, tables: Tables) -> Iterator[PlannedStep]:
    return (table for table in steps_back(reads, tables) if isinstance(table.step, Pack))


def _adds(table: PlannedStep) -> Fields:
    return table.step.adds() if table.generation is None else table.generation.adds()


def _way_out(column: str, packed: PlannedStep) -> str:
    if isinstance(packed.step, Pack) and column == packed.step.column:
        return "say `output: both` there"
    return "they hold several documents; leave it out, or read it of a step before that one"
