from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from synth.core.rows import Table
from synth.steps import ExactDedup, MinhashDedup
from synth.steps.whole import in_order

LONG = "the quick brown fox jumps over the lazy dog and then it sleeps all day in the warm sun"


def documents(*texts: str | None) -> Table:
    ids = [f"d{number}" for number in range(len(texts))]
    reasons = pa.nulls(len(texts), pa.string())
    return pa.table({"id": ids, "text": pa.array(texts, pa.string()), "drop_reason": reasons})


def test_an_equal_text_names_the_row_that_stays() -> None:
    out = in_order(ExactDedup(), documents("A cat", "a dog", "a  CAT"))
    assert out["duplicate_of"].to_pylist() == [None, None, "d0"]
    assert out["drop_reason"].to_pylist() == [None, None, "exact_duplicate"]


def test_without_normalisation_only_the_very_same_text_is_a_duplicate() -> None:
    out = in_order(ExactDedup(normalize=False), documents("a cat", "A cat", "a cat"))
    assert out["duplicate_of"].to_pylist() == [None, None, "d0"]


def test_the_longest_of_equal_texts_can_stay() -> None:
    out = in_order(ExactDedup(keep="longest"), documents("a cat", "a   cat", "a  cat"))
    assert out["duplicate_of"].to_pylist() == ["d1", None, "d1"]


@pytest.mark.parametrize("step", [ExactDedup(), MinhashDedup()])
def test_rows_without_text_are_dropped_and_not_duplicates_of_each_other(
    step: ExactDedup | MinhashDedup,
) -> None:
    out = in_order(step, documents(None, "a cat", "", " \n", None))
    assert out["drop_reason"].to_pylist() == ["no_text", None, "no_text", "no_text", "no_text"]
    assert out["duplicate_of"].null_count == 5


def test_near_and_exact_duplicates_have_reasons_of_their_own() -> None:
    out = in_order(MinhashDedup(), documents(LONG, LONG + " again", LONG.upper(), "a cat"))
    assert out["duplicate_of"].to_pylist() == [None, "d0", "d0", None]
    reasons = [None, "near_duplicate", "exact_duplicate", None]
    assert out["drop_reason"].to_pylist() == reasons
    assert out["duplicate_jaccard"].to_pylist() == pytest.approx([None, 15 / 16, 1.0, None])


def test_a_copy_of_a_dropped_near_duplicate_is_near_to_the_row_that_stays() -> None:
    out = in_order(MinhashDedup(), documents(LONG, LONG + " again", LONG + " AGAIN"))
    assert out["duplicate_of"].to_pylist() == [None, "d0", "d0"]
    assert out["drop_reason"].to_pylist() == [None, "near_duplicate", "near_duplicate"]


def test_the_longest_of_near_duplicates_can_stay() -> None:
    out = in_order(MinhashDedup(keep="longest"), documents(LONG, LONG + " again"))
    assert out["duplicate_of"].to_pylist() == ["d1", None]


@pytest.mark.parametrize("step", [ExactDedup(), MinhashDedup()])
def test_the_order_of_the_rows_changes_nothing(step: ExactDedup | MinhashDedup) -> None:
    table = documents(LONG, LONG + " again", "a cat", LONG.upper(), "A CAT", None)
    shuffled = table.take([3, 5, 0, 4, 2, 1])
    assert in_order(step, shuffled).equals(in_order(step, table))


def test_a_threshold_that_cannot_be_found_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValidationError, match="raise num_perm or threshold"):
        MinhashDedup(threshold=0.1, num_perm=16)
