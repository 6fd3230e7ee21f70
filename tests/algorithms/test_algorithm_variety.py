"""Distinct-n, texts that share words, and what differs between two texts."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.diversity import Repeats, repeats
from synth.algorithms.word_diff import kept_share, word_diff

texts = st.text(alphabet="ab c.\n", max_size=30)


def of(*said: str, most: dict[int, int] | None = None) -> Repeats:
    return repeats(pa.array(said, pa.string()), (1, 2), most or {}, 3)


def test_distinct_n_is_the_share_of_runs_that_come_first() -> None:
    found = of("a b a b", "a b c")
    assert found.distinct[1] == pytest.approx(3 / 7)
    assert found.distinct[2] == pytest.approx(3 / 5)
    assert found.looked_at == {1: 7, 2: 5}


def test_repeating_a_collection_halves_its_distinct_n() -> None:
    assert of("a b c", "a b c").distinct[1] == of("a b c").distinct[1] / 2


def test_collections_are_compared_over_equally_many_runs() -> None:
    assert of("a b a a a a", most={1: 2, 2: 1}).distinct == {1: 1.0, 2: 1.0}


def test_texts_that_share_a_long_run_are_counted_and_a_text_alone_shares_nothing() -> None:
    assert of("one two three four", "says one, two THREE", "three two one").shared == pytest.approx(
        2 / 3
    )
    assert of("a b c a b c a b c").shared == 0
    assert of("", "a").shared == 0


@given(before=texts, after=texts)
def test_both_texts_can_be_read_off_a_diff(before: str, after: str) -> None:
    pieces = word_diff(before, after)
    assert "".join(one.text for one in pieces if one.what != "new") == before
    assert "".join(one.text for one in pieces if one.what != "gone") == after


@given(text=texts)
def test_nothing_differs_from_itself(text: str) -> None:
    pieces = word_diff(text, text)
    assert all(one.what == "same" for one in pieces)
    assert kept_share(pieces) == 1


def test_words_are_compared_and_not_letters() -> None:
    pieces = word_diff("the cat sat", "the car sat")
    assert [(one.what, one.text) for one in pieces] == [
        ("same", "the "), ("gone", "cat"), ("new", "car"), ("same", " sat"),
    ]  # fmt: skip
    assert 0.5 < kept_share(pieces) < 1
