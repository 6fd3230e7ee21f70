"""The helpers of `benchmarks/downsample.py`: what they measure, and what they say of it."""

from __future__ import annotations

import numpy as np
import pytest
from downsample import ndcg, page, spearman

from synth.algorithms.neighbors import Neighbors


def ranking(*ids: list[int]) -> Neighbors:
    return Neighbors(np.array(ids), np.zeros((len(ids), len(ids[0])), np.float32))


def test_ndcg_counts_answers_by_the_place_at_which_they_are_found() -> None:
    kept = np.array([4, 7, 9])
    assert ndcg(ranking([1, 0, -1]), kept, [[7]]) == 1
    assert ndcg(ranking([0, 1, -1]), kept, [[7]]) == pytest.approx(1 / np.log2(3))
    assert ndcg(ranking([0, 1, 2], [0, 1, 2]), kept, [[4, 5], [6]]) == pytest.approx(
        1 / (1 + 1 / np.log2(3)) / 2
    )


def test_ranks_and_not_scores_are_compared() -> None:
    whole = {"a": 0.1, "b": 0.2, "c": 0.9}
    assert spearman(whole, {"a": 0.5, "b": 0.6, "c": 0.7}) == pytest.approx(1)
    assert spearman(whole, {"a": 0.7, "b": 0.6, "c": 0.5}) == pytest.approx(-1)


def test_a_page_tells_the_worst_of_the_draws() -> None:
    whole = {"words": 0.6, "vectors": 0.7}
    draws = [
        {"spearman": 1.0, "scores": {"words": 0.6, "vectors": 0.9}},
        {"spearman": -1.0, "scores": {"words": 0.9, "vectors": 0.8}},
    ]
    pool = {
        "docs_per_query": 2, "kept": 20, "spearman": 1.0,
        "scores": {"words": 0.65, "vectors": 0.72}, "random": draws,
    }  # fmt: skip
    told = {
        "date": "2026-01-01", "command": "downsample", "packages": {"numpy": "2"},
        "machine": {"cpu": "one", "cores": 2, "memory_gib": 23.5, "python": "3.11"},
        "queries": 9, "passages": 80, "whole": whole, "pools": [pool],
    }  # fmt: skip
    lines = list(page(told))
    assert "| 2 | 20 (25%) | 1.000 | 0.050 | -1.000 | 0.300 |" in lines
    assert lines.index("| vectors | 0.720 | 0.700 |") < lines.index("| words | 0.650 | 0.600 |")
