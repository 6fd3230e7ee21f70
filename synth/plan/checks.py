"""What must hold before anything is run: what is read is there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.prompt import SCORING, InLanguage, PromptHead
from synth.core.rows import Schema
from synth.core.step import Fields
from synth.inputs.prompt_heads import no_languages
from synth.plan.planned import PlannedSource, PlannedStep
from synth.recipe import Recipe
from synth.steps import (
    AnyStep,
    Decontaminate,
    Generate,
    MarginFilter,
    MineNegatives,
    OrderDocuments,
    RelabelPositive,
    Score,
    SemanticDedup,
    SoftLabels,
)
from synth.steps.copies import CopyStep, is_number, ranked_by
from synth.steps.retrievers import Dense

Tables = Mapping[str, PlannedSource | PlannedStep]


def check_table(
    place: str,
    key: str,
    name: str,
    tables: Tables,
    recipe: Recipe,
) -> None:
    """Proves that a table is there when it is read.

    Raises:
        RecipeError: If it is not; says what there is.
    """
    if name in tables:
        return
    later = name in dict(recipe.named_steps())
    what = "which runs after it" if later else "which is no step or source before it"
    near = [] if later else difflib.get_close_matches(name, tables, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(tables)}"
    raise RecipeError(f"{place}: `{key}` names {name!r}, {what}; {hint}")


def check_columns(place: str, needs: Fields, table: str, schema: Schema) -> None:
    """Proves that a table has the columns that are read, of their types.

    Raises:
        RecipeError: If it has not; says what it has.
    """
    for field in needs:
        at = schema.get_field_index(field.name)
        if at < 0:
            have = ", ".join(name for name in schema.names if name != "drop_reason")
            hint = (
                " (unit, ngram and num_perm are in the name: give the step those of the index)"
                if field.name.startswith("minhash_")
                else ""
            )
            raise RecipeError(
                f"{place} reads column {field.name!r}, which {table!r} does not have; it has "
                f"{have}{hint}"
            )
        found = schema.field(at).type
        if not pa.types.is_null(field.type) and not rows.same_type(field.type, found):
            raise RecipeError(
                f"{place} reads column {field.name!r} as {_type(field.type)}, but in {table!r} it "
                f"is {_type(found)}{_HOW_TO_EMBED if rows.is_vector(field.type) else ''}"
            )


def check_adds(place: str, adds: Fields, reads: str, tables: Tables) -> None:
    """Proves that a column that is added, or filled again, replaces none of another kind.

    Raises:
        RecipeError: If it does.
    """
    schema = tables[reads].schema
    for field in adds:
        at = schema.get_field_index(field.name)
        if at < 0:
            continue
        found = schema.field(at).type
        if not (pa.types.is_null(found) or _is_filled_again(field.type, found)):
            made = (one.name for one in steps_back(reads, tables) if field.name in one.adds)
            by_step = next(made, None)
            raise RecipeError(
                f"{place} writes column {field.name!r} as {_type(field.type)}, but in {reads!r} "
                f"there is one of that name, {_type(found)}; "
                f"{RENAME if by_step is None else f'step {by_step!r} makes it: rename one of them'}"
            )


def _is_filled_again(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether values of two types are of one kind: numbers may have other sizes."""
    return rows.same_type(one, other) or (is_number(one) and is_number(other))


# What to do with a source's column whose name a step takes.
RENAME = "give that one another name, or leave it out, in the `columns` of its source"
# What to do where embeddings are wanted.
_HOW_TO_EMBED = (
    "; an `embed` step makes embeddings, or a source brings them as lists of floats (1.0, not 1)"
)


def _type(kind: pa.DataType) -> str:
    if rows.is_vector(kind):
        return "embeddings"
    return {"string": "text", "large_string": "text"}.get(str(kind), str(kind))


def needs_scores(step: AnyStep) -> tuple[str, ...]:
    """The lists whose entries must have scores, lest every row drop."""
    scored = isinstance(step, RelabelPositive | SoftLabels)
    if isinstance(step, MarginFilter):
        scored = step.reads_positive_scores
    return ("positives",) if scored else ()


def check_scored(place: str, lists: Sequence[str], reads: str, tables: Tables) -> None:
    """Proves that something scores the entries that a step has made.

    Args:
        place: What reads them, for the message.
        lists: Of `positives` and `negatives` those whose entries must have a score.
        reads: The table that it reads.
        tables: All tables before it.

    Raises:
        RecipeError: If nothing does: rows with such entries would drop.
    """
    for table in steps_back(reads, tables):
        if _scores(table):
            return
        if made := [name for name in lists if name in _unscored(table)]:
            raise RecipeError(
                f"{place}: nothing scores the {made[0]} that step {table.name!r} makes, so that "
                "rows with them would drop; put a step `kind: score` before it"
            )


def steps_back(reads: str, tables: Tables) -> Iterator[PlannedStep]:
    """The steps from one on back to the source that its rows come from."""
    table = tables[reads]
    while isinstance(table, PlannedStep):
        yield table
        table = tables[table.reads]


def _scores(table: PlannedStep) -> bool:
    """Whether a step gives every entry a score."""
    by_llm = table.generation is not None and table.generation.prompt.head.makes in SCORING
    return by_llm or isinstance(table.step, Score)


def _unscored(table: PlannedStep) -> tuple[str, ...]:
    """The lists that get entries without a score from a step."""
    if table.generation is not None:
        makes = table.generation.prompt.head.makes
        return {"pairs": ("positives",)}.get(makes, (makes,))
    if isinstance(table.step, MineNegatives):
        scoring = any(isinstance(one, Dense) for one in table.step.retrievers)
        return () if scoring else ("negatives",)
    return ()


def check_keep(place: str, step: AnyStep, reads: str, schema: Schema) -> None:
    """Proves that the column that says which copy stays holds numbers.

    Raises:
        RecipeError: If it does not.
    """
    if not isinstance(step, CopyStep | SemanticDedup | OrderDocuments):
        return
    for field in ranked_by(step.keep):
        kind = schema.field(field.name).type
        if not is_number(kind):
            raise RecipeError(
                f"{place}: keep: {step.keep} needs a column of numbers, but in {reads!r} "
                f"{field.name!r} is {_type(kind)}"
            )


def check_against(place: str, step: AnyStep, reads: str, tables: Tables) -> None:
    """Proves that rows are not compared with themselves, for then all of them would drop.

    Raises:
        RecipeError: If they are.
    """
    if isinstance(step, CopyStep | Decontaminate):
        ours, theirs = step.column, step.against_column or step.column
    elif isinstance(step, SemanticDedup):
        ours, theirs = (step.vector,), (step.theirs,)
    else:
        return
    if step.against is None or not set(ours) & set(theirs):
        return
    came_from = reads
    for table in steps_back(reads, tables):
        if came_from == step.against or table.makes_rows:
            break
        came_from = table.reads
    if came_from == step.against:
        raise RecipeError(
            f"{place}: `against` names {step.against!r}, from which its own rows come, so that "
            "each would repeat itself and drop; name another step or source, or leave it out to "
            "compare the rows with each other"
        )


def check_prompt(place: str, step: Generate, head: PromptHead) -> None:
    """Proves that a step asks no more of a prompt than it has.

    Raises:
        RecipeError: If it does.
    """
    if step.fuse and head.makes not in SCORING:
        raise RecipeError(
            f"{place}: `fuse` joins scores, and prompt {step.prompt!r} makes {head.makes}"
        )
    if head.makes in SCORING and step.n != 1:
        raise RecipeError(
            f"{place}: prompt {step.prompt!r} gives each entry one score; leave `n` out"
        )
    for axis in step.axes:
        if axis not in head.axes:
            known = ", ".join(head.axes) or "none"
            raise RecipeError(
                f"{place}: prompt {step.prompt!r} has no axis {axis!r}; its axes are {known}"
            )
    for check in head.checks:
        if isinstance(check, InLanguage) and (problem := no_languages(check, step.axes)):
            raise RecipeError(f"{place}: {problem}")


def check_json(place: str, names: Sequence[str], schema: Schema) -> None:
    """Proves that JSON has a form for the columns.

    Raises:
        RecipeError: If it has none for one.
    """
    for name in names:
        kind = schema.field(name).type
        if _has_no_json(kind):
            raise RecipeError(
                f"{place} writes column {name!r} of type {kind}, for which JSON has no form; say "
                "`files: parquet`, or leave it out of `columns`"
            )


def _has_no_json(kind: pa.DataType) -> bool:
    inside = [kind.field(at).type for at in range(kind.num_fields)]
    named = ("binary", "decimal", "duration", "interval")
    return any(word in str(kind) for word in named if not inside) or any(map(_has_no_json, inside))
