"""The invariants of stress sets, on what is made and not on what it reads like."""

from __future__ import annotations

import re
from collections import Counter
from math import comb
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.limit import Pattern, least_documents
from synth.core.errors import SourceError
from synth.inputs.readers import content_mark, read_records
from synth.inputs.shipped import shipped_folder
from synth.inputs.sources import LimitSource, PasskeySource
from synth.inputs.tables import read_tables

RECIPES = shipped_folder("recipes")
Row = dict[str, Any]


def documents(base: Path = RECIPES, **settings: Any) -> list[Row]:
    spec = LimitSource.model_validate({"kind": "limit", "things": "data/things.txt", **settings})
    tables = read_tables(spec, base, None)
    return [row for table in tables for row in table.to_pylist()]


def holders(rows: list[Row]) -> dict[str, set[str]]:
    """The documents that name the thing that each question asks for."""
    asked = {question for row in rows for question in row["questions"]}
    return {
        question: {row["id"] for row in rows if question[len("Who likes ") : -1] in row["likes"]}
        for question in asked
    }


def test_a_thousand_queries_with_two_documents_each_take_46_documents() -> None:
    rows = documents()
    assert len(rows) == 46
    found = holders(rows)
    assert len(found) == 1000
    assert {len(of) for of in found.values()} == {2}
    assert len({frozenset(of) for of in found.values()}) == 1000
    for row in rows:
        assert len(row["likes"]) == len(set(row["likes"])) == 45
        assert all(question in found for question in row["questions"])


def test_no_thing_that_ships_is_part_of_another() -> None:
    """Who likes teddy bears would like bears, and a query would have one more answer."""
    things = (RECIPES / "data" / "things.txt").read_text().splitlines()
    assert len(set(things)) == len(things)
    longer = f"|{'|'.join(thing for thing in things if ' ' in thing)}|"
    for thing in things:
        whole = longer.replace(f"|{thing}|", "|")
        assert not re.search(rf"\b{re.escape(thing)}\b", whole), thing


@given(
    queries=st.integers(1, 60),
    relevant=st.integers(1, 4),
    pattern=st.sampled_from(["dense", "random", "cycle", "disjoint"]),
    more=st.integers(0, 20),
    seed=st.integers(0, 5),
)
def test_exactly_so_many_documents_hold_what_a_query_asks_for(
    queries: int, relevant: int, pattern: Pattern, more: int, seed: int
) -> None:
    number = least_documents(queries, relevant, pattern) + more
    rows = documents(
        queries=queries,
        relevant=relevant,
        pattern=pattern,
        documents=number,
        likes=65,
        seed=seed,
    )
    found = holders(rows)
    assert len(rows) == number
    assert len({row["name"] for row in rows}) == number
    assert len(found) == queries
    for question, of in found.items():
        assert len(of) == relevant
        assert of == {row["id"] for row in rows if question in row["questions"]}
    if pattern != "cycle" or relevant < number:
        assert len({frozenset(of) for of in found.values()}) == queries


@given(queries=st.integers(1, 3000), relevant=st.integers(1, 5))
def test_the_dense_pattern_takes_the_fewest_documents_that_will_do(
    queries: int, relevant: int
) -> None:
    least = least_documents(queries, relevant, "dense")
    assert comb(least, relevant) >= queries
    assert least == relevant or comb(least - 1, relevant) < queries


def test_a_seed_makes_the_same_documents_and_another_seed_others() -> None:
    assert documents(seed=1) == documents(seed=1)
    assert documents(seed=1) != documents(seed=2)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"documents": 45}, "take at least 46 documents"),
        ({"likes": 44}, "relevant to 45 queries, but has only 44 things"),
        ({"queries": 1080}, "take 1,125 different things"),
        ({"things": "data/nothing.txt"}, "cannot read"),
        ({"columns": {"text": "txt"}}, "has no field 'txt'; it has id, text, name"),
    ],
)
def test_what_cannot_be_made_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(SourceError, match=told):
        documents(**settings)


def test_another_list_of_things_is_another_source(tmp_path: Path) -> None:
    spec = LimitSource(kind="limit", things="things.txt", queries=3, likes=3)
    marks = []
    for words in ("a b c d e f", "a b c d e g"):
        (tmp_path / "things.txt").write_text("\n".join(words.split()))
        marks.append(content_mark(spec, tmp_path))
    assert len(set(marks)) == 2


def test_each_person_has_one_pass_key_and_each_key_one_person() -> None:
    spec = PasskeySource(kind="passkey", rows=4000, seed=3)
    rows = [row for table in read_tables(spec, RECIPES, None) for row in table.to_pylist()]
    for field in ("id", "name", "key", "question"):
        assert max(Counter(row[field] for row in rows).values()) == 1
    for row in rows:
        assert row["text"].count(row["key"]) == row["text"].count(row["name"]) == 2
        assert row["name"] in row["question"]


def test_more_pass_keys_than_there_are_digits_for_are_refused() -> None:
    with pytest.raises(SourceError, match="lower `rows`"):
        list(read_records(PasskeySource(kind="passkey", rows=90_001), RECIPES))
