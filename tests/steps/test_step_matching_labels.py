"""Labels by descriptions, pairs by aspects, rows and texts that are each other's nearest."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.aspects import aspect_partners
from synth.algorithms.mutual import mutual_nearest
from synth.algorithms.pseudo_labels import pseudo_labels
from synth.core import rows
from synth.core.errors import RecipeError, SourceError
from synth.core.rows import Table
from synth.steps import AspectPairs, MutualMatch, PseudoLabel
from synth.steps.whole import IS_NEW, facts_of, in_order


def table(**columns: Any) -> Table:
    count = len(next(iter(columns.values())))
    ids = [f"d{at:02}" for at in range(count)]
    return pa.table({"id": ids, **columns, "drop_reason": pa.nulls(count, pa.string())})


def unit(seed: int, count: int, dim: int = 6) -> Any:
    made = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


LABELS = st.lists(st.frozensets(st.sampled_from("abcd"), max_size=3), min_size=1, max_size=25)


@given(labels=LABELS, most=st.integers(1, 5), limit=st.integers(1, 12), seed=st.integers(0, 9))
def test_likes_share_a_rare_label_unlikes_none_and_no_pair_comes_twice(
    labels: list[frozenset[str]], most: int, limit: int, seed: int
) -> None:
    found = aspect_partners(labels, limit, most, 0.5, Random(seed))
    rare = {one for one in "abcd" if sum(one in own for own in labels) <= limit}
    pairs: list[frozenset[int]] = []
    for at, (alike, unlike) in enumerate(zip(found.alike, found.unlike, strict=True)):
        assert len(alike) <= most
        assert all(labels[at] & labels[other] & rare for other in alike)
        assert all(labels[other] and not labels[at] & labels[other] for other in unlike)
        assert alike or not unlike
        pairs += [frozenset((at, other)) for other in (*alike, *unlike)]
    assert len(set(pairs)) == len(pairs)
    assert all(len(pair) == 2 for pair in pairs)
    likes = sum(map(len, found.alike))
    assert sum(map(len, found.unlike)) <= int(likes * 0.5 + 0.5)


def test_unlikes_are_as_many_as_asked_where_there_are_enough() -> None:
    labels = [frozenset((str(at % 4),)) for at in range(40)]
    found = aspect_partners(labels, 100, 3, 0.5, Random(0))
    likes, unlikes = (sum(map(len, side)) for side in (found.alike, found.unlike))
    assert unlikes == round(likes / 2)


def test_no_document_of_one_fold_is_in_a_pair_of_another() -> None:
    came = table(text=[f"text {at}" for at in range(60)], topic=[f"t{at % 3}" for at in range(60)])
    step = AspectPairs(label="topic", folds=3, most=4)
    out = in_order(step, came)
    made = out.filter(out[IS_NEW.name]).to_pylist()
    of: dict[str, set[str]] = {}
    for row in made:
        for doc in row["doc_ids"]:
            of.setdefault(doc, set()).add(row["source_id"])
        named = [entry["id"] for name in ("positives", "negatives") for entry in row[name]]
        assert row["doc_ids"][1:] == named
    assert len({fold for folds in of.values() for fold in folds}) == 3
    assert all(len(folds) == 1 for folds in of.values())
    left = out.filter(pa.compute.invert(out[IS_NEW.name]))["id"].to_pylist()
    assert set(left) | set(of) == set(came["id"].to_pylist())
    assert in_order(step, came.take(list(reversed(range(60))))).equals(out)


def test_documents_in_no_pair_say_why() -> None:
    came = table(text=["a", " ", "c", "d", "e"], topic=["x", "x", None, "x", "alone"])
    out = in_order(AspectPairs(label="topic", negative_ratio=0), came)
    old = out.filter(pa.compute.invert(out[IS_NEW.name])).to_pylist()
    assert {row["id"]: row["drop_reason"] for row in old} == {
        "d01": "no_text", "d02": "no_topic", "d04": "no_partner"
    }  # fmt: skip


def test_texts_get_the_label_that_they_were_planted_around() -> None:
    labels = unit(1, 4, dim=16)
    draw = np.random.default_rng(2)
    truth = draw.integers(0, 4, 200)
    texts = labels[truth] + 0.15 * draw.standard_normal((200, 16)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    found = pseudo_labels(texts, labels, 0.5, 1, 20)
    assert (found.labels == truth).mean() > 0.95
    assert (found.margins >= 0).all()
    assert (found.members <= 20).all()


@given(
    seed=st.integers(0, 30), count=st.integers(1, 20), labels=st.integers(1, 5),
    threshold=st.floats(-1, 1), least=st.integers(1, 4)
)  # fmt: skip
def test_each_label_stands_on_as_many_texts_as_it_may(
    seed: int, count: int, labels: int, threshold: float, least: int
) -> None:
    found = pseudo_labels(unit(seed, count), unit(seed + 99, labels), threshold, least, least + 2)
    assert ((found.members >= min(least, count)) & (found.members <= least + 2)).all()
    assert ((found.labels >= 0) & (found.labels < labels)).all()


def test_a_text_between_two_labels_drops_as_unclear() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.7071, 0.7071]], np.float32)
    came = table(text=["a", "b", "c"], embedding_text=rows.vector_column(vectors))
    labels = pa.table({"id": ["cats", "dogs"], "embedding_text": rows.vector_column(vectors[:2])})
    step = PseudoLabel(labels="labels", threshold=0.9, min_margin=0.1)
    out = in_order(step, came, labels)
    assert out["label"].to_pylist()[:2] == ["cats", "dogs"]
    assert out["drop_reason"].to_pylist() == [None, None, "label_unclear"]
    assert facts_of(out)["texts of each label"] == "cats 1, dogs 1"
    with pytest.raises(SourceError, match="has no row"):
        in_order(step, came, labels.slice(0, 0))
    wide = pa.table({"id": ["x"], "embedding_text": rows.vector_column(np.eye(3, dtype="f4")[:1])})
    with pytest.raises(RecipeError, match="embed both with one encoder"):
        in_order(step, came, wide)


@given(seed=st.integers(0, 50), one=st.integers(1, 15), other=st.integers(1, 15))
def test_mutual_nearest_is_what_both_sides_say(seed: int, one: int, other: int) -> None:
    first, second = unit(seed, one), unit(seed + 500, other)
    found, back = mutual_nearest(first, second), mutual_nearest(second, first)
    for at in range(one):
        assert found.is_mutual[at] == (back.nearest[found.nearest[at]] == at)
    matched = found.nearest[found.is_mutual]
    assert len(set(matched.tolist())) == len(matched)
    assert found.is_mutual.any()


def test_rows_that_are_not_each_others_nearest_drop() -> None:
    own = np.array([[1, 0], [0.9, 0.4359], [0, 1]], np.float32)
    theirs = np.array([[1, 0], [0.1, 0.995]], np.float32)
    came = table(query=["a", "b", "c"], embedding_query=rows.vector_column(own))
    corpus = pa.table(
        {"id": ["x", "y"], "text": ["X", "Y"], "embedding_text": rows.vector_column(theirs)}
    )
    out = in_order(MutualMatch(corpus="texts", min_score=0.5), came, corpus)
    assert out["drop_reason"].to_pylist() == [None, "not_mutual", None]
    assert [row["positives"][0]["id"] for row in out.to_pylist()] == ["x", "x", "y"]
    strict = in_order(MutualMatch(corpus="texts", min_score=0.999), came, corpus)
    assert strict["drop_reason"].to_pylist() == [None, "not_mutual", "match_too_weak"]
