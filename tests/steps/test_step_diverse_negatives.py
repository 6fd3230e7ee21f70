from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.engines.fake import FakeModel
from synth.engines.specs import FakeSpec
from synth.steps import DiverseNegatives, MarginFilter

WORDS = ("heron", "lake", "fish", "reed", "wing")
TEXTS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
ENTRIES = st.lists(
    st.tuples(st.none() | TEXTS | st.just(" "), st.none() | st.floats(-1, 1, width=32)), max_size=6
)


def table(*lists: list[tuple[str | None, float | None]]) -> Table:
    negatives = [
        [{"id": f"n{at}", "text": text, "score": score} for at, (text, score) in enumerate(one)]
        for one in lists
    ]
    return pa.table(
        {
            "id": [f"q{at}" for at in range(len(lists))],
            "negatives": pa.array(negatives, rows.NEGATIVES),
            "drop_reason": pa.nulls(len(lists), pa.string()),
        }
    )


def encoded(texts: list[str]) -> np.ndarray:
    return FakeModel(FakeSpec(kind="fake")).encode(texts)


def done(step: DiverseNegatives, batch: Table) -> Table:
    return step.read(batch, encoded(step.ask(batch)), "encoder")


def texts(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["text"] for entry in entries]


def test_a_negative_as_near_as_that_to_a_better_one_is_rejected() -> None:
    batch = table([("heron lake", 0.1), ("fish reed wing", 0.2), ("lake heron", 0.9)])
    out = done(DiverseNegatives(model="encoder", max_cosine=0.9, keep=2), batch)
    assert texts(out["negatives"][0].as_py()) == ["lake heron", "fish reed wing"]
    (rejected,) = out["rejected_negatives"][0].as_py()
    assert (rejected["text"], rejected["reason"]) == ("heron lake", "near_another")
    assert out["short_by"].to_pylist() == [0]


@given(st.lists(ENTRIES, max_size=4), st.floats(-0.5, 0.95), st.none() | st.integers(1, 4))
def test_no_two_that_stay_are_near_and_whoever_goes_has_a_reason(
    lists: list[list[tuple[str | None, float | None]]], most: float, keep: int | None
) -> None:
    batch = table(*lists)
    out = done(DiverseNegatives(model="encoder", max_cosine=most, keep=keep), batch)
    for given_, kept, rejected in zip(
        lists, out["negatives"].to_pylist(), out["rejected_negatives"].to_pylist(), strict=True
    ):
        assert len(kept) + len(rejected) == len(given_)
        assert keep is None or len(kept) <= keep
        found = encoded(texts(kept))
        cosines = found @ found.T - 2 * np.eye(len(kept))
        assert not len(kept) or cosines.max() < most + 1e-6
        for entry in rejected:
            if entry["reason"] == "near_another":
                assert (found @ encoded([entry["text"]])[0]).max() >= most - 1e-6
            else:
                assert entry["reason"] == "not_selected"
                assert len(kept) == keep or not (entry["text"] or "").strip()


@given(st.lists(ENTRIES, min_size=2, max_size=4))
def test_rows_do_not_depend_on_their_batch(
    lists: list[list[tuple[str | None, float | None]]],
) -> None:
    step, batch = DiverseNegatives(model="encoder", keep=2), table(*lists)
    apart = pa.concat_tables([done(step, batch.slice(0, 1)), done(step, batch.slice(1))])
    assert apart.equals(done(step, batch))


def test_those_rejected_before_stay_listed_and_a_later_margin_leaves_diversity() -> None:
    batch = table([("heron lake", 0.5), ("heron lake fish", 0.45), ("reed wing", 0.4)])
    batch = batch.append_column("query", pa.array(["q"]))
    positives = pa.array([[{"id": "p", "text": "p", "score": 0.6}]], rows.POSITIVES)
    batch = batch.append_column("positives", positives)
    filtered = MarginFilter(relative_margin=0.3, keep=None).apply(batch)
    out = done(DiverseNegatives(model="encoder", max_cosine=0.5), filtered)
    reasons = [one["reason"] for one in out["rejected_negatives"][0].as_py()]
    assert reasons[:2] == ["above_margin", "above_margin"]
    assert texts(out["negatives"][0].as_py()) == ["reed wing"]


def test_who_looks_for_it_in_the_margin_is_told_where_it_is() -> None:
    with pytest.raises(ValidationError, match="put `kind: diverse_negatives` before"):
        MarginFilter.model_validate({"selection": "diverse"})


def test_a_text_is_encoded_once_and_a_broken_vector_is_named() -> None:
    step, batch = DiverseNegatives(model="encoder"), table([("a cat", 1), ("a cat", 0)])
    assert step.ask(batch) == ["a cat"]
    with pytest.raises(EngineError, match="NaN or infinity in it for 'a cat'"):
        step.read(batch, np.array([[np.nan]], np.float32), "encoder")
