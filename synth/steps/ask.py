"""What a generate step wants of a model, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from synth.core.chat import Request, Sampling
from synth.core.ids import derive_seed
from synth.steps.reply import Parsed

# Why a row is not asked about whose task the prompt is not for.
NOT_FOR_TASK = "not_for_task"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a step has to know of a model without holding it.

    Attributes:
        identity: Everything that can change the model's answers, as one string.
        label: Readable name for provenance.
        sampling: The model's default sampling parameters.
    """

    identity: str
    label: str
    sampling: Sampling = field(default_factory=Sampling)


@dataclass(frozen=True, slots=True)
class Ask:
    """One reply wanted for one row.

    Attributes:
        row: Index of the row in its batch.
        sample: Which of the row's `n` replies, from 0.
        model: Name of the model in the recipe.
        seed: The base seed, from which axes, model and every attempt's seed are drawn.
        axes: The drawn axis values.
        request: What to send, or None when `failure` says why nothing can be sent.
        failure: The drop reason of a row that cannot be asked about.
    """

    row: int
    sample: int
    model: str
    seed: int
    axes: dict[str, str]
    request: Request | None
    failure: str | None = None

    def attempt(self, number: int) -> Request | None:
        """The request of the attempt with this number, from 0; only the seed differs.

        None if there is nothing to send, or if nothing else could come of it: where choices are
        weighed, nothing is drawn.
        """
        if self.request is None or number == 0:
            return self.request
        if self.request.choices:
            return None
        return replace(self.request, seed=derive_seed(self.seed, "attempt", number))


@dataclass(frozen=True, slots=True)
class Answer:
    """One wanted reply and what came of it."""

    ask: Ask
    parsed: Parsed
