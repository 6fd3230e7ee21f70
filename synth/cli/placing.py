"""Flags that say where a run takes place and how wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from synth.core.errors import RecipeError

if TYPE_CHECKING:
    from synth.runner import Placement

T = TypeVar("T")

Engines = Annotated[str, typer.Option(help="Engines of each model: N, or writer=4,judge=1.")]
GpusPerEngine = Annotated[
    str, typer.Option(help="GPUs of each engine: X, or writer=2,encoder=0.5.")
]
EngineArgs = Annotated[
    list[str] | None,
    typer.Option(help="Handed to vLLM: tensor_parallel_size=2; may be given several times."),
]
RayAddress = Annotated[
    str | None, typer.Option(help="Address of a Ray cluster; without it Ray starts here.")
]
BatchRows = Annotated[
    int | None, typer.Option(min=1, help="Rows of a batch; changes no row of the result.")
]


def placement_of(
    engines: str,
    gpus_per_engine: str,
    engine_arg: list[str] | None,
    ray_address: str | None,
    batch_rows: int | None = None,
) -> Placement:
    """The placement that the flags ask for.

    Raises:
        RecipeError: If one cannot be read.
    """
    from synth.runner import Placement

    return Placement(
        engines=_by_model("--engines", engines, _whole),
        gpus_per_engine=_by_model("--gpus-per-engine", gpus_per_engine, _share),
        engine_args=dict(_argument(text) for text in engine_arg or ()),
        batch_rows=batch_rows,
        address=ray_address,
    )


def _by_model(flag: str, text: str, read: Callable[[str], T]) -> dict[str, T]:
    """``4`` as ``{"": 4}``, ``a=4,b=1`` by model."""
    found: dict[str, T] = {}
    for item in text.split(","):
        name, sign, value = item.rpartition("=")
        try:
            found[name.strip() if sign else ""] = read(value)
        except ValueError as error:
            raise RecipeError(
                f"{flag} got {text!r}; give one number, or model=number separated by commas"
            ) from error
    return found


def _whole(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _share(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1024:
        raise ValueError(text)
    return number


def _argument(text: str) -> tuple[str, str | int | float | bool]:
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise RecipeError(f"--engine-arg got {text!r}; give name=value, as vLLM calls it")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    for number in (int, float):
        try:
            return name, number(value)
        except ValueError:
            continue
    return name, value
