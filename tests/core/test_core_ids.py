import os
import subprocess
import sys
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core.ids import (
    canonical_json,
    content_id,
    derive_seed,
    fingerprint,
    unit_interval,
    weighted_choice,
)

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)
PARTS = st.lists(st.text() | st.integers(0, 2**40), max_size=3)


@given(st.dictionaries(st.text(), JSON), st.randoms())
def test_the_order_of_keys_makes_no_difference_and_nothing_is_lost(
    value: dict[str, Any], random: Random
) -> None:
    items = list(value.items())
    random.shuffle(items)
    assert canonical_json(dict(items)) == canonical_json(value)
    assert orjson.loads(canonical_json(value)) == value


@pytest.mark.parametrize("value", [{"a"}, frozenset("a"), object(), 2**64])
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json([value])


@given(st.lists(SCALARS, max_size=3), st.lists(SCALARS, max_size=3))
def test_fingerprints_are_equal_for_equal_parts_only(one: list[Any], other: list[Any]) -> None:
    alike = orjson.dumps(one) == orjson.dumps(other)
    assert (fingerprint(*one) == fingerprint(*other)) == alike


def test_where_one_part_ends_and_the_next_begins_counts() -> None:
    assert len({fingerprint("ab", "c"), fingerprint("a", "bc"), fingerprint("abc")}) == 3


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_ids_are_the_same_in_every_process_and_release(hash_seed: str) -> None:
    code = "from synth.core.ids import content_id; print(content_id('document', 'a café', 0))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "55144b32170804b2e050e85a44e98c3d"


def test_a_row_and_other_things_of_the_same_parts_have_different_ids() -> None:
    assert content_id("a") != fingerprint("a")


@given(st.integers(0, 2**31 - 1), PARTS)
def test_a_seed_fits_every_engine_and_depends_on_what_it_is_for(
    seed: int, parts: list[str | int]
) -> None:
    derived = derive_seed(seed, *parts)
    assert 0 <= derived < 2**31
    assert derived == derive_seed(seed, *parts)
    assert derived != derive_seed(seed, *parts, "attempt")


@given(PARTS)
def test_a_number_of_the_unit_interval_is_exact_so_that_none_rounds_up_to_one(
    parts: list[str | int],
) -> None:
    drawn = unit_interval(*parts)
    assert 0 <= drawn < 1
    assert (drawn * 2**53).is_integer()


def test_numbers_of_the_unit_interval_are_uniform() -> None:
    tenths = [int(10 * unit_interval("row", number)) for number in range(10_000)]
    # 1000 in each tenth with a standard deviation of 30.
    assert [tenths.count(tenth) for tenth in range(10)] == pytest.approx([1000] * 10, abs=120)


WEIGHTS = st.dictionaries(st.text(max_size=3), st.floats(0.01, 100), min_size=1, max_size=6)


@given(WEIGHTS, st.randoms(), PARTS)
def test_a_draw_does_not_depend_on_the_order_of_the_weights_nor_on_their_scale(
    weights: dict[str, float], random: Random, parts: list[str | int]
) -> None:
    items = list(weights.items())
    random.shuffle(items)
    doubled = {key: 2 * weight for key, weight in items}
    assert weighted_choice(weights, *parts) == weighted_choice(doubled, *parts)
    assert weighted_choice(weights, *parts) in weights


def test_each_key_is_drawn_as_often_as_its_weight_says() -> None:
    drawn = [weighted_choice({"a": 6, "b": 3, "c": 1}, "row", n) for n in range(10_000)]
    found = [drawn.count(key) for key in "abc"]
    # The largest standard deviation is 49.
    assert found == pytest.approx([6000, 3000, 1000], abs=200)
