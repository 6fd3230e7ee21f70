from __future__ import annotations

import pytest

from synth.core.errors import RecipeError
from synth.inputs.yaml_text import read_yaml


def test_a_date_stays_the_text_that_it_is() -> None:
    read = read_yaml("version: 2026-01-31\nat: 2026-01-31 12:00:00\nday: 2026-99-99", "r.yaml")
    assert read == {"version": "2026-01-31", "at": "2026-01-31 12:00:00", "day": "2026-99-99"}


def test_other_values_are_those_of_yaml() -> None:
    text = "{a: 1, b: 0.5, c: true, d: null, e: [x, '1'], f: 0x10, g: -9223372036854775808}"
    value = {"a": 1, "b": 0.5, "c": True, "d": None, "e": ["x", "1"], "f": 16, "g": -(2**63)}
    assert read_yaml(text, "r.yaml") == value
    assert read_yaml("", "r.yaml") is None


def test_an_alias_and_a_merge_say_a_thing_once() -> None:
    text = "a: &it {x: 1, y: 2}\nb: *it\nc: {<<: *it, y: 3}"
    one = {"x": 1, "y": 2}
    assert read_yaml(text, "r.yaml") == {"a": one, "b": one, "c": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3", r"at line 12: the key 'a' is there twice"),
        ("a: {b: 1,\n  b: 1}", r"at line 11: the key 'b' is there twice"),
        ("a: 9223372036854775808", r"at line 10: a number has more than 64 bits"),
        (f"a: {'9' * 5000}", r"at line 10: a number has more than 64 bits"),
        ("a: .inf", r"at line 10: a number is not finite"),
        ("a: 1.0e+400", r"at line 10: a number is not finite"),
        ('a: "\\0"', r"at line 10: a text holds NUL or half a character"),
        ('\na: "\\ud800"', r"at line 11: a text holds NUL or half a character"),
        ("a: 1\n\0", r"at line 11: special characters are not allowed"),
        ("a: &b [*b]", r"at line 10: an alias stands inside of what it names"),
        ("a: !!int x", r"is not YAML: invalid literal"),
        ("a: !!bool x", r"is not YAML"),
        ("a: !!set {b}", r"at line 10: could not determine a constructor"),
        ("a: 1\n---\nb: 2", r"at line 11: but found another document"),
        ("[" * 3000, r"is nested too deeply"),
    ],
    ids=lambda text: text[:16],
)
def test_what_yaml_would_take_or_change_in_silence_is_refused_with_its_line(
    text: str, said: str
) -> None:
    with pytest.raises(RecipeError, match=rf"^r\.yaml .*{said}") as refused:
        read_yaml(text, "r.yaml", first_line=10)
    assert "\n" not in str(refused.value)
