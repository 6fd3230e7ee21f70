import time
from random import Random

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.minhash import DETECTION, bands, near_duplicates, signatures
from synth.algorithms.text import jaccard, normalized, shingles

WORDS = [f"w{n}" for n in range(200)]


def some_text(seed: int, words: int = 60) -> str:
    return " ".join(Random(seed).choices(WORDS, k=words))


def with_edits(text: str, edits: int) -> str:
    return " ".join([*text.split()[:-edits], *(f"new{n}" for n in range(edits))])


def similarity(one: str, other: str) -> float:
    return jaccard(shingles(normalized(one), 5, "word"), shingles(normalized(other), 5, "word"))


def test_twenty_one_bands_of_six_find_a_pair_at_the_usual_threshold() -> None:
    assert bands(0.8, 128) == (21, 6)


@given(st.floats(0.1, 1), st.integers(64, 256))
def test_bands_find_a_pair_at_the_threshold_and_one_more_row_would_not(
    threshold: float, num_perm: int
) -> None:
    count, rows = bands(threshold, num_perm)
    assert count * rows <= num_perm
    assert 1 - (1 - threshold**rows) ** count >= DETECTION
    narrower = rows + 1
    if narrower <= num_perm // 2:
        assert 1 - (1 - threshold**narrower) ** (num_perm // narrower) < DETECTION


def test_too_few_permutations_are_refused() -> None:
    with pytest.raises(ValueError, match="raise num_perm"):
        bands(0.1, 16)


def test_signatures_are_those_of_datasketch() -> None:
    one = MinHash(num_perm=64)
    for word in ("a", "b", "é"):
        one.update(word.encode())
    (ours,) = signatures([frozenset({"a", "b", "é"})], 64)
    assert ours == one


def test_near_copies_are_found_and_strangers_stay() -> None:
    text = some_text(1)
    found = near_duplicates([text, with_edits(text, 3), some_text(2)], [0, 1, 2], 0.8)
    assert found.of.tolist() == [-1, 0, -1]
    assert found.jaccard[1] == similarity(text, with_edits(text, 3))


def test_a_chain_of_small_changes_does_not_merge_strangers() -> None:
    chain = [some_text(1)]
    for number in range(6):
        words = chain[-1].split()
        words[number * 10 : number * 10 + 2] = [f"x{number}", f"y{number}"]
        chain.append(" ".join(words))
    found = near_duplicates(chain, range(7), 0.7)
    assert similarity(chain[0], chain[6]) < 0.7
    assert found.of[6] != 0
    assert (found.of >= 0).any()
    for at, of in enumerate(found.of):
        assert of < 0 or similarity(chain[at], chain[of]) >= 0.7


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=12), st.randoms())
def test_a_dropped_text_reaches_the_threshold_to_a_kept_one_visited_before(
    made: list[tuple[int, int]], shuffle: Random
) -> None:
    texts = [with_edits(some_text(seed, 40), edits) for seed, edits in made]
    order = list(range(len(texts)))
    shuffle.shuffle(order)
    found = near_duplicates(texts, order, 0.6)
    for at, of in enumerate(found.of):
        if of >= 0:
            assert found.of[of] == -1
            assert order.index(of) < order.index(at)
            assert found.jaccard[at] == similarity(texts[at], texts[of]) >= 0.6


def test_most_pairs_just_above_the_threshold_are_found() -> None:
    texts = [some_text(seed, 100) for seed in range(200)]
    copies = [with_edits(text, 10) for text in texts]
    pairs = np.array([similarity(*pair) for pair in zip(texts, copies, strict=True)])
    assert 0.8 <= pairs.mean() < 0.84
    found = near_duplicates([*texts, *copies], range(400), 0.8)
    assert (found.of[200:][pairs >= 0.8] >= 0).mean() >= 0.99


def test_characters_serve_texts_without_spaces() -> None:
    found = near_duplicates(
        ["深層学習のための合成データ生成", "深層学習のための合成データ生成。"],
        [0, 1],
        0.8,
        unit="char",
    )
    assert found.of.tolist() == [-1, 0]


def test_twenty_thousand_copies_of_one_text_take_no_longer_than_reading_them() -> None:
    started = time.perf_counter()
    found = near_duplicates([some_text(1), *[some_text(1).upper()] * 20_000], range(20_001), 0.8)
    assert time.perf_counter() - started < 10
    assert (found.of[1:] == 0).all()
    assert (found.jaccard[1:] == 1).all()


def test_near_copies_of_one_text_are_compared_with_the_kept_one_only() -> None:
    text = some_text(1, 200)
    texts = [text, *(f"{text} {number}" for number in range(2_000))]
    assert (near_duplicates(texts, range(2_001), 0.8).of[1:] == 0).all()


def test_no_texts_have_no_duplicates() -> None:
    assert near_duplicates([], [], 0.8).of.shape == (0,)
