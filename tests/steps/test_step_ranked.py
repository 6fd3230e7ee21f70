"""An LLM's order of a row's candidates: always a permutation, whatever it replied."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from synth.core import rows
from synth.core.chat import Completion
from synth.core.rows import Table
from synth.inputs.prompts import load_prompt, parse_prompt
from synth.inputs.shipped import shipped_folder
from synth.steps import Generate
from synth.steps.ask import Answer, ModelCard
from synth.steps.generate import Generation
from synth.steps.ranked import numbers, ranking, ranks_something, shown
from synth.steps.reply import parse

REPLIES = st.text(st.sampled_from("0123456789 >,[]abc.\n"), max_size=80)


@given(reply=REPLIES, count=st.integers(0, 20), seed=st.integers(0, 2**31 - 1))
def test_a_ranking_is_a_permutation_whatever_the_reply(reply: str, count: int, seed: int) -> None:
    assert sorted(ranking(reply, count, seed)) == list(range(count))


@given(order=st.permutations(range(8)), seed=st.integers(0, 2**31 - 1))
def test_a_whole_reply_is_taken_as_it_is(order: list[int], seed: int) -> None:
    places = {entry: place for place, entry in enumerate(shown(8, seed), start=1)}
    for reply in (
        " > ".join(f"[{places[entry]}]" for entry in order),
        orjson.dumps({"ranking": [places[entry] for entry in order]}).decode(),
    ):
        assert ranking(reply, 8, seed) == order


def test_what_a_reply_leaves_out_follows_as_the_row_has_it() -> None:
    order = shown(5, seed=3)
    assert ranking("2 > 2 > 9", 5, seed=3) == [order[1], *(at for at in range(5) if at != order[1])]


def test_where_a_candidate_is_shown_does_not_tell_how_good_it_was() -> None:
    first = [shown(5, seed)[0] for seed in range(500)]
    assert all(60 <= first.count(entry) <= 140 for entry in range(5))


def test_a_reply_without_the_number_of_a_text_ranks_nothing() -> None:
    assert ranks_something("2", 3)
    assert not ranks_something("I cannot rank 7 passages.", 3)
    assert ranks_something("whatever", 1)


def test_numbers_of_sentences_rank_nothing() -> None:
    told = "1. Soda ash is a powder.\n2. Soda ash lowers the melting point.\n3. Glass is blown."
    assert not ranks_something(told, 3)
    assert ranks_something(f"Soda ash comes first:\n3 > 1 > 2\n{told}", 3)
    assert numbers("In 2024 I would say [3] > [1] > [2], of 3 passages.") == [3, 1, 2]


def test_each_request_asks_for_as_many_numbers_as_it_shows_texts() -> None:
    several, alone = (ask.request for ask in task().ask(batch()))
    assert several is not None
    assert alone is not None
    for request, count in ((several, 4), (alone, 1)):
        order = orjson.loads(request.schema or "")["properties"]["ranking"]
        assert (order["minItems"], order["maxItems"], order["items"]["maximum"]) == (count,) * 3


def task() -> Generation:
    return Generation(
        Generate(prompt="rank_passages", model="ranker"),
        "ranked",
        load_prompt("rank_passages", shipped_folder("prompts")),
        {"ranker": ModelCard("identity", "ranker")},
        seed=5,
    )


def batch() -> Table:
    positives = [[{"id": "p", "text": "good", "score": 0.2}], [{"id": "p", "text": "alone"}], []]
    negatives: list[list[dict[str, Any]]] = [
        [{"id": f"n{at}", "text": f"bad {at}", "origin": "mined"} for at in range(3)],
        [],
        [],
    ]
    return pa.table(
        {
            "id": ["a", "b", "c"],
            "query": ["q", "q", "q"],
            "positives": pa.array(positives, rows.POSITIVES),
            "negatives": pa.array(negatives, rows.NEGATIVES),
            "drop_reason": pa.nulls(3, pa.string()),
        }
    )  # fmt: skip


def answered(replies: dict[int, str]) -> list[dict[str, Any]]:
    bound, came = task(), batch()
    row = came.to_pylist()
    found = []
    for ask in bound.ask(came):
        reply = Completion(replies.get(ask.row, "none"))
        judged = bound.verdict(row[ask.row], reply)
        found.append(Answer(ask, judged))
    return list(bound.read(came, found).rows.to_pylist())


def test_all_candidates_of_a_row_are_shown_once_in_one_request() -> None:
    asks = task().ask(batch())
    assert [ask.row for ask in asks] == [0, 1]  # the third row has no candidate
    assert asks[0].request is not None
    said = asks[0].request.messages[-1].content
    assert all(said.count(text) == 1 for text in ("good", "bad 0", "bad 1", "bad 2"))


def test_places_become_scores_from_one_down_to_zero() -> None:
    bound = task()
    (ask, *_) = bound.ask(batch())
    order = shown(4, ask.seed)
    wanted = [2, 0, 3, 1]  # entries: the positive, then the negatives
    reply = " > ".join(str(order.index(entry) + 1) for entry in wanted)
    first, second, third = answered({0: reply})
    scores = [first["positives"][0]["score"], *(one["score"] for one in first["negatives"])]
    assert [round(score, 3) for score in scores] == [0.667, 0.0, 1.0, 0.333]
    assert first["scored_by"] == second["scored_by"] == "ranker"
    assert second["positives"][0]["score"] == 1.0
    assert (third["scored_by"], third["drop_reason"]) == (None, None)


def test_a_row_that_nothing_ranks_is_dropped_with_the_reason() -> None:
    assert [row["drop_reason"] for row in answered({0: "Sorry."})] == ["no_ranking", None, None]


DRAWN = """\
---
purpose: Write a note.
needs: [text]
axes: {tone: [dry, warm]}
axes_into: {said: tone}
makes: rows
into: note
---
A {{ axes.tone }} note on {{ text }}
"""


def test_what_was_drawn_can_be_a_column_beside_the_reply() -> None:
    prompt = parse_prompt("note", DRAWN, "note.md")
    step = Generate(prompt="note", model="ranker", n=20)
    bound = Generation(step, "notes", prompt, {"ranker": ModelCard("i", "l")}, seed=1)
    came = pa.table({"id": ["a"], "text": ["cats"], "drop_reason": pa.nulls(1, pa.string())})
    found = [Answer(ask, parse(prompt.head, Completion("a note"))) for ask in bound.ask(came)]
    out = bound.read(came, found).rows
    assert out.schema.names == rows.with_fields(came.schema, bound.adds()).names
    drawn = [
        (row["said"], answer.ask.axes["tone"])
        for row, answer in zip(out.to_pylist(), found, strict=True)
    ]
    assert all(one == other for one, other in drawn)
    assert {one for one, _ in drawn} == {"dry", "warm"}
