"""What a worker raised, as the user reads it."""

from __future__ import annotations

import pytest
from ray.exceptions import RayTaskError

from synth.core.errors import EngineError, RecipeError, RunStopped
from synth.runner.raised import in_step, our_errors


def as_ray_raises(error: Exception) -> Exception:
    raised: Exception = RayTaskError("work", f"Traceback: {error!r}", error).as_instanceof_cause()
    return raised


@pytest.mark.parametrize("kind", [RecipeError, EngineError])
@pytest.mark.parametrize("remote", [False, True])
def test_an_error_names_its_step_once_and_nothing_of_ray(
    kind: type[Exception], *, remote: bool
) -> None:
    error = kind("row 'a' is no good")
    with pytest.raises(kind) as caught, in_step("order"), our_errors():
        raise as_ray_raises(error) if remote else error
    assert str(caught.value) == "step 'order': row 'a' is no good"
    assert type(caught.value) is kind


def test_a_run_that_was_asked_to_stop_says_so_alone() -> None:
    with pytest.raises(RunStopped, match=r"^enough$"), in_step("order"), our_errors():
        raise as_ray_raises(RunStopped("enough"))
