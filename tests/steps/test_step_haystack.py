"""Documents of exact lengths with one text hidden in each, on a real tokenizer and on words."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.algorithms.haystack import Hay, hidden
from synth.core.errors import SourceError
from synth.core.rows import Table
from synth.inputs.shipped import shipped_folder
from synth.inputs.sources import JsonlSource, PasskeySource, TextSource
from synth.inputs.tables import read_tables
from synth.steps import Haystack
from synth.steps.tokens import token_counts
from synth.steps.whole import facts_of, in_order

RECIPES = shipped_folder("recipes")
TOKENIZER = "bundled/smollm2-135m-instruct"
STRAW = ["The hill is steep. The river is slow! Clouds drift.", "We turn around."]


def words(text: str) -> int:
    return len(text.split())


@given(target=st.integers(6, 300), depth=st.floats(0, 1), start=st.integers(0, 3))
def test_a_document_has_the_length_asked_and_its_text_between_two_sentences(
    target: int, depth: float, start: int
) -> None:
    needle = "The key is 4711."
    found = hidden(needle, Hay(STRAW), start, target, depth, words)
    assert found is not None
    assert found.tokens == words(found.text) == target
    assert found.text.count(needle) == 1
    before = found.text.split(needle)[0].strip()
    assert not before or before[-1] in ".!"
    longest = max(map(len, Hay(STRAW).sentences))
    asked = depth * (target - words(needle))
    assert abs(words(before) - asked) <= longest


def test_a_text_longer_than_the_document_is_hidden_nowhere() -> None:
    assert hidden("one two three four", Hay(STRAW), 0, 3, 0.5, words) is None


def tables(spec: Any) -> Table:
    return pa.concat_tables(read_tables(spec, RECIPES, None))


@pytest.fixture(scope="module")
def passkeys() -> tuple[Table, Table, Haystack]:
    facts = tables(PasskeySource(kind="passkey", rows=20))
    hay = tables(TextSource(kind="text", path="data/filler.txt"))
    step = Haystack(
        hay="filler", tokenizer=TOKENIZER, lengths=(256, 512), depths=(0, 0.25, 0.5, 0.75, 1)
    )
    return facts, in_order(step, facts, hay), step


def test_a_passkey_document_is_within_two_percent_of_its_length(
    passkeys: tuple[Table, Table, Haystack],
) -> None:
    _, out, _ = passkeys
    assert out["drop_reason"].null_count == out.num_rows == 20
    counted = token_counts(TOKENIZER, out["text"].combine_chunks())
    assert counted.tolist() == out["tokens"].to_pylist()
    for row in out.to_pylist():
        assert 0.98 * row["length"] <= row["tokens"] <= row["length"]


def test_each_passkey_is_in_one_document_and_each_document_has_one(
    passkeys: tuple[Table, Table, Haystack],
) -> None:
    facts, out, _ = passkeys
    documents = out["text"].to_pylist()
    for key, needle in zip(facts["key"].to_pylist(), facts["text"].to_pylist(), strict=True):
        assert [key in text for text in documents].count(True) == 1
        assert [needle in text for text in documents].count(True) == 1
    keys = facts["key"].to_pylist()
    assert all(sum(key in text for key in keys) == 1 for text in documents)
    assert set(out["needle"].to_pylist()) == set(facts["text"].to_pylist())


def test_lengths_and_depths_are_dealt_out_evenly(passkeys: tuple[Table, Table, Haystack]) -> None:
    _, out, step = passkeys
    assert step.depths is not None
    found = Counter(
        (row["length"], min(step.depths, key=lambda depth: abs(depth - row["depth"])))
        for row in out.to_pylist()
    )
    assert len(found) == 10
    assert set(found.values()) == {2}
    assert facts_of(out) == {"documents by tokens": "10 of 256, 10 of 512"}


def test_documents_do_not_depend_on_the_order_of_rows(
    passkeys: tuple[Table, Table, Haystack],
) -> None:
    facts, out, step = passkeys
    hay = tables(TextSource(kind="text", path="data/filler.txt"))
    again = in_order(step, facts.take(list(reversed(range(20)))), hay)
    assert again.sort_by("id").equals(out.sort_by("id"))


def test_a_row_without_text_or_with_too_much_drops_and_hay_without_text_is_refused() -> None:
    hay = tables(JsonlSource(kind="jsonl", path="data/passages.jsonl", columns={"text": "text"}))
    step = Haystack(hay="docs", tokenizer=TOKENIZER, lengths=(16,))
    rows = pa.table(
        {
            "id": ["a", "b", "c"],
            "text": ["A key.", None, "far too many words " * 9],
            "drop_reason": pa.nulls(3, pa.string()),
        }
    )
    out = in_order(step, rows, hay)
    assert out["drop_reason"].to_pylist() == [None, "no_text", "needle_too_long"]
    with pytest.raises(SourceError, match="no row of 'docs' has a text"):
        in_order(step, rows, hay.slice(0, 0))
