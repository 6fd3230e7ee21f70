from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.word_vectors import joint_vectors, word_vectors

WORDS = st.sampled_from([f"word{number}" for number in range(40)] + ["ALSO", "so", "東京", "é"])
TEXTS = st.lists(st.lists(WORDS, max_size=25).map(" ".join), min_size=1, max_size=12)


def cosine(one: str, other: str, texts: list[str]) -> float:
    """By the definition, over all words."""

    def weights(text: str) -> dict[str, float]:
        held = Counter(text.lower().split())
        found = {}
        for word, times in held.items():
            texts_with = sum(word in other.lower().split() for other in texts)
            if texts_with > 1:
                found[word] = (1 + math.log(times)) * math.log(len(texts) / texts_with)
        return found

    left, right = weights(one), weights(other)
    length = math.hypot(*left.values()) * math.hypot(*right.values())
    return sum(left[word] * right.get(word, 0) for word in left) / length if length else 0.0


@given(TEXTS)
def test_a_cosine_is_that_of_all_words_but_for_chance(texts: list[str]) -> None:
    vectors = word_vectors(pa.array(texts), 1 << 14)
    for one, left in zip(texts, vectors, strict=True):
        for other, right in zip(texts, vectors, strict=True):
            # Two of forty words rarely meet in 16,384 dimensions; if they do, all texts say so.
            assert float(left @ right) == pytest.approx(cosine(one, other, texts), abs=1e-5)


def test_few_dimensions_leave_an_error_of_their_root() -> None:
    draw = np.random.default_rng(0)
    texts = [" ".join(f"w{word}" for word in draw.zipf(1.3, 80) % 5000) for _ in range(300)]
    exact = word_vectors(pa.array(texts), 1 << 18)
    for dim in (256, 1024):
        found = word_vectors(pa.array(texts), dim)
        errors = (found @ found.T - exact @ exact.T)[np.triu_indices(300, 1)]
        assert abs(errors.mean()) < 0.3 / np.sqrt(dim)
        assert 0.5 / np.sqrt(dim) < errors.std() < 1.5 / np.sqrt(dim)


@given(TEXTS, st.integers(0, 9))
def test_the_order_of_texts_and_of_words_changes_nothing(texts: list[str], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(texts))
    turned = [" ".join(reversed(texts[at].split())) for at in order]
    found = word_vectors(pa.array(turned, pa.string()), 64)
    assert found == pytest.approx(word_vectors(pa.array(texts, pa.string()), 64)[order], abs=1e-6)


def test_a_text_that_shares_no_word_has_no_word_vector_and_keeps_its_own() -> None:
    texts = pa.array(["heron fish", "heron fish pond", "stone", None, "pond"])
    words = word_vectors(texts)
    assert np.linalg.norm(words, axis=1) == pytest.approx([1, 1, 0, 0, 1])
    vectors = np.eye(5, dtype=np.float32)
    joint = joint_vectors(vectors, texts, 0.4)
    assert np.linalg.norm(joint, axis=1) == pytest.approx(np.ones(5))
    assert joint[2, :5] == pytest.approx(vectors[2])
    assert float(joint[0] @ joint[1]) == pytest.approx(0.4 * float(words[0] @ words[1]), abs=1e-6)


def test_no_texts_have_no_vectors() -> None:
    assert word_vectors(pa.array([], pa.string()), 8).shape == (0, 8)
