from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from synth.core.errors import RecipeError
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


def test_dropped_rows_name_their_cluster_and_both_similarities() -> None:
    out = in_order(MinhashDedup(keep="longest"), documents(LONG, LONG + " again", "a cat"))
    assert out["duplicate_cluster"].to_pylist() == ["d1", "d1", None]
    assert out["duplicate_estimate"].to_pylist() == pytest.approx([15 / 16, None, None], abs=0.1)


def test_without_verification_there_is_an_estimate_only() -> None:
    out = in_order(MinhashDedup(verify="none"), documents(LONG, LONG + " again", LONG.upper()))
    assert out["duplicate_of"].to_pylist() == [None, "d0", "d0"]
    assert out["duplicate_jaccard"].to_pylist() == [None, None, 1.0]
    assert out["duplicate_estimate"].null_count == 1


def test_a_copy_of_a_dropped_near_duplicate_is_near_to_the_row_that_stays() -> None:
    out = in_order(MinhashDedup(), documents(LONG, LONG + " again", LONG + " AGAIN"))
    assert out["duplicate_of"].to_pylist() == [None, "d0", "d0"]
    assert out["drop_reason"].to_pylist() == [None, "near_duplicate", "near_duplicate"]


def test_the_longest_of_near_duplicates_can_stay() -> None:
    out = in_order(MinhashDedup(keep="longest"), documents(LONG, LONG + " again"))
    assert out["duplicate_of"].to_pylist() == ["d1", None]


@pytest.mark.parametrize("kind", [ExactDedup, MinhashDedup])
def test_the_row_with_the_highest_number_can_stay(
    kind: type[ExactDedup] | type[MinhashDedup],
) -> None:
    table = documents(LONG, LONG, LONG, LONG, "a cat")
    table = table.append_column("stars", pa.array([1, 5, None, 5, 9]))
    out = in_order(kind(keep="max:stars"), table)
    assert out["duplicate_of"].to_pylist() == ["d1", None, "d1", "d1", None]


def test_a_rule_of_who_stays_needs_numbers() -> None:
    with pytest.raises(RecipeError, match="keep: max:text reads numbers; that column holds string"):
        in_order(ExactDedup(keep="max:text"), documents("a"))


@pytest.mark.parametrize("keep", ["last", "max:", "max", "longest "])
def test_an_unknown_rule_of_who_stays_is_refused(keep: str) -> None:
    with pytest.raises(ValidationError, match="keep"):
        MinhashDedup(keep=keep)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.list_(pa.string())])
def test_texts_can_be_of_any_arrow_type_that_holds_them(kind: pa.DataType) -> None:
    texts: list[str] = [LONG, LONG.upper(), " "]
    cells = pa.array([[text] for text in texts] if pa.types.is_list(kind) else texts, kind)
    table = documents(*texts).set_column(1, "text", pa.chunked_array([cells[:1], cells[1:]]))
    out = in_order(MinhashDedup(), table)
    assert out["drop_reason"].to_pylist() == [None, "exact_duplicate", "no_text"]


@pytest.mark.parametrize("letter", list("\t\x1c\x1f\x85\u00a0\u2003\u3000\u200b\u180e"))
def test_white_space_is_what_python_calls_so(letter: str) -> None:
    out = in_order(ExactDedup(), documents(letter * 2))
    assert out["drop_reason"].to_pylist() == ["no_text" if letter.isspace() else None]


@pytest.mark.parametrize("step", [ExactDedup(), MinhashDedup()])
def test_the_order_of_the_rows_changes_nothing(step: ExactDedup | MinhashDedup) -> None:
    table = documents(LONG, LONG + " again", "a cat", LONG.upper(), "A CAT", None)
    shuffled = table.take([3, 5, 0, 4, 2, 1])
    assert in_order(step, shuffled).equals(in_order(step, table))


def test_a_threshold_that_cannot_be_found_is_refused_before_anything_runs() -> None:
    with pytest.raises(ValidationError, match="raise num_perm or threshold"):
        MinhashDedup(threshold=0.1, num_perm=16)
