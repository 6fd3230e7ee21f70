"""Runs of words or characters, as a recipe names them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveInt

from synth.algorithms.text import Unit


class Ngram(BaseModel):
    """A run of words or characters.

    Attributes:
        n: How many.
        unit: Of what; ``char`` for scripts without spaces between words.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: PositiveInt = 5
    unit: Unit = "word"


def of_words(value: object) -> object:
    """A number alone counts words.

    Raises:
        ValueError: If the value is neither a number nor a mapping.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return {"n": value}
    if isinstance(value, dict | Ngram):
        return value
    raise ValueError(f"give a number of words, or {{unit: char, n: 5}}, not {value!r}")
