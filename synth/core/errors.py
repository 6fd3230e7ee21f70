"""Errors that a user can act on, each one clear sentence.

SynthError
├── RecipeError      a recipe, a prompt or a flag is wrong; nothing has been run
├── SourceError      a source cannot be read
├── EngineError      a model cannot be started, cannot be reached, or died
├── DriftError       the output folder was made by something else
├── StorageError     the output folder cannot be written or read
├── PublishError     a run cannot be published as it is, or the Hub does not take it
├── RunStopped       the run ended early because it was asked to; it can go on
└── RequestRefused   one request cannot be answered; costs one row, never the run
"""

from __future__ import annotations

# Of what another library or a server said, so much is told.
QUOTED_CHARS = 300


class SynthError(Exception):
    """Anything that `synth` reports to its user as a sentence and without a traceback."""


class RecipeError(SynthError):
    """A recipe, a prompt or a flag is wrong; nothing has been run."""


class SourceError(SynthError):
    """A source cannot be read."""


class EngineError(SynthError):
    """A model cannot be started, cannot be reached, or died."""


class DriftError(SynthError):
    """The output folder was made by another recipe, prompt, model, source or version."""


class StorageError(SynthError):
    """The output folder cannot be written or read."""


class PublishError(SynthError):
    """A run cannot be published as it is, or the Hub does not take it; what it has stays."""


class RunStopped(SynthError):  # noqa: N818  (what the user asked for, not a fault)
    """The run ended early because it was asked to: by the user, or by a budget."""


class RequestRefused(SynthError):  # noqa: N818  (a verdict on one row, not a fault)
    """One request cannot be answered, whatever the attempt.

    Attributes:
        reason: The `drop_reason` of the row that asked, such as ``prompt_too_long``.
        detail: What the engine said.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


def in_one_line(error: BaseException) -> str:
    """What another library raised, in one line of at most `QUOTED_CHARS`."""
    return " ".join(str(error).split())[:QUOTED_CHARS] or type(error).__name__
