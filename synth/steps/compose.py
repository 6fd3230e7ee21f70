"""Make one text of several columns."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import jinja2
import pyarrow as pa
from jinja2 import meta
from pydantic import Field, model_validator

from synth.core import rows
from synth.core.rows import Table
from synth.core.sandbox import environment, refused, rendered
from synth.core.step import Column, Fields, MapStep
from synth.steps.generate import ANY

# Columns that mean something to every step, and are not texts.
_TAKEN = ("id", "positives", "negatives", "drop_reason", *(field.name for field in rows.LINEAGE))


class Compose(MapStep):
    """Fill a column with a template, such as a document with what was written about it behind.

    A row without one of the columns that the template reads drops as ``no_<column>``, one for which
    it cannot be rendered or says nothing as ``not_composed``.

    Attributes:
        template: Jinja, as in prompts: ``{{ text }}`` is the row's column `text`.
        into: The column that the result becomes; it may be one that the template reads.
    """

    kind: Literal["compose"] = "compose"
    template: Annotated[str, Field(min_length=1)]
    into: Column = "text"

    @model_validator(mode="after")
    def _can_be_rendered(self) -> Self:
        if self.into in _TAKEN:
            raise ValueError(f"`into` may not fill {self.into!r}; name another column")
        try:
            tree = environment().parse(self.template)
            environment().compile(tree)
        except jinja2.TemplateSyntaxError as error:
            raise ValueError(f"the template is not Jinja: {error.message}") from error
        except (RecursionError, SyntaxError) as error:
            raise ValueError("the template is too much for Jinja") from error
        if list(meta.find_referenced_templates(tree)):
            raise ValueError("the template must not read another one")
        if (problem := refused(tree)) is not None:
            raise ValueError(problem.replace("prompt", "template"))
        if not meta.find_undeclared_variables(tree):
            raise ValueError("the template reads no column; name one as in {{ text }}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the template reads."""
        return tuple(sorted(meta.find_undeclared_variables(environment().parse(self.template))))

    def needs(self) -> Fields:
        """What the template reads."""
        return tuple(pa.field(name, ANY) for name in self.columns)

    def adds(self) -> Fields:
        """The text."""
        return (pa.field(self.into, pa.string()),)

    def apply(self, batch: Table) -> Table:
        """The same rows with the text."""
        out, columns = batch, self.columns
        for name in columns:
            missing = [value is None for value in batch.column(name).to_pylist()]
            out = rows.mark_dropped(out, missing, f"no_{name}")
        texts = [self._text(row) for row in batch.select(list(columns)).to_pylist()]
        out = rows.with_column(out, self.adds()[0], pa.array(texts, pa.string()))
        return rows.mark_dropped(out, [text is None for text in texts], "not_composed")

    def _text(self, row: dict[str, object]) -> str | None:
        if any(value is None for value in row.values()):
            return None
        try:
            return rendered(self.template, row) or None
        except jinja2.TemplateError:
            return None
