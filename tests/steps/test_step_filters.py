from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from synth.core import rows
from synth.core.errors import RecipeError
from synth.core.rows import Table
from synth.steps import CopyFilter, LengthFilter, Sample, ScoreFilter, Take
from synth.steps.whole import in_order


def table(**columns: object) -> Table:
    count = len(next(iter(columns.values())))  # type: ignore[arg-type]
    ids = [f"d{number:03}" for number in range(count)]
    return pa.table({"id": ids, **columns, "drop_reason": pa.nulls(count, pa.string())})


def reasons(out: Table) -> list[str | None]:
    return list(out["drop_reason"].to_pylist())


def test_length_is_counted_in_words_and_in_characters() -> None:
    texts = table(text=["one", "one two", "one two three", "🙂🙂🙂🙂", None, "  "])
    out = LengthFilter(min_words=2, max_words=2).apply(texts)
    assert reasons(out) == ["too_short", None, "too_long", "too_short", "no_text", "no_text"]
    out = LengthFilter(min_chars=4, max_chars=7).apply(texts)
    assert reasons(out) == ["too_short", None, "too_long", None, "no_text", "no_text"]


def test_a_score_is_kept_within_its_bounds_and_a_missing_one_is_not() -> None:
    scores = table(judge=pa.array([1, 5, 9, None]))
    out = ScoreFilter(column="judge", min=5, max=8).apply(scores)
    assert reasons(out) == ["below_min_judge", None, "above_max_judge", "no_judge"]
    assert reasons(ScoreFilter(column="judge", min=5).apply(table(judge=[float("nan")]))) == [
        "no_judge"
    ]


def test_a_score_that_is_text_is_refused() -> None:
    with pytest.raises(RecipeError, match="column `judge` holds string"):
        ScoreFilter(column="judge", min=5).apply(table(judge=["9"]))


def test_a_query_that_copies_its_positive_is_dropped() -> None:
    positives = [[{"id": "p", "text": "The cat sat on the mat.", "score": None}], []]
    pairs = table(
        query=["the cat sat on the mat.", "which cat"],
        positives=pa.array(positives, rows.POSITIVES),
    )
    out = CopyFilter(column="query", of="positives").apply(pairs)
    assert reasons(out) == ["copy_of_positives", "no_positives"]


@pytest.mark.parametrize(
    ("step", "given"),
    [
        (LengthFilter, {}),
        (LengthFilter, {"min_words": 3, "max_words": 2}),
        (ScoreFilter, {}),
        (ScoreFilter, {"min": 3, "max": 2}),
    ],
)
def test_a_filter_that_keeps_everything_or_nothing_is_refused(
    step: type[LengthFilter | ScoreFilter], given: dict[str, int]
) -> None:
    with pytest.raises(ValidationError, match=r"at least one|no row would stay|give `min`"):
        step.model_validate(given)


def test_a_larger_sample_holds_the_smaller_one() -> None:
    many = table(text=["x"] * 1000)
    small, large = (Sample(fraction=share).apply(many) for share in (0.2, 0.5))
    kept = [
        {i for i, why in zip(out["id"].to_pylist(), reasons(out), strict=True) if not why}
        for out in (small, large)
    ]
    assert kept[0] < kept[1]
    assert len(kept[0]) == pytest.approx(200, abs=40)
    assert reasons(Sample(fraction=1).apply(many)) == [None] * 1000
    assert reasons(Sample(fraction=0).apply(many)) == ["not_sampled"] * 1000


def test_another_seed_draws_other_rows() -> None:
    many = table(text=["x"] * 100)
    assert reasons(Sample(fraction=0.5).apply(many)) != reasons(
        Sample(fraction=0.5, seed=1).apply(many)
    )


def test_take_keeps_the_number_of_rows_that_it_says() -> None:
    many = table(text=["x"] * 50)
    assert reasons(in_order(Take(rows=7), many)).count(None) == 7
    assert reasons(in_order(Take(rows=99), many)).count(None) == 50
    assert in_order(Take(rows=7), many.take(list(range(50))[::-1])).equals(
        in_order(Take(rows=7), many)
    )


def test_an_earlier_drop_reason_stays() -> None:
    dropped = pa.table({"id": ["d1"], "text": ["x"], "drop_reason": ["earlier"]})
    assert reasons(Sample(fraction=0).apply(dropped)) == ["earlier"]
