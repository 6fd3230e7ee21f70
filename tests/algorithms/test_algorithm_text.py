from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.exact import exact_duplicates, visiting_order
from synth.algorithms.fuzzy import copy_ratio, is_near_copy
from synth.algorithms.split import split_of
from synth.algorithms.text import Unit, jaccard, normalized, shingles


@pytest.mark.parametrize(
    "other", ["A cafe\u0301", "a  CAFÉ", " a\tcafé\n"], ids=["decomposed", "case", "white space"]
)
def test_normalised_text_forgets_case_white_space_and_unicode_form(other: str) -> None:
    assert normalized(other) == normalized("a café")


def test_shingles_are_runs_of_words_or_characters() -> None:
    assert shingles("a b c", 2, "word") == {"a b", "b c"}
    assert shingles("abc", 2, "char") == {"ab", "bc"}


@pytest.mark.parametrize("text", ["", "a", "a b"])
@pytest.mark.parametrize("unit", ["word", "char"])
def test_a_text_shorter_than_a_shingle_is_one_shingle(text: str, unit: Unit) -> None:
    assert shingles(text, 5, unit) == {text}


@given(st.frozensets(st.text("abc"), min_size=1), st.frozensets(st.text("abc"), min_size=1))
def test_jaccard_is_symmetric_and_one_for_equal_sets_only(
    one: frozenset[str], other: frozenset[str]
) -> None:
    assert jaccard(one, other) == jaccard(other, one)
    assert (jaccard(one, other) == 1) == (one == other)


@given(st.lists(st.text("ab", max_size=2)), st.randoms())
def test_the_first_visited_of_equal_texts_stays(texts: list[str], random: Random) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)
    kept = exact_duplicates(texts, order)
    for at, to in enumerate(kept):
        assert texts[at] == texts[to]
        assert order.index(to) <= order.index(at)
    assert len(set(kept.tolist())) == len(set(texts))


def test_the_longest_text_is_visited_first_and_equal_lengths_as_they_come() -> None:
    assert visiting_order(["bb", "a", "cc", "ddd"], "longest") == [3, 0, 2, 1]
    assert visiting_order(["bb", "a"], "first") == [0, 1]


def test_word_order_case_and_repetition_make_no_difference_to_a_copy() -> None:
    assert copy_ratio("the cat sat", "SAT the cat the") == 100
    assert copy_ratio("", "the cat") == 0
    assert is_near_copy("The cat sat.", ["a dog", "the cat sat"], 90)
    assert not is_near_copy("The cat sat.", [], 90)


@given(st.text(), st.integers(0, 9))
def test_a_split_depends_on_the_source_alone_and_not_on_the_order_of_shares(
    source_id: str, seed: int
) -> None:
    shares = {"train": 0.9, "test": 0.1}
    assert split_of(source_id, shares, seed) == split_of(
        source_id, dict(reversed(shares.items())), seed
    )


def test_splits_have_about_their_share_of_the_sources() -> None:
    drawn = [split_of(f"d{n}", {"train": 0.9, "test": 0.1}, 17) for n in range(5000)]
    assert drawn.count("test") == pytest.approx(500, abs=75)


@pytest.mark.parametrize("shares", [{}, {"train": 1.0, "test": 0.0}])
def test_a_split_without_a_share_is_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share"):
        split_of("d1", shares, 0)
