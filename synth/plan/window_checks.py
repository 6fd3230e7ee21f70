"""What must hold of documents that are ordered and packed into windows, before anything is run."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pyarrow as pa

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Schema
from synth.core.step import Fields
from synth.formats import ExportSpec, TokensExport
from synth.plan.checks import RENAME, Tables, steps_back
from synth.plan.planned import PlannedStep
from synth.steps import AnyStep, Chunk, Embed, OrderDocuments, Pack
from synth.steps.order_documents import WINDOWS, is_count


class _Packed(NamedTuple):
    """Windows that rows are, or were made from.

    Attributes:
        table: The step that packed them.
        step: Its declaration.
        remade: A step after it whose rows are its own; None where rows are the windows still.
        filled: The columns that later steps have filled.
    """

    table: PlannedStep
    step: Pack
    remade: PlannedStep | None
    filled: frozenset[str]

    @property
    def own(self) -> set[str]:
        """The columns that windows have."""
        return {field.name for field in self.step.adds()}

    def null(self, schema: Schema) -> set[str]:
        """The columns that only documents have, or only windows, where rows are not these."""
        own = self.own
        if self.step.output == "tokens":
            own -= {self.step.column}
        if self.remade is not None:
            own &= {self.step.column}
        return set(schema.names) - {rows.ID.name, rows.DROP_REASON.name, *own, *self.filled}


def check_window_step(place: str, planned: PlannedStep, needs: Fields, tables: Tables) -> None:
    """Proves that a step takes ordered documents and windows for what they are.

    Args:
        place: The step, for messages.
        planned: The step, worked out.
        needs: The columns that it reads.
        tables: All tables before it.

    Raises:
        RecipeError: If it does not.
    """
    step, reads = planned.step, planned.reads
    packed = _packed(reads, tables)
    if packed is not None and packed.remade is None:
        _check_left_whole(place, planned, packed)
    check_filled(place, needs, reads, tables)
    _check_own_columns(place, step, reads, tables)
    if isinstance(step, OrderDocuments):
        _check_tokens(place, step, reads, tables[reads].schema)
    if isinstance(step, Pack):
        _check_order(place, step, reads, tables)


def check_window_export(place: str, spec: ExportSpec, reads: str, tables: Tables) -> None:
    """Proves that an export writes windows once, and no document into two splits.

    Raises:
        RecipeError: If it may.
    """
    packed = _packed(reads, tables)
    if packed is None:
        return
    check_filled(place, spec.needs(), reads, tables)
    if len(spec.splits) > 1:
        raise RecipeError(
            f"{place}: `splits` of the windows of step {packed.table.name!r}: a document that is "
            "cut between two windows would be in two splits; say `splits: {train: 1.0}`, and pack "
            "the documents of another split by a recipe of their own"
        )
    # Beside the windows that a step keeps stand rows made of them, with their tokens.
    between = itertools.takewhile(lambda one: one is not packed.table, steps_back(reads, tables))
    made = next((one for one in between if one.makes_rows), None)
    if isinstance(spec, TokensExport) and made is not None:
        raise RecipeError(
            f"{place}: step {made.name!r} makes rows of windows, so that files would hold their "
            "tokens several times; say `from:` with the step before it"
        )


def check_filled(place: str, needs: Fields, reads: str, tables: Tables) -> None:
    """Proves that what is read of windows is more than null.

    Raises:
        RecipeError: If it is what only documents have.
    """
    packed = _packed(reads, tables)
    if packed is None:
        return
    null = packed.null(tables[reads].schema)
    column = next((field.name for field in needs if field.name in null), None)
    if column is None:
        return
    if column == packed.step.column and packed.step.output == "tokens":
        hint = "say `output: both` there"
    elif packed.remade is not None and column in packed.own:
        hint = f"step {packed.remade.name!r} makes rows of its own of them; read that step's rows"
    else:
        hint = "they hold several documents; leave it out, or read it of a step before that one"
    raise RecipeError(
        f"{place} reads column {column!r}, which is null in the windows of step "
        f"{packed.table.name!r}; {hint}"
    )


def null_in_windows(reads: str, tables: Tables) -> set[str]:
    """The columns of a table that are null since documents were packed; none where they are not."""
    packed = _packed(reads, tables)
    return set() if packed is None else packed.null(tables[reads].schema)


def _packed(reads: str, tables: Tables) -> _Packed | None:
    """The windows that the rows of a table are, or come from."""
    remade, filled = None, set[str]()
    for table in steps_back(reads, tables):
        if isinstance(table.step, Pack):
            return _Packed(table, table.step, remade, frozenset(filled))
        filled |= table.adds
        if table.makes_rows and not getattr(table.step, "keep_inputs", False):
            remade = table
    return None


def _check_left_whole(place: str, planned: PlannedStep, packed: _Packed) -> None:
    """Proves that windows are not ordered or packed again, and that their text stays theirs."""
    before = f"put it before that step, or say `from: {packed.table.reads}`"
    if isinstance(planned.step, OrderDocuments | Pack):
        raise RecipeError(
            f"{place}: {planned.step.kind} takes documents, and step {packed.table.name!r} has "
            f"packed them into windows; {before}"
        )
    column = packed.step.column
    if column in planned.adds and (not planned.makes_rows or isinstance(planned.step, Chunk)):
        raise RecipeError(
            f"{place} writes {column!r}, but step {packed.table.name!r} has packed documents into "
            f"windows, whose tokens and spans would no longer be those of their text; {before}"
        )


def _check_own_columns(place: str, step: AnyStep, reads: str, tables: Tables) -> None:
    """Proves that a step replaces no column of a source that nobody has told it to."""
    back, schema = list(steps_back(reads, tables)), tables[reads].schema
    brought = set(schema.names).difference(*(table.adds for table in back))
    own: Fields = ()
    if isinstance(step, OrderDocuments):
        own = step.adds()
    elif isinstance(step, Pack):
        own = tuple(field for field in step.adds() if field.name != step.column)
    elif isinstance(step, Embed):
        # The embeddings of a text that has changed since are to be made again.
        is_fresh = any(table.makes_rows or step.column in table.adds for table in back)
        own = () if is_fresh else step.adds()
    for field in own:
        if field.name in brought:
            raise RecipeError(
                f"{place} writes column {field.name!r}, but the source has one of that name; "
                f"{RENAME}"
            )
    if isinstance(step, Pack) and WINDOWS.name in brought and _is_plan(schema):
        raise RecipeError(
            f"{place}: the source brings {WINDOWS.name!r}, a plan of order_documents, which is no "
            "step of this recipe; order here, or leave that column out"
        )


def _is_plan(schema: Schema) -> bool:
    """Whether the column of windows is a plan, of this version of synth or another."""
    kind = schema.field(WINDOWS.name).type
    if not (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)):
        return False
    names = {field.name for field in kind.value_type}
    return {"number", "start", "end"} <= names


def _check_tokens(place: str, step: OrderDocuments, reads: str, schema: Schema) -> None:
    """Proves that the column that says how many tokens documents have holds numbers."""
    if step.tokens is not None and not is_count(kind := schema.field(step.tokens).type):
        raise RecipeError(
            f"{place}: tokens: {step.tokens} must hold whole numbers, but in {reads!r} it is "
            f"{kind}; `tokenizer` counts the tokens of a text"
        )


def _check_order(place: str, step: Pack, reads: str, tables: Tables) -> None:
    """Proves that documents are packed as they were put in order, or by a column."""
    if step.order_by is not None:
        kind = tables[reads].schema.field(step.order_by).type
        if pa.types.is_nested(kind):
            raise RecipeError(
                f"{place}: order_by: {step.order_by} must hold numbers or texts, but in {reads!r} "
                f"it is {kind}"
            )
    between: list[PlannedStep] = []
    for table in steps_back(reads, tables):
        if isinstance(table.step, Pack):  # what was made of windows has no order yet
            return
        if not isinstance(table.step, OrderDocuments):
            between.append(table)
            continue
        if problem := step.problem_with(table.step):
            raise RecipeError(f"{place}: {problem} (step {table.name!r})")
        for one in between:
            if what := _disorders(one, step, table.step):
                raise RecipeError(
                    f"{place}: step {one.name!r} {what} after step {table.name!r} has put "
                    "documents in order; put it before that step"
                )
        return


def _disorders(table: PlannedStep, step: Pack, order: OrderDocuments) -> str:
    """What a step does to ordered documents that their order does not hold for; else nothing."""
    # Chunks of a document would stand in one place, in any order.
    if table.makes_rows and (order.plans_windows or isinstance(table.step, Chunk)):
        return "makes rows of its own"
    if order.plans_windows and step.column in table.adds:
        return f"writes {step.column!r}"
    return ""
