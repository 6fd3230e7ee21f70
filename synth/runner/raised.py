"""What a worker raised, as it raised it: Ray wraps it in a traceback of its own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from ray.exceptions import RayError, RayTaskError

from synth.core import errors
from synth.core.errors import EngineError, RecipeError, SourceError, SynthError

# One line of a traceback; our messages are single sentences.
_OURS = re.compile(r"^synth\.core\.errors\.(?P<kind>\w+): (?P<message>.+)$", re.MULTILINE)
# What was raised by whatever is not Ray, behind which Ray puts advice of its own.
_RAISED = re.compile(r"^(?!ray\.)[\w.]*(?:Error|Exception): .+$", re.MULTILINE)


@contextlib.contextmanager
def our_errors() -> Iterator[None]:
    """Raises what a worker raised as it raised it, and what Ray raised as an `EngineError`."""
    try:
        yield
    except Exception as error:
        _raise_ours(error)
        if isinstance(error, RayError):
            told = _RAISED.findall(str(error)) or str(error).strip().splitlines()
            raise EngineError(f"Ray gave up on this step: {told[-1]}") from error
        raise


@contextlib.contextmanager
def in_step(name: str) -> Iterator[None]:
    """Says in which step a recipe, a row or a model was found wanting."""
    try:
        yield
    except (RecipeError, SourceError, EngineError) as error:
        raise type(error)(f"step {name!r}: {error}") from error


def _raise_ours(error: BaseException) -> None:
    """Raises the `SynthError` that a worker raised, if that is what is behind an error of Ray's.

    Ray pickles an exception without its cause; what is left of ours is its line in the traceback.
    """
    if isinstance(error, RayTaskError) and isinstance(error.cause, SynthError):
        raise error.cause from None  # the error is one of ours as well, but says a whole traceback
    if isinstance(error, SynthError):
        raise error
    told = list(_OURS.finditer(str(error)))
    if told:
        kind = getattr(errors, told[-1]["kind"])
        raise kind(told[-1]["message"]) from None
