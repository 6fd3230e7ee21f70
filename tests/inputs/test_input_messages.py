from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth.inputs.messages import first_problem


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cat(Closed):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)] = 9
    names: tuple[str, ...] = ()


class Dog(Closed):
    kind: Literal["dog"]
    from_: str | None = Field(None, alias="from")


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class Home(Closed):
    name: str
    steps: tuple[Pet, ...] = ()
    models: dict[str, Pet] = {}
    source: Pet | None = None
    export: Pet | list[Pet] | None = None


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "name: is missing"),
        ({"nam": "x"}, "nam: unknown key; did you mean 'name'?"),
        (
            {"name": "x", "zzz": 1},
            "zzz: unknown key; allowed are export, models, name, source, steps",
        ),
        ({"name": 7}, "name: input should be a valid string, got 7"),
        (
            {"name": "x", "steps": [{"kind": "cat"}, {"kind": "cat", "lives": 10}]},
            "steps.2.lives: input should be less than or equal to 9, got 10",
        ),
        (
            {"name": "x", "steps": [{"kind": "dog", "form": "a"}]},
            "steps.1.form: unknown key; did you mean 'from'?",
        ),
        (
            {"name": "x", "steps": [{"kind": "cat", "names": ["a", 1]}]},
            "steps.1.names.2: input should be a valid string, got 1",
        ),
        (
            {"name": "x", "models": {"cat": {"kind": "cat", "lifes": 10}}},
            "models.cat.lifes: unknown key; did you mean 'lives'?",
        ),
        (
            {"name": "x", "source": {"kind": "cat", "lives": 0}},
            "source.lives: input should be greater than or equal to 1, got 0",
        ),
        (
            {"name": "x", "steps": [{"kind": "cow"}]},
            "steps.1.kind: there is no 'cow'; allowed are cat, dog",
        ),
        (
            {"name": "x", "steps": [{"kind": "dogs"}]},
            "steps.1.kind: there is no 'dogs'; did you mean 'dog'?",
        ),
        (
            {"name": "x", "steps": "cat"},
            "steps: input should be a valid list, got 'cat'; write it as a list: [cat]",
        ),
        (
            {"name": "x", "steps": [{"lives": 1}]},
            "steps.1: `kind` is missing; it is one of cat, dog",
        ),
        ([], "the file: input should be a valid mapping or instance of Home"),
    ],
    ids=str,
)
def test_a_problem_is_one_sentence_that_names_the_place(raw: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Home.model_validate(raw)
    assert first_problem(caught.value, Home) == message
