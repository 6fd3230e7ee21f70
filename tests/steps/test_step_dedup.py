from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.algorithms.semantic import semantic_duplicates
from synth.core import rows
from synth.core.errors import EngineError, RecipeError
from synth.core.rows import Table
from synth.steps import CopyFilter, Decontaminate, ExactDedup, MinhashDedup, SemanticDedup
from synth.steps.whole import facts_of, in_order

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
    step = ExactDedup(keep="longest", normalize=["punctuation", "case", "whitespace", "unicode"])
    out = in_order(step, documents("a cat", "A cat!!", "a cat."))
    assert out["duplicate_of"].to_pylist() == ["d1", None, "d1"]


def test_neither_white_space_nor_the_form_of_a_character_makes_a_text_longer() -> None:
    table = documents("\u00c9 x", " e\u0301   x ", "\u00e9 x")
    out = in_order(ExactDedup(keep="longest"), table)
    assert out["duplicate_of"].to_pylist() == [None, "d0", "d0"]


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


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64()])
def test_numbers_with_more_digits_than_a_float_are_told_apart(kind: pa.DataType) -> None:
    numbers = [2**62 + 1, 2**62 + 3, None, 2**62 + 2]
    table = documents("a", "a", "a", "a").append_column("ts", pa.array(numbers, kind))
    out = in_order(ExactDedup(keep="max:ts"), table)
    assert out["duplicate_of"].to_pylist() == ["d1", None, "d1", "d1"]


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_the_row_that_stays_has_the_highest_number_and_the_lowest_id_of_those(
    numbers: list[int | None],
) -> None:
    table = documents(*["a"] * len(numbers)).append_column("n", pa.array(numbers, pa.int64()))
    table = table.set_column(0, "id", pa.array([f"d{at:02}" for at in range(len(numbers))]))
    out = in_order(ExactDedup(keep="max:n"), table)
    best = max(range(len(numbers)), key=lambda at: (numbers[at] is not None, numbers[at] or 0, -at))
    stays = out.filter(pc.is_null(out["drop_reason"]))["id"].to_pylist()
    assert stays == [f"d{best:02}"]


@pytest.mark.parametrize("keep", ["last", "max:", "max", "longest ", 3, None])
def test_an_unknown_rule_of_who_stays_is_refused(keep: object) -> None:
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


EVALUATION = documents("Who wrote the very first of all the plays that are set in Verona?", "Yes.")


@pytest.mark.parametrize("step", [ExactDedup(against="eval"), MinhashDedup(against="eval")])
def test_rows_that_another_set_has_drop_and_name_its_row(step: ExactDedup | MinhashDedup) -> None:
    other = documents(LONG).set_column(0, "id", [["e0"]])
    out = in_order(step, documents("a cat", LONG.upper(), LONG), other)
    assert out["duplicate_of"].to_pylist() == [None, "e0", "e0"]
    assert out["drop_reason"].to_pylist() == [None, "exact_duplicate", "exact_duplicate"]


def test_a_near_copy_of_another_set_drops_whatever_stays_of_its_own_kind() -> None:
    other = documents(LONG).set_column(0, "id", [["e0"]])
    step = MinhashDedup(against="eval", keep="longest", threshold=0.7)
    out = in_order(step, documents(LONG + " again", LONG + " again and again", "a cat"), other)
    assert out["duplicate_of"].to_pylist() == ["e0", "e0", None]
    assert out["duplicate_cluster"].to_pylist() == ["e0", "e0", None]
    assert out["drop_reason"].to_pylist() == ["near_duplicate", "near_duplicate", None]


def test_the_other_set_can_have_its_text_elsewhere() -> None:
    other = documents("a cat").rename_columns(["id", "question", "drop_reason"])
    step = ExactDedup(against="eval", against_column="question")
    assert [field.name for field in step.second_tables()["eval"]] == ["id", "question"]
    out = in_order(step, documents("A cat").set_column(0, "id", [["x"]]), other)
    assert out["duplicate_of"].to_pylist() == ["d0"]


@pytest.mark.parametrize("kind", [ExactDedup, MinhashDedup])
def test_several_columns_count_as_one_text(kind: type[ExactDedup | MinhashDedup]) -> None:
    table = documents("a cat", "a cat", "a cat", None, None)
    table = table.append_column("query", [["who", "who", "what", "what", None]])
    step = kind(column=["query", "text"])
    out = in_order(step, table)
    assert out["duplicate_of"].to_pylist() == [None, "d0", None, None, None]
    assert out["drop_reason"].to_pylist()[3:] == [None, "no_query_and_text"]


@pytest.mark.parametrize(
    ("parts", "other", "is_equal"),
    [
        (["punctuation"], "a, cat!", True),
        (["punctuation"], "A cat", False),
        (["case"], "A CAT", True),
        (["case"], "a  cat", False),
        (["whitespace"], " a\t\u00a0cat ", True),
        (["whitespace"], "a Cat", False),
        (["unicode"], "a cat\u0301", False),
        (["unicode", "case", "whitespace", "punctuation"], "\u2014A  CAT\u2026", True),
        (True, "A  cat", True),
        (True, "A cat.", False),
    ],
)
def test_only_what_is_named_makes_no_difference(
    parts: list[str] | bool, other: str, is_equal: bool
) -> None:
    out = in_order(ExactDedup(normalize=parts), documents("a cat", other))
    assert out["duplicate_of"].to_pylist() == [None, "d0" if is_equal else None]


def test_unicode_forms_of_a_character_are_one() -> None:
    out = in_order(ExactDedup(normalize=["unicode"]), documents("caf\u00e9", "cafe\u0301"))
    assert out["duplicate_of"].to_pylist() == [None, "d0"]


def test_a_shingle_is_given_as_words_or_in_full() -> None:
    assert MinhashDedup(ngram=3) == MinhashDedup(ngram={"unit": "word", "n": 3})
    chinese = "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u6211\u4eec\u53bb\u516c\u56ed" * 3
    table = documents(chinese, chinese + "\u5427")
    by_char = in_order(MinhashDedup(ngram={"unit": "char", "n": 3}), table)
    assert by_char["duplicate_of"].to_pylist() == [None, "d0"]
    assert in_order(MinhashDedup(), table)["duplicate_of"].to_pylist() == [None, None]


@pytest.mark.parametrize("kind", [ExactDedup, MinhashDedup])
def test_what_ends_one_column_does_not_begin_the_next(
    kind: type[ExactDedup | MinhashDedup],
) -> None:
    pairs = [("what is", "a cat"), ("what is a", "cat"), ("b", None), (None, "b"), ("B", "")]
    table = documents(*[""] * len(pairs))
    for at, name in enumerate(("q", "d")):
        table = table.append_column(name, pa.array([pair[at] for pair in pairs], pa.string()))
    out = in_order(kind(column=("q", "d")), table)
    assert out["duplicate_of"].to_pylist() == [None, None, None, None, "d2"]


@pytest.mark.parametrize("parts", [["unicode", "case"], ["case"], ["case", "whitespace"]])
@pytest.mark.parametrize(
    "pair", [("Stra\u00dfe", "STRASSE"), ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c2")]
)
def test_case_is_folded_whatever_else_makes_no_difference(
    parts: list[str], pair: tuple[str, str]
) -> None:
    out = in_order(ExactDedup(normalize=parts), documents(*pair))
    assert out["duplicate_of"].to_pylist() == [None, "d0"]


def test_texts_of_punctuation_alone_are_not_all_one() -> None:
    step = ExactDedup(normalize=["punctuation"])
    out = in_order(step, documents("!!!", "???", "a!", "a?", "!!!"))
    assert out["duplicate_of"].to_pylist() == [None, None, None, "d2", "d0"]


@pytest.mark.parametrize(
    "given",
    [
        {"normalize": "Case"},
        {"normalize": ["unicode", "Case"]},
        {"ngram": True},
        {"ngram": "5"},
        {"ngram": 5.5},
        {"column": ["text", "text"]},
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExactDedup(**given) if "normalize" in given else MinhashDedup(**given)


@pytest.mark.parametrize("given", [{"of": "a"}, {"of": "b", "max_ratio": 0.9}])
def test_a_copy_filter_that_would_drop_every_row_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CopyFilter(column="a", **given)


def test_a_shared_run_of_characters_contaminates_where_words_have_no_spaces() -> None:
    asked = "\u6211\u4eec\u4eca\u5929\u53bb\u516c\u56ed"
    asked += "\u6563\u6b65\u770b\u82b1\u5403\u996d\u7136\u540e\u56de"
    table = documents(f"\u524d\u8a00\u3002{asked[:9]}\n{asked[9:]}\u3002\u7ed3", asked[:8], "a b c")
    other = documents(asked, "\u597d", None)
    by_char = in_order(Decontaminate(against="eval", ngram={"unit": "char", "n": 12}), table, other)
    assert by_char["contaminated_by"].to_pylist() == ["d0", None, None]
    told = facts_of(by_char)["looked for"]
    assert told == "1 texts of eval; not 2 with fewer than 8 characters"
    by_word = in_order(Decontaminate(against="eval"), table, other)
    assert by_word["contaminated_by"].null_count == 3
    assert "unit: char" in facts_of(by_word)["looked for"]


def test_a_shared_run_of_words_contaminates() -> None:
    words = "who wrote the very first of all the plays that are set in verona"
    table = documents(f"Quiz: {words.upper()}! Answer it.", words.replace("plays", "songs"), None)
    out = in_order(Decontaminate(against="eval"), table, EVALUATION)
    assert out["contaminated_by"].to_pylist() == ["d0", None, None]
    assert out["drop_reason"].to_pylist() == ["contaminated", None, None]
    assert 0 < out["contamination"][0].as_py() < 1


def test_a_short_evaluation_text_counts_as_a_whole_unless_it_is_too_short() -> None:
    other = documents("the cat sat on the mat by the door", "yes it is")
    table = documents("we saw that the cat sat on the mat by the door at noon", "yes it is so")
    out = in_order(Decontaminate(against="eval"), table, other)
    assert out["contaminated_by"].to_pylist() == ["d0", None]


def test_a_share_can_be_asked_of_contamination() -> None:
    words = " ".join(f"w{number}" for number in range(20))
    long = words + " " + " ".join(f"x{number}" for number in range(200))
    out = in_order(
        Decontaminate(against="eval", min_share=0.5), documents(words, long), documents(words)
    )
    assert out["drop_reason"].to_pylist() == ["contaminated", None]
    assert out["contaminated_by"].to_pylist() == ["d0", "d0"]


def embedded(*vectors: list[float]) -> Table:
    table = documents(*(f"text {number}" for number in range(len(vectors))))
    return table.append_column("embedding_text", rows.vector_column(np.array(vectors, np.float32)))


def test_vectors_that_point_the_same_way_are_one() -> None:
    table = embedded([1, 0], [2, 0.01], [0, 1], [-1, 0])
    out = in_order(SemanticDedup(), table)
    assert out["duplicate_of"].to_pylist() == [None, "d0", None, None]
    assert out["duplicate_cosine"][1].as_py() == pytest.approx(1, abs=1e-3)
    assert out["drop_reason"].to_pylist() == [None, "semantic_copy", None, None]


def test_a_semantic_copy_of_another_set_drops_whatever_stays_of_its_own() -> None:
    step = SemanticDedup(against="eval", keep="longest")
    out = in_order(step, embedded([1, 0], [0, 1], [0, 1]), embedded([2, 0.01], [3, 0], [-1, -1]))
    assert out["duplicate_of"].to_pylist() == ["d1", None, "d1"]
    assert out["drop_reason"].to_pylist() == ["semantic_copy", None, "semantic_copy"]
    with pytest.raises(EngineError, match="one encoder"):
        in_order(step, embedded([1, 0]), embedded([1, 0, 0]))
    assert in_order(step, embedded([1, 0]), embedded([1, 0]).slice(0, 0)).num_rows == 1


@given(
    st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any), max_size=40),
    st.floats(0.1, 1),
)
def test_a_semantic_copy_is_near_to_one_that_stays_and_those_to_nobody(
    vectors: list[list[float]], threshold: float
) -> None:
    array = np.array(vectors, np.float32).reshape(-1, 3)
    found = semantic_duplicates(array, np.arange(len(array))[::-1].copy(), threshold)
    units = array / np.linalg.norm(array, axis=1, keepdims=True)
    kept = np.flatnonzero(found.of < 0)
    assert np.isin(found.of[found.of >= 0], kept).all()
    for at, of in enumerate(found.of):
        if of >= 0:
            assert units[at] @ units[of] >= threshold - 1e-5
    among = units[kept] @ units[kept].T - 2 * np.eye(len(kept))
    assert (among < threshold + 1e-5).all()
