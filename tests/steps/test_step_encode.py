from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from synth.core import rows
from synth.core.errors import EngineError
from synth.core.rows import Table
from synth.steps import Embed, Score


def documents(*texts: str | None) -> Table:
    ids = [f"d{number}" for number in range(len(texts))]
    reasons = pa.nulls(len(texts), pa.string())
    return pa.table({"id": ids, "text": pa.array(texts, pa.string()), "drop_reason": reasons})


def pairs() -> Table:
    mined = {"id": "n1", "text": "a dog", "score": 0.25, "rank": 3, "origin": "mined"}
    written = {"id": "n2", "text": "a cow", "score": None, "rank": None, "origin": "generated:m"}
    return pa.table(
        {
            "id": ["q1", "q2"],
            "query": ["which cat", None],
            "positives": pa.array(
                [[{"id": "p", "text": "a cat", "score": None}]] * 2, rows.POSITIVES
            ),
            "negatives": pa.array([[mined, written], None], rows.NEGATIVES),
            "drop_reason": pa.nulls(2, pa.string()),
        }
    )


def test_embed_reads_what_it_asked_and_drops_rows_without_text() -> None:
    step = Embed(model="encoder", prefix="query: ")
    table = documents("a cat", None, " ", "a dog")
    assert step.ask(table) == ["query: a cat", "query: a dog"]
    out = step.read(table, np.array([[1, 0], [0, 1]], np.float32), "minilm")
    assert out["embedding_text"].to_pylist() == [[1, 0], None, None, [0, 1]]
    assert out["embedding_text"].type == pa.list_(pa.float32(), 2)
    assert out["drop_reason"].to_pylist() == [None, "no_text", "no_text", None]


def test_a_batch_without_any_text_keeps_the_type_of_the_vectors() -> None:
    out = Embed(model="encoder").read(documents(None, ""), np.empty((0, 3), np.float32), "minilm")
    assert out["embedding_text"].type == pa.list_(pa.float32(), 3)
    assert out["embedding_text"].null_count == 2


def test_a_vector_of_zeros_drops_its_row() -> None:
    out = Embed(model="encoder").read(
        documents("a", "b"), np.array([[0, 0], [0, 1]], np.float32), "minilm"
    )
    assert out["drop_reason"].to_pylist() == ["zero_vector", None]


def test_a_broken_encoder_is_named_with_the_row() -> None:
    vectors = np.array([[1, 0], [np.nan, 1]], np.float32)
    with pytest.raises(EngineError, match="encoder minilm gave row 'd2'"):
        Embed(model="encoder").read(documents("a", None, "b"), vectors, "minilm")


def test_score_asks_for_missing_scores_and_puts_them_in_place() -> None:
    step = Score(model="encoder")
    assert step.ask(pairs()) == [("which cat", "a cat"), ("which cat", "a cow")]
    out = step.read(pairs(), np.array([0.75, 0.5], np.float32), "minilm")
    assert [entry["score"] for entry in out["positives"][0].as_py()] == [0.75]
    assert [entry["score"] for entry in out["negatives"][0].as_py()] == [0.25, 0.5]
    assert out["negatives"][0].as_py()[0]["rank"] == 3
    assert out["drop_reason"].to_pylist() == [None, "no_query"]


def test_score_can_ask_for_every_score_anew() -> None:
    step = Score(model="encoder", fill="all")
    assert len(step.ask(pairs())) == 3
    out = step.read(pairs(), np.array([0.5, 0.125, 0.25], np.float32), "minilm")
    assert [entry["score"] for entry in out["negatives"][0].as_py()] == [0.125, 0.25]


def test_a_broken_scorer_is_named_with_the_row() -> None:
    with pytest.raises(EngineError, match="model minilm gave row 'q1' a score nan"):
        Score(model="encoder").read(pairs(), np.array([0.5, np.nan], np.float32), "minilm")


def test_the_scorer_is_named_where_all_scores_of_a_row_are_its_own() -> None:
    def named(step: Score, table: Table, label: str = "minilm") -> list[str | None]:
        answers = np.zeros(len(step.ask(table)), np.float32)
        found: list[str | None] = step.read(table, answers, label)["scored_by"].to_pylist()
        return found

    missing, every = Score(model="encoder"), Score(model="encoder", fill="all")
    assert named(every, pairs()) == ["minilm", None]
    # The search that mined gave one of them.
    assert named(missing, pairs()) == [None, None]
    scored = every.read(pairs(), np.zeros(3, np.float32), "minilm")
    assert named(missing, scored, "other") == ["minilm", None]
    assert named(every, scored, "other") == ["other", None]
    more = [[{"id": "n3", "text": "a hen", "score": None}], []]
    grown = rows.with_column(
        scored, pa.field("negatives", rows.NEGATIVES), pa.array(more, rows.NEGATIVES)
    )
    assert named(missing, grown) == ["minilm", None]
    assert named(missing, grown, "other") == [None, None]
