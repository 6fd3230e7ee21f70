from random import Random

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.exact import READERS_PARTS, exact_duplicates, visiting_order
from synth.algorithms.fuzzy import copy_ratio, is_near_copy
from synth.algorithms.hashing import xxh32, xxh64
from synth.algorithms.shingling import sort_distinct, sort_room
from synth.algorithms.split import split_of
from synth.algorithms.text import Unit, jaccard, normalized, shingles
from synth.algorithms.text_buffer import normalized_texts


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


@given(st.lists(st.one_of(st.none(), st.text("abA ", max_size=2))), st.randoms(), st.booleans())
def test_the_first_visited_of_equal_texts_stays(
    texts: list[str | None], random: Random, normalize: bool
) -> None:
    order = list(range(len(texts)))
    random.shuffle(order)
    kept = exact_duplicates(
        pa.array(texts, pa.string()), order, READERS_PARTS if normalize else frozenset()
    )
    looks = [normalized(text) if normalize and text else text for text in texts]
    for at, to in enumerate(kept):
        if texts[at] is None:
            assert to == at
            continue
        looks_so = [other for other in order if looks[other] == looks[at]]
        assert to == looks_so[0]


@given(st.binary(max_size=100), st.integers(0, 9))
def test_hashes_are_those_of_xxhash(data: bytes, start: int) -> None:
    array = np.frombuffer(bytes(start) + data + bytes(8), np.uint8)
    end = start + len(data)
    assert xxh32(array, start, end) == xxhash.xxh32_intdigest(data)
    for seed in (0, 1):
        assert xxh64(array, start, end, seed) == xxhash.xxh64_intdigest(data, seed)


def test_every_character_is_normalised_as_by_python() -> None:
    # Above plane 1 all is left to Python.
    codes = [*range(0xD800), *range(0xE000, 0x20100), *range(0x2F800, 0x2FA20), 0x10FFFF]
    letters = [chr(code) for code in codes]
    texts = [f"A{letter}B {letter}\u0301{letter}" for letter in letters]
    texts += [f"\u1100{letter}" for letter in letters]
    assert clean(pa.array(texts)) == [normalized(text) for text in texts]


def test_texts_that_grow_when_they_are_normalised_have_room() -> None:
    # A composition exclusion: one letter of 3 bytes becomes two of 3 each.
    texts = ["\u0958" * 100, "a", "\u0958"]
    assert clean(pa.array(texts)) == [normalized(text) for text in texts]
    assert len(normalized(texts[0]).encode()) == 600


@given(st.lists(st.one_of(st.none(), st.text())), st.integers(0, 3))
def test_a_buffer_holds_what_normalisation_makes_of_each_text(
    texts: list[str | None], cut: int
) -> None:
    array = pa.array(texts, pa.string()).slice(cut)
    assert clean(array) == [normalized(text or "") for text in texts[cut:]]


@given(st.lists(st.sampled_from([1, 2, 1 << 40, 1 << 63, (1 << 64) - 1]), min_size=1))
def test_distinct_hashes_come_in_rising_order_however_they_are_spread(hashes: list[int]) -> None:
    array = np.array(hashes, np.uint64)
    count = sort_distinct(array, np.empty(sort_room(len(array)), np.uint64))
    assert array[:count].tolist() == sorted(set(hashes))


def clean(texts: pa.Array) -> list[str]:
    buffer = normalized_texts(texts)
    data = buffer.data.tobytes()
    bounds = zip(buffer.starts.tolist(), buffer.ends.tolist(), strict=True)
    return [data[start:end].decode() for start, end in bounds]


def test_the_longest_text_is_visited_first_and_equal_lengths_as_they_come() -> None:
    texts = pa.array(["bb", None, "é", "cc", "ddd"])
    assert visiting_order(texts, "longest").tolist() == [4, 0, 3, 2, 1]
    assert visiting_order(texts, "first").tolist() == [0, 1, 2, 3, 4]


def test_the_highest_number_is_visited_first_and_no_number_last() -> None:
    texts = pa.array(["a", "b", "c", "d"])
    numbers = np.array([0.5, np.nan, 2.0, 0.5])
    assert visiting_order(texts, "max", numbers).tolist() == [2, 0, 3, 1]
    with pytest.raises(ValueError, match="one number for each of 4 texts"):
        visiting_order(texts, "max")


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
