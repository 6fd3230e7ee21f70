import time
from random import Random

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.minhash import (
    DETECTION,
    Duplicates,
    Verify,
    bands,
    near_duplicates,
    permutations,
    signatures,
)
from synth.algorithms.text import Unit, jaccard, normalized, shingles

WORDS = [f"w{n}" for n in range(200)]
# Text with what normalisation is about: case, white space, accents, and scripts without spaces.
ODD = st.sampled_from("aAbB \t\n\x1c\u3000\u00a0ßİéÉ\u0301字ᄀ\u1161😀")
TEXT = st.text(st.one_of(ODD, st.characters(codec="utf-8")))


def some_text(seed: int, words: int = 60) -> str:
    return " ".join(Random(seed).choices(WORDS, k=words))


def with_edits(text: str, edits: int) -> str:
    return " ".join([*text.split()[:-edits], *(f"new{n}" for n in range(edits))])


def similarity(one: str, other: str, unit: Unit = "word") -> float:
    return jaccard(shingles(normalized(one), 5, unit), shingles(normalized(other), 5, unit))


def found_in(texts: list[str | None], threshold: float = 0.8, unit: Unit = "word") -> Duplicates:
    return near_duplicates(pa.array(texts, pa.string()), range(len(texts)), threshold, unit=unit)


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


@given(st.integers(1, 300))
def test_permutations_are_those_of_datasketch(num_perm: int) -> None:
    assert (permutations(num_perm) == MinHash(num_perm).permutations).all()


@given(st.lists(TEXT, max_size=4), st.integers(1, 6), st.sampled_from(["word", "char"]))
def test_signatures_are_those_of_datasketch_bit_for_bit(
    texts: list[str], ngram: int, unit: Unit
) -> None:
    found = signatures(pa.array(texts, pa.string()), 64, ngram, unit)
    for text, signature in zip(texts, found, strict=True):
        theirs = MinHash(64, hashfunc=xxhash.xxh32_intdigest)
        theirs.update_batch([one.encode() for one in shingles(normalized(text), ngram, unit)])
        assert (theirs.hashvalues == signature).all()


@pytest.mark.parametrize("unit", ["word", "char"])
def test_a_signature_of_many_shingles_is_that_of_datasketch(unit: Unit) -> None:
    text = " ".join(map(str, range(3_000)))
    theirs = MinHash(128, hashfunc=xxhash.xxh32_intdigest)
    theirs.update_batch([one.encode() for one in shingles(text, 5, unit)])
    assert (signatures(pa.array([text]), unit=unit)[0] == theirs.hashvalues).all()


@given(st.lists(TEXT, min_size=2, max_size=6), st.integers(0, 5))
def test_a_signature_does_not_depend_on_the_batch_or_the_arrow_type(
    texts: list[str], cut: int
) -> None:
    array = pa.array([None, *texts], pa.string())
    whole = signatures(array)
    assert (signatures(array.slice(cut)) == whole[cut:]).all()
    assert (signatures(array.cast(pa.large_string())) == whole).all()
    assert (signatures(pa.chunked_array([array.slice(0, cut), array.slice(cut)])) == whole).all()


def test_near_copies_are_found_and_strangers_stay() -> None:
    text = some_text(1)
    found = found_in([text, with_edits(text, 3), some_text(2)])
    assert found.of.tolist() == [-1, 0, -1]
    assert found.jaccard[1] == similarity(text, with_edits(text, 3))
    assert abs(found.estimated[1] - found.jaccard[1]) < 0.15
    assert found.cluster.tolist() == [0, 0, 2]
    assert not found.equal.any()


def test_a_chain_of_small_changes_does_not_merge_strangers() -> None:
    chain = [some_text(1)]
    for number in range(6):
        words = chain[-1].split()
        words[number * 10 : number * 10 + 2] = [f"x{number}", f"y{number}"]
        chain.append(" ".join(words))
    found = found_in([*chain], 0.7)
    assert similarity(chain[0], chain[6]) < 0.7
    assert found.of[6] != 0
    assert (found.of >= 0).any()
    for at, of in enumerate(found.of):
        assert of < 0 or similarity(chain[at], chain[of]) >= 0.7


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=12),
    st.randoms(),
    st.sampled_from(["word", "char"]),
)
def test_a_dropped_text_repeats_the_most_similar_kept_one_visited_before(
    made: list[tuple[int, int]], shuffle: Random, unit: Unit
) -> None:
    texts = [with_edits(some_text(seed, 40), edits) for seed, edits in made]
    order = list(range(len(texts)))
    shuffle.shuffle(order)
    found = near_duplicates(pa.array(texts, pa.string()), order, 0.6, unit=unit)
    kept: list[int] = []
    for at in order:
        scores = [similarity(texts[at], texts[other], unit) for other in kept]
        best = max(scores, default=0.0)
        if found.of[at] < 0:
            kept.append(at)
            # A pair may be missed, one far above the threshold hardly.
            assert best < 0.75
            continue
        of = int(found.of[at])
        assert found.jaccard[at] == similarity(texts[at], texts[of], unit) >= 0.6
        assert found.jaccard[at] >= best - 0.15
        assert of in kept
        assert found.cluster[at] == found.cluster[of]
        assert found.equal[at] == (normalized(texts[at]) == normalized(texts[of]))


def test_of_equally_similar_texts_the_one_visited_first_is_repeated() -> None:
    text = some_text(1, 100)
    one, other = text + " x y", "y x " + text
    assert similarity(one, other) < 0.97 < similarity(one, text)
    found = near_duplicates(pa.array([other, one, text]), [0, 1, 2], 0.97)
    assert found.of.tolist() == [-1, -1, 0]
    found = near_duplicates(pa.array([other, one, text]), [1, 0, 2], 0.97)
    assert found.of.tolist() == [-1, -1, 1]
    # The third is near to both, so the three are one cluster although two of them stay.
    assert found.cluster.tolist() == [1, 1, 1]


def test_most_pairs_just_above_the_threshold_are_found() -> None:
    texts = [some_text(seed, 100) for seed in range(200)]
    copies = [with_edits(text, 10) for text in texts]
    pairs = np.array([similarity(*pair) for pair in zip(texts, copies, strict=True)])
    assert 0.8 <= pairs.mean() < 0.84
    found = found_in([*texts, *copies])
    assert (found.of[200:][pairs >= 0.8] >= 0).mean() >= 0.99


def test_without_verification_estimates_decide() -> None:
    texts = [some_text(seed, 100) for seed in range(100)]
    array = pa.array([*texts, *(with_edits(text, 12) for text in texts)])
    verified: dict[Verify, Duplicates] = {
        verify: near_duplicates(array, range(200), 0.8, verify=verify)
        for verify in ("none", "jaccard")
    }
    estimates = verified["none"]
    dropped = estimates.of >= 0
    assert dropped.sum() > (verified["jaccard"].of >= 0).sum()
    assert np.isnan(estimates.jaccard[dropped]).all()
    assert (estimates.estimated[dropped] >= 0.8).all()


def test_characters_serve_texts_without_spaces() -> None:
    texts: list[str | None] = ["深層学習のための合成データ生成", "深層学習のための合成データ生成。"]
    assert found_in(texts, 0.8, "char").of.tolist() == [-1, 0]


def test_nulls_repeat_nothing_and_empty_texts_and_single_words_each_other() -> None:
    found = found_in([None, "", "word", None, " \u2003", "WORD", "other"])
    assert found.of.tolist() == [-1, -1, -1, -1, 1, 2, -1]
    assert found.jaccard.tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert found.cluster.tolist() == [0, 1, 2, 3, 1, 2, 6]


@pytest.mark.parametrize(
    "texts",
    [
        pa.array(["a", "A", None], pa.string_view()),
        pa.array(["a", "A", None]).dictionary_encode(),
        pa.chunked_array([["a"], ["A", None]]),
        pa.array(["b", "a", "A", None])[1:],
    ],
    ids=["view", "dictionary", "chunked", "sliced"],
)
def test_texts_can_be_of_any_arrow_type(texts: pa.Array) -> None:
    assert near_duplicates(texts, range(3), 0.8).of.tolist() == [-1, 0, -1]


def test_no_texts_have_no_duplicates() -> None:
    assert found_in([]).of.shape == (0,)
    assert found_in([None]).of.tolist() == [-1]
    assert signatures(pa.array([], pa.string())).shape == (0, 128)


def test_an_order_that_is_no_permutation_is_refused() -> None:
    with pytest.raises(ValueError, match="each index of the 2 texts once"):
        near_duplicates(pa.array(["a", "b"]), [0, 0], 0.8)


def test_ten_megabytes_are_a_text_like_any_other() -> None:
    text = " ".join(Random(1).choices([*WORDS, "é", "Ä"], k=3_000_000))
    started = time.process_time()
    found = found_in([text, text + " more", "short"])
    assert len(text) > 10_000_000
    assert found.of.tolist() == [-1, 0, -1]
    assert time.process_time() - started < 20


def test_one_shingle_a_million_times_is_one_shingle() -> None:
    text = "la " * 1_000_000
    assert found_in([text, text + "la", text + "li"], 0.4).jaccard.tolist() == [0, 1, 0.5]


def test_a_million_copies_of_one_text_cost_a_million_look_ups() -> None:
    texts = pa.array(["A short text.", "a short  text."] * 500_000)
    started = time.process_time()
    found = near_duplicates(texts, range(1_000_000), 0.8)
    assert time.process_time() - started < 20
    assert (found.of[1:] == 0).all()
    assert (found.jaccard[1:] == 1).all()


def test_near_copies_of_one_text_are_compared_with_the_kept_one_only() -> None:
    text = some_text(1, 200)
    texts = [text, *(f"{text} {number}" for number in range(20_000))]
    assert (found_in([*texts]).of[1:] == 0).all()


def boilerplate(seed: int, own: int) -> str:
    """A text of 200 words that shares all but some with every other one."""
    return some_text(0, 200 - own) + " " + " ".join(f"{seed}.{word}" for word in range(own))


def test_a_hot_bucket_of_texts_below_the_threshold_takes_linear_time() -> None:
    texts = [boilerplate(seed, 28) for seed in range(8_000)]
    assert 0.7 < similarity(texts[0], texts[1]) < 0.8
    half, whole = (pa.array(texts[:count]) for count in (4_000, 8_000))
    found_in([*texts[:100]])
    seconds = []
    for array in (half, whole):
        started = time.process_time()
        assert (near_duplicates(array, range(len(array)), 0.8).of < 0).all()
        seconds.append(time.process_time() - started)
    # All pairs would take four times as long.
    assert seconds[1] < 3 * seconds[0]


def test_close_copies_meet_in_a_hot_bucket() -> None:
    texts = [boilerplate(seed, 50) for seed in range(4_000)]
    copies = [text + " more" for text in texts]
    assert similarity(texts[0], texts[1]) < 0.7
    found = found_in([*texts, *copies])
    assert (found.of[:4_000] < 0).all()
    assert (found.of[4_000:] == np.arange(4_000)).mean() > 0.99
