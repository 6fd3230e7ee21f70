"""The one step that asks an LLM. What it asks, and what it makes of the reply, is a prompt file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import jinja2
import orjson
import pyarrow as pa
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from synth.core import rows
from synth.core.chat import DEFAULT_SAMPLING, Completion, Message, Request, Sampling
from synth.core.ids import derive_seed, weighted_choice
from synth.core.prompt import SCORING, Axis, AxisName, Check, InLanguage, NotExample, Prompt
from synth.core.rows import Table
from synth.core.step import Fields, Step
from synth.steps import made, ranked, scored
from synth.steps.ask import NOT_FOR_TASK, Answer, Ask, ModelCard
from synth.steps.checks import holds
from synth.steps.reply import Parsed, arrow_type, columns_of, parse

ANY = pa.null()
PROVENANCE = pa.field("provenance", rows.PROVENANCE)
# What tells of a row for which task it is.
TASK = "task"
# Of a request whose choices are weighed: one token tells.
_CHOSEN = Sampling(temperature=0.0, max_tokens=1)


class Generate(Step):
    """Ask an LLM about every row, as a prompt file says.

    Attributes:
        prompt: Name of a shipped prompt, or path of a prompt file.
        model: Name of the LLM in the recipe's `models`.
        models: Several LLMs with relative weights instead; each row's is drawn from its seed,
            because an equal mix of LLMs beats each single one (arXiv:2511.07025).
        cross_model: Whether a row that an LLM made is asked about of another one: tasks of one and
            texts of another are more diverse (arXiv:2511.07025). Where all of `models` are that
            one, it is asked nevertheless.
        fuse: For a prompt that makes scores or a ranking: an entry's new score is the reciprocal
            rank fusion of the order by its old scores and that by the replies, in [0, 1], as Gecko
            (arXiv:2403.20327) joins two opinions.
        n: Replies asked for each row; 1 for a prompt that makes scores or a ranking.
        attempts: How often a reply is asked for until one holds the prompt's checks.
        sampling: Overrides of the prompt's and the model's sampling parameters.
        axes: Other values and weights for some of the prompt's axes, such as a single strategy.
        on_failure: What becomes of a row without one good reply: ``drop`` it with the reason, or
            ``keep`` it as it came.
        keep_inputs: Whether the rows that new rows are made from go on beside them.
        max_error_rate: The run stops early if a larger share of a worker's last 200 rows got no
            good reply; a broken prompt must not burn a cluster. It changes no row.
    """

    kind: Literal["generate"] = "generate"
    prompt: str
    model: str | None = None
    models: Annotated[dict[str, PositiveFloat], Field(min_length=1)] | None = None
    cross_model: bool = False
    fuse: bool = False
    n: PositiveInt = 1
    attempts: PositiveInt = 3
    sampling: Sampling = Sampling()
    axes: dict[AxisName, Axis] = Field(default_factory=dict)
    on_failure: Literal["drop", "keep"] = "drop"
    keep_inputs: bool = False
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.2

    @model_validator(mode="after")
    def _names_its_models(self) -> Self:
        if (self.model is None) == (self.models is None):
            raise ValueError("give either `model: name` or `models: {name: weight}`")
        if self.cross_model and len(self.weights) == 1:
            raise ValueError("`cross_model` asks another LLM than before: give several `models`")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Relative weight of each model it may ask."""
        return self.models or {self.model or "": 1.0}


@dataclass(frozen=True, slots=True)
class Generation:
    """A `Generate` step bound to its prompt and models: what the runner works with.

    Attributes:
        step: The declaration.
        name: The step's name in the recipe; part of every seed.
        prompt: The prompt file.
        cards: The models, by name.
        seed: The recipe's seed.
    """

    step: Generate
    name: str
    prompt: Prompt
    cards: Mapping[str, ModelCard]
    seed: int

    @property
    def makes_rows(self) -> bool:
        """Whether replies become rows of their own."""
        return self.prompt.head.makes in ("rows", "pairs")

    def needs(self) -> Fields:
        """The columns that the prompt's body reads, of any type."""
        head = self.prompt.head
        needed = [pa.field(name, ANY) for name in head.needs]
        if head.makes in SCORING:
            needed = [field for field in needed if field.name not in scored.NAMES]
            needed.extend(scored.LISTS)
        if head.makes == "pairs" and "positive" not in columns_of(head):
            needed.append(rows.TEXT)
        if self.step.cross_model:
            needed.append(PROVENANCE)
        return tuple({field.name: field for field in needed}.values())

    def adds(self) -> Fields:
        """The columns that the reply fills, and those that tell where it came from."""
        head = self.prompt.head
        drawn = [pa.field(column, pa.string()) for column in head.axes_into]
        match head.makes:
            case "columns":
                filled = [pa.field(c, arrow_type(head, f)) for c, f in columns_of(head).items()]
                return (*filled, *drawn, made.EDITS)
            case "rows":
                filled = [pa.field(c, arrow_type(head, f)) for c, f in columns_of(head).items()]
                return (*filled, *drawn, *rows.LINEAGE)
            case "pairs":
                more = [
                    pa.field(c, arrow_type(head, f))
                    for c, f in columns_of(head).items()
                    if c not in made.OF_A_PAIR
                ]
                return (*made.PAIR, *more, *drawn, *rows.LINEAGE)
            case "positives":
                return (made.POSITIVES, made.EDITS)
            case "negatives":
                return (made.NEGATIVES, made.EDITS)
            case "scores" | "ranking":
                return (*scored.LISTS, made.SCORED_BY, made.EDITS)

    def ask(self, batch: Table) -> list[Ask]:
        """Every reply wanted for the rows, `n` for each; one for each entry that is scored.

        A row without an entry is not asked about where entries are scored or ranked.
        """
        names = [field.name for field in self.needs()]
        if self.prompt.head.tasks and TASK in batch.column_names and TASK not in names:
            names.append(TASK)
        wanted = batch.select(names).to_pylist()
        ids = batch.column("id").to_pylist()
        if self.prompt.head.makes == "scores":
            return [
                self._ask(at, row_id, row, number, entry["text"])
                for at, (row_id, row) in enumerate(zip(ids, wanted, strict=True))
                for number, entry in enumerate(scored.entries_of(row))
            ]
        if self.prompt.head.makes == "ranking":
            return [
                self._ask(at, row_id, row, 0)
                for at, (row_id, row) in enumerate(zip(ids, wanted, strict=True))
                if next(scored.entries_of(row), None) is not None
            ]
        return [
            self._ask(at, row_id, row, sample)
            for at, (row_id, row) in enumerate(zip(ids, wanted, strict=True))
            for sample in range(self.step.n)
        ]

    def _ask(
        self,
        at: int,
        row_id: str,
        row: Mapping[str, Any],
        sample: int,
        passage: str | None = None,
    ) -> Ask:
        # One model for all entries of a row: scores of two are not comparable.
        drawn = 0 if self.prompt.head.makes == "scores" else sample
        seed = derive_seed(self.seed, self.name, row_id, drawn)
        axes = self.prompt.draw_axes(seed, self.step.axes)
        model = weighted_choice(self._weights_for(row), seed, "model")
        if (unfit := self._unfit(row)) is not None:
            return Ask(at, sample, model, seed, axes, None, unfit)
        given: dict[str, Any] = {scored.PASSAGE: passage}
        schema = self.prompt.head.reply
        if self.prompt.head.makes == "ranking":
            passages = ranked.passages_of(row, seed)
            given = {ranked.PASSAGES: passages}
            schema = ranked.reply_schema(len(passages))
        try:
            messages = self.prompt.render({**row, **given}, axes)
        except jinja2.TemplateError:
            return Ask(at, sample, model, seed, axes, None, "prompt_not_rendered")
        return Ask(at, sample, model, seed, axes, self._request(messages, model, seed, schema))

    def _weights_for(self, row: Mapping[str, Any]) -> dict[str, float]:
        """The models that may be asked about a row."""
        weights = self.step.weights
        if not self.step.cross_model:
            return weights
        made_by = (row[PROVENANCE.name] or {}).get("model")
        others = {name: w for name, w in weights.items() if self.cards[name].label != made_by}
        return others or weights

    def _unfit(self, row: Mapping[str, Any]) -> str | None:
        """Why a row cannot be asked about, None where it can."""
        head = self.prompt.head
        if head.tasks and row.get(TASK) is not None and str(row[TASK]) not in head.tasks:
            return NOT_FOR_TASK
        missing = next((name for name in head.needs if row[name] is None), None)
        return None if missing is None else f"no_{missing}"

    def _request(
        self,
        messages: tuple[Message, ...],
        model: str,
        seed: int,
        schema: Mapping[str, Any] | None,
    ) -> Request:
        head = self.prompt.head
        if head.choices is not None:
            # Nothing is drawn: equal questions have one answer.
            return Request(messages, _CHOSEN, 0, choices=tuple(head.choices))
        layers = (self.step.sampling, head.sampling, self.cards[model].sampling, DEFAULT_SAMPLING)
        text = None if schema is None else orjson.dumps(schema).decode()
        return Request(messages, Sampling.merged(*layers), seed, text)

    def verdict(
        self, row: Mapping[str, Any], completion: Completion, axes: Mapping[str, str] | None = None
    ) -> Parsed:
        """The reply's values, or the reason why it has to be asked for again.

        Args:
            row: The row's values of `needs`.
            completion: What the model answered.
            axes: What was drawn for the request; needed where a check reads it.
        """
        head = self.prompt.head
        parsed = parse(head, completion)
        if head.makes == "ranking" and parsed.failure is None:
            count = sum(1 for _ in scored.entries_of(row))
            if not ranked.ranks_something(str(next(iter(parsed.items[0].values()))), count):
                return Parsed(failure="no_ranking")
        for item in parsed.items:
            for check in head.checks:
                source = self._source(check, row)
                named = _named(check, row, axes or {})
                columns = {f or c: c for c, f in columns_of(head).items()}
                judged = [columns[check.field]] if check.field else list(columns.values())
                texts = [text for name in judged for text in _texts(item[name])]
                if not all(holds(check, text, source, named) for text in texts):
                    return Parsed(failure=f"check_{check.kind}")
        return parsed

    def _source(self, check: Check, row: Mapping[str, Any]) -> str:
        """The text that a check compares with; empty for one that compares with none."""
        if isinstance(check, NotExample):
            return self.prompt.examples
        return made.first_text(row.get(getattr(check, "of", None) or "", ""))

    def read(self, batch: Table, answers: Sequence[Answer]) -> made.Made:
        """The step's output for the rows that `ask` saw, one answer for each ask in its order."""
        maker = made.Maker(
            self.name, self.prompt, self.cards, self.step.on_failure == "keep", self.step.fuse
        )
        if self.makes_rows:
            return made.new_rows(batch, answers, maker, self.adds(), self.step.keep_inputs)
        if self.prompt.head.makes == "scores":
            return scored.scored_rows(batch, answers, maker)
        if self.prompt.head.makes == "ranking":
            return ranked.ranked_rows(batch, answers, maker)
        return made.filled_rows(batch, answers, maker, self.adds())


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  (what a reply may hold)
    """All texts of a value, those of lists and records too."""
    match value:
        case str():
            yield value
        case list():
            yield from itertools.chain.from_iterable(map(_texts, value))
        case dict():
            yield from itertools.chain.from_iterable(map(_texts, value.values()))


def _named(check: Check, row: Mapping[str, Any], axes: Mapping[str, str]) -> str:
    """What names the language that a check asks for; nothing for other checks."""
    if not isinstance(check, InLanguage):
        return ""
    return axes.get(check.axis or "", "") or made.first_text(row.get(check.column or "", ""))
