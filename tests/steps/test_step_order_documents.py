from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synth.core import rows
from synth.core.errors import EngineError, RecipeError, SourceError
from synth.core.rows import Table
from synth.steps import OrderDocuments
from synth.steps.order_documents import WINDOWS
from synth.steps.order_shards import ordered_in_shards, turns
from synth.steps.tasks import Here
from synth.steps.whole import facts_of, in_order

PATH = OrderDocuments(objective="path")
TOPICS = np.random.default_rng(0).normal(size=(9, 8))


def documents(vectors: Any, **columns: Any) -> Table:
    count = len(vectors)
    return pa.table(
        {
            "id": pa.array([f"d{number:03}" for number in range(count)], pa.string()),
            "text": pa.array([f"text {number}" for number in range(count)], pa.string()),
            "size": pa.array([10 + 7 * number % 50 for number in range(count)], pa.int64()),
            "embedding_text": rows.vector_column(np.array(vectors, np.float32).reshape(count, -1))
            if count
            else pa.array([], pa.list_(pa.float32(), 2)),
            "drop_reason": pa.nulls(count, pa.string()),
            **columns,
        }
    )


def drawn(count: int, seed: int = 0) -> Table:
    draw = np.random.default_rng(seed)
    topics = draw.integers(0, len(TOPICS), count)
    vectors = TOPICS[topics] + 0.7 * draw.normal(size=(count, 8))
    return documents(vectors, topic=[f"t{topic}" for topic in topics])


def asked(**more: Any) -> OrderDocuments:
    given = {"objective": "path", "dedup_cosine": None, "neighbors": 5, **more}
    return OrderDocuments.model_validate(given)


WINDOW = {"objective": "window", "window_tokens": 100, "tokens": "size"}
STEPS = [
    asked(),
    asked(method="paper"),
    asked(**WINDOW),
    asked(**WINDOW, overflow="own_window"),
    asked(objective="random", window_tokens=100, tokens="size"),
    asked(objective="cluster", seed=3),
    asked(**WINDOW | {"objective": "knn"}),
]


def name_of(step: OrderDocuments) -> str:
    return f"{step.objective} {step.method} {step.overflow}"


@pytest.mark.parametrize("step", STEPS, ids=name_of)
@pytest.mark.parametrize(
    "vectors",
    [[], [[1, 0]], [[1, 0], [0, 1]], [[1, 1]] * 60, np.eye(30).tolist()],
    ids=["none", "one", "two", "all identical", "all isolated"],
)
def test_every_document_comes_out_once_in_the_order_of_its_position(
    step: OrderDocuments, vectors: list[list[float]]
) -> None:
    out = in_order(step, documents(vectors))
    assert out["position"].to_pylist() == list(range(len(vectors)))
    assert sorted(out["id"].to_pylist()) == documents(vectors)["id"].to_pylist()
    assert out["drop_reason"].null_count == len(vectors)


@pytest.mark.parametrize("step", STEPS, ids=name_of)
def test_the_order_of_the_rows_changes_nothing(step: OrderDocuments) -> None:
    table = drawn(60)
    shuffled = table.take(np.random.default_rng(1).permutation(60))
    assert in_order(step, shuffled).equals(in_order(step, table))


def test_like_documents_stand_together() -> None:
    topics = [[1, 0.1 * n] if n % 2 else [0.1 * n, 1] for n in range(6)]
    for method in ("greedy_edge", "paper"):
        out = in_order(asked(neighbors=2, method=method), documents(topics))
        odd = [int(name[1:]) % 2 for name in out["id"].to_pylist()]
        assert odd in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_likeness_is_the_angle_and_not_the_length() -> None:
    ordered = [
        in_order(asked(neighbors=1), documents([[1, 0], [0, scale], [1, 0.1], [0.1, 1]]))
        for scale in (1, 50)
    ]
    assert ordered[0]["id"].equals(ordered[1]["id"])


@pytest.mark.parametrize("vector", [[0, 0], [float("nan"), 1], [float("inf"), 1]])
def test_a_document_without_a_usable_vector_is_named(vector: list[float]) -> None:
    with pytest.raises(EngineError, match="row 'd001' has no usable vector"):
        in_order(PATH, documents([[1, 0], vector]))


def test_a_document_whose_vector_is_missing_is_named() -> None:
    vectors = pa.array([[1.0, 0.0], None], pa.list_(pa.float32(), 2))
    with pytest.raises(EngineError, match="row 'd001' has no usable vector"):
        in_order(PATH, documents([[1, 0], [0, 1]], embedding_text=vectors))


@pytest.mark.parametrize("step", STEPS, ids=name_of)
@pytest.mark.parametrize("numbers", [pa.float16(), pa.float32(), pa.float64()], ids=str)
@pytest.mark.parametrize("listed", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 2)])
def test_vectors_may_be_lists_of_floats_of_any_kind(
    step: OrderDocuments, numbers: pa.DataType, listed: Callable[[pa.DataType], pa.DataType]
) -> None:
    vectors = [[1, 0.5], [0, 1], [1, 0], [0.5, 1]]
    own = pa.array(vectors, listed(numbers))
    expected = in_order(step, documents(vectors))["id"]
    assert in_order(step, documents(vectors, embedding_text=own))["id"].equals(expected)


@pytest.mark.parametrize(
    ("vectors", "told"),
    [
        ([[1, 0], [0, 1], [1]], "row 'd002' has a vector of 1 numbers .* most have 2"),
        ([[1], [1, 0], [0, 1]], "row 'd000' has a vector of 1 numbers .* most have 2"),
        ([[1, 0], [], [0, 1]], "row 'd001' has a vector of 0 numbers .* most have 2"),
        ([[], [], []], "row 'd000' and 2 more have no usable vector"),
        ([[1, 0], [0, None], [1, 1]], "row 'd001' has no usable vector"),
    ],
)
def test_vectors_of_several_sizes_are_one_sentence(vectors: list[Any], told: str) -> None:
    own = pa.array(vectors, pa.list_(pa.float32()))
    with pytest.raises(EngineError, match=told):
        in_order(PATH, documents(np.ones((3, 2)), embedding_text=own))


def test_a_negative_number_of_tokens_is_named() -> None:
    table = documents([[1, 0], [0, 1]], size=[5, -3])
    with pytest.raises(RecipeError, match="row 'd001' has -3 in `tokens: size`"):
        in_order(asked(**WINDOW), table)


@pytest.mark.parametrize("size", [2.5, 2.0**31, 2**60])
def test_a_number_of_tokens_that_is_none_is_named(size: float) -> None:
    table = documents([[1, 0], [0, 1]], size=pa.array([type(size)(5), size]))
    with pytest.raises(RecipeError, match=rf"row 'd001' has {size} in `tokens: size`"):
        in_order(asked(**WINDOW), table)


@pytest.mark.parametrize("objective", ["window", "path"])
@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("shard_documents", [200_000, 5])
@pytest.mark.parametrize("empty", [[4], [0, 1, 2], list(range(20))])
def test_rows_without_tokens_drop_whatever_their_vectors(
    objective: str, shard_documents: int, empty: list[int], *, distinct: bool
) -> None:
    drawn = np.random.default_rng(0).normal(size=(20, 3))
    vectors: list[Any] = (drawn if distinct else np.ones((20, 3))).tolist()
    size = [7] * 20
    for at, kind in zip(empty, itertools.cycle([None, [0.0] * 3, [float("nan")] * 3])):
        vectors[at], size[at] = kind, 0
    table = documents(
        np.ones((20, 3)), size=size, embedding_text=pa.array(vectors, pa.list_(pa.float32()))
    )
    step = asked(**WINDOW | {"objective": objective}, shard_documents=shard_documents)
    out = in_order(step, table)
    dropped = {row["id"]: row["drop_reason"] for row in out.to_pylist() if row["drop_reason"]}
    assert dropped == {f"d{at:03}": "no_tokens" for at in empty}


@pytest.mark.parametrize("wrong", [None, [0.0], [float("inf")]])
def test_all_rows_without_a_usable_vector_are_counted(wrong: list[float] | None) -> None:
    own = pa.array([[1.0], None, wrong, [2.0], [float("nan")]], pa.list_(pa.float32()))
    with pytest.raises(EngineError, match="row 'd001' and 2 more have no usable vector"):
        in_order(PATH, documents(np.ones((5, 1)), embedding_text=own))


@pytest.mark.parametrize("kind", [pa.null(), pa.list_(pa.float32())])
def test_a_column_without_any_vector_is_one_sentence(kind: pa.DataType) -> None:
    table = documents(np.ones((3, 1)), embedding_text=pa.nulls(3, kind))
    with pytest.raises(EngineError, match="row 'd000' and 2 more have no usable vector"):
        in_order(PATH, table)


def test_whole_numbers_may_be_floats_as_pandas_makes_them_beside_nulls() -> None:
    vectors = [[1, 0], [0, 1], [1, 1]]
    outs = [
        in_order(asked(**WINDOW), documents(vectors, size=pa.array([5, None, 7], kind)))
        for kind in (pa.int64(), pa.float64())
    ]
    assert outs[0].drop(["size"]).equals(outs[1].drop(["size"]))
    assert outs[0]["drop_reason"].to_pylist().count("no_tokens") == 1


@pytest.mark.parametrize(
    ("first", "who"), [([2, 2, 3, 3], "others have"), ([3, 2, 2], "most have")]
)
def test_a_vector_of_another_size_is_told_beside_what_others_have(
    first: list[int], who: str
) -> None:
    own = pa.array([[1.0] * size for size in first], pa.list_(pa.float32()))
    with pytest.raises(EngineError, match=f"where {who} 2; "):
        in_order(PATH, documents(np.ones((len(first), 2)), embedding_text=own))


def test_a_source_that_lists_things_is_refused() -> None:
    table = documents([[1, 0], [0, 1]], tags=[["a"], ["b"]])
    with pytest.raises(RecipeError, match="source: tags holds lists or records"):
        in_order(asked(**WINDOW, source="tags"), table)


def test_figures_of_one_document_are_left_out() -> None:
    told = facts_of(in_order(asked(**WINDOW), documents([[1, 0]])))
    assert "nan" not in str(told)
    assert not {"jumps", "cosine to the document before"} & set(told)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"objective": "path", "overflow": "drop"}, "`overflow` is about windows"),
        (WINDOW | {"objective": "knn", "overflow": "own_window"}, "none is a document's own"),
    ],
)
def test_an_overflow_that_would_do_nothing_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        OrderDocuments.model_validate(given)


def test_two_documents_with_one_id_are_named() -> None:
    with pytest.raises(SourceError, match="two rows have the id 'd000'"):
        in_order(PATH, documents([[1, 0], [0, 1]], id=["d000", "d000"]))


def test_near_copies_drop_and_name_what_they_repeat() -> None:
    table = documents([[1, 0], [1, 0.01], [0, 1], [0.01, 1], [1, 1]])
    out = in_order(OrderDocuments(objective="path", dedup_cosine=0.99), table)
    told = {row["id"]: row for row in out.to_pylist()}
    assert {one: row["duplicate_of"] for one, row in told.items()} == {
        "d000": None,
        "d001": "d000",
        "d002": None,
        "d003": "d002",
        "d004": None,
    }
    assert told["d001"]["duplicate_cosine"] == pytest.approx(1 / np.sqrt(1.0001), abs=1e-6)
    assert told["d001"]["drop_reason"] == "semantic_copy"
    assert told["d001"]["position"] is None
    assert out["position"].to_pylist() == [0, 1, 2, None, None]


def test_the_longest_of_near_copies_stays_where_that_is_asked_for() -> None:
    table = documents([[1, 0], [1, 0.01]], text=["short", "longer"])
    out = in_order(OrderDocuments(objective="path", dedup_cosine=0.99, keep="longest"), table)
    assert out["duplicate_of"].to_pylist() == [None, "d001"]
    out = in_order(OrderDocuments(objective="path", dedup_cosine=0.99, keep="max:size"), table)
    assert out["duplicate_of"].to_pylist() == [None, "d001"]


def test_all_copies_of_one_document_leave_one() -> None:
    out = in_order(OrderDocuments(objective="path", neighbors=3), documents([[1, 1]] * 50))
    assert out["drop_reason"].null_count == 1
    assert set(out["duplicate_of"].to_pylist()) == {None, "d000"}


@settings(max_examples=20)
@given(
    count=st.integers(1, 40),
    seed=st.integers(0, 20),
    size=st.integers(2, 200),
    overflow=st.sampled_from(["split", "truncate", "own_window", "drop"]),
)
def test_planned_windows_hold_every_token_once_and_no_window_is_too_long(
    count: int, seed: int, size: int, overflow: str
) -> None:
    step = asked(objective="window", window_tokens=size, tokens="size", overflow=overflow)
    out = in_order(step, drawn(count, seed))
    loads: dict[int, int] = {}
    standing: dict[int, list[int]] = {}
    for row in out.to_pylist():
        parts = row["windows"] or []
        held = sorted((part["start"], part["end"]) for part in parts)
        kept = min(row["size"], size) if overflow == "truncate" else row["size"]
        if row["drop_reason"] is not None:
            assert (row["drop_reason"], row["windows"]) == ("too_long", None)
            assert overflow == "drop"
            assert row["size"] > size
            continue
        assert [start for start, _ in held] == [0, *(end for _, end in held[:-1])]
        assert held[-1][1] == kept
        for part in parts:
            number = part["number"]
            loads[number] = loads.get(number, -1) + part["end"] - part["start"] + 1
            standing.setdefault(number, []).append(part["place"])
    assert max(loads.values(), default=0) <= size
    assert sorted(loads) == list(range(len(loads)))
    assert all(sorted(places) == list(range(len(places))) for places in standing.values())


def test_documents_stand_in_the_order_of_their_windows() -> None:
    out = in_order(asked(**WINDOW), drawn(80))
    first = [min(part["number"] for part in row["windows"]) for row in out.to_pylist()]
    assert first == sorted(first)


def test_an_order_without_windows_forgets_those_of_an_earlier_one() -> None:
    planned = in_order(asked(**WINDOW), drawn(30))
    again = in_order(asked(), planned)
    assert again.column_names == planned.column_names
    assert again["windows"].null_count == 30


def test_a_document_without_tokens_has_no_window() -> None:
    table = documents([[1, 0], [0, 1], [1, 1]], size=pa.array([5, None, 0], pa.int64()))
    out = in_order(asked(**WINDOW), table)
    assert out["drop_reason"].to_pylist() == [None, "no_tokens", "no_tokens"]
    assert out["windows"].to_pylist()[1:] == [None, None]


def test_tokens_are_counted_by_a_tokenizer_where_one_is_named() -> None:
    step = OrderDocuments(
        objective="window", window_tokens=64, tokenizer="bundled/smollm2-135m-instruct"
    )
    table = documents([[1, 0], [0, 1]], text=["one two three", " "])
    out = in_order(step, table)
    assert out["windows"].to_pylist() == [
        [{"number": 0, "place": 0, "start": 0, "end": 3, "of": 3}],
        None,
    ]
    assert out["drop_reason"].to_pylist() == [None, "no_text"]


def test_a_column_of_tokens_that_holds_no_numbers_is_refused() -> None:
    with pytest.raises(RecipeError, match="tokens: text must hold whole numbers, not string"):
        in_order(asked(**WINDOW | {"tokens": "text"}), drawn(3))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "`objective: window` takes `window_tokens`; .* `objective: path`"),
        ({"window_tokens": 9}, "takes either `tokenizer` or `tokens`"),
        ({"window_tokens": 9, "tokens": "n", "tokenizer": "x"}, "takes either"),
        ({"objective": "path", "tokens": "n"}, "which is missing"),
        ({"objective": "random", "method": "paper"}, "`method` is for `objective: path` only"),
        ({"objective": "path", "passes": 3}, "`passes` is for `objective: window` only"),
        ({"objective": "random", "word_weight": 0.3}, "is for `objective: path or window` only"),
        (
            {"objective": "path", "method": "paper", "word_weight": 0.3},
            "`method: paper` takes no `word_weight`",
        ),
        ({"word_weight": 1}, "less than 1"),
        ({"objective": "best"}, "Input should be 'path', 'window'"),
        ({"dedup_cosine": 1.5}, "less than or equal to 1"),
        ({"neighbors": 0}, "greater than 0"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OrderDocuments.model_validate(settings)


def test_windows_compare_words_unless_told_otherwise() -> None:
    told = {}
    for weight in (None, 0.4, 0):
        step = asked(**WINDOW, word_weight=weight)
        words = [f"about {'stars' if number % 3 else 'rivers'} {number}" for number in range(60)]
        out = in_order(step, drawn(60).set_column(1, "text", pa.array(words)))
        told[weight] = out["id"].to_pylist()
    assert told[None] == told[0.4] != told[0]
    assert "text" not in {field.name for field in asked(**WINDOW, word_weight=0).needs()}


def test_what_an_order_is_worth_is_told() -> None:
    step = asked(**WINDOW, source="topic")
    told = facts_of(in_order(step, drawn(120)))
    assert told["search"] == "exact, recall 1.000"
    assert set(told) == {
        "search",
        "cosine to the document before",
        "jumps",
        "windows",
        "documents in a window",
        "cosine within windows",
        "cosine to the nearest before it in a window",
        "windows of one topic",
        "likeness to the document before, words included",
        "likeness within windows, words included",
    }
    near, within = (
        float(told[key].split(",")[0])
        for key in ("cosine to the nearest before it in a window", "cosine within windows")
    )
    assert near > within
    after, before = told["cosine within windows"].split("; by id ")
    assert float(after.split(",")[0]) > float(before.split(",")[0]) + 0.2
    gains = {}
    for key, sign in (("windows of one topic", 1), ("jumps", -1)):
        shares = [float(one.split("(")[1][:-2]) for one in told[key].split("; by id ")]
        gains[key] = sign * (shares[0] - shares[1])
    assert min(gains.values()) > 0


def test_an_order_by_window_plans_more_similar_windows_than_a_path_makes() -> None:
    table = drawn(300)
    path, window = (
        facts_of(in_order(asked(**WINDOW | {"objective": one}), table))
        for one in ("path", "window")
    )
    key = "cosine within windows"
    assert float(window[key].split(",")[0]) > float(path[key].split(",")[0])


def test_documents_that_share_rare_words_stand_together() -> None:
    kinds = [("herons", "lighthouses")[at % 2] for at in range(12)]
    table = documents(
        [[1, 0.01 * at] for at in range(12)],
        text=[f"all of them tell of {kind}" for kind in kinds],
        size=pa.array([10] * 12, pa.int64()),
    )

    def changes(objective: str, weight: float) -> int:
        more = WINDOW | {"objective": objective, "window_tokens": 65}
        out = in_order(asked(**more, word_weight=weight), table)
        found = [kinds[int(name[1:])] for name in out["id"].to_pylist()]
        return sum(one != other for one, other in itertools.pairwise(found))

    for objective in ("path", "window"):
        assert changes(objective, 0.4) == 1
        assert changes(objective, 0) > 1


# Shards, here and on Ray.


@pytest.mark.parametrize("objective", ["path", "window"])
def test_an_order_in_shards_holds_every_document_once(objective: str) -> None:
    more = WINDOW | {"objective": objective}
    table = drawn(400)
    whole = in_order(asked(**more), table)
    out = in_order(asked(**more, shard_documents=90), table)
    assert sorted(out["id"].to_pylist()) == table["id"].to_pylist()
    assert out["position"].to_pylist() == list(range(400))
    told, told_whole = facts_of(out), facts_of(whole)
    assert int(told["shards"]) >= 4
    assert "by id" not in told["cosine within windows"]
    for key in ("cosine to the document before", "cosine within windows"):
        assert float(told[key][:5]) > 0.9 * float(told_whole[key][:5])
    unit = rows.vectors(out, "embedding_text").astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    adjacent = (unit[1:] * unit[:-1]).sum(axis=1).mean()
    assert float(told["cosine to the document before"][:5]) == pytest.approx(adjacent, abs=6e-4)
    jumps, of = (int(one) for one in told["jumps"].split(" (")[0].split(" of "))
    assert of == 399
    assert jumps >= int(told["shards"]) - 1
    if objective == "window":
        lists = out["windows"].combine_chunks()
        numbers = sorted({part["number"] for own in lists.to_pylist() for part in own})
        assert numbers == list(range(len(numbers)))
        assert lists.type == WINDOWS.type


def test_copies_drop_in_shards_too() -> None:
    table = drawn(200)
    twice = pa.concat_tables([table, table.set_column(0, "id", [[f"x{at}" for at in range(200)]])])
    step = OrderDocuments(objective="path", dedup_cosine=0.999, shard_documents=100, neighbors=5)
    out = in_order(step, twice)
    dropped = out.filter(pa.compute.is_valid(out["drop_reason"]))
    assert dropped.num_rows == 200
    assert out["position"].drop_null().to_pylist() == list(range(200))
    assert {row["id"][1:].lstrip("0") for row in dropped.to_pylist()} == {
        row["duplicate_of"][1:].lstrip("0") for row in dropped.to_pylist()
    }


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize("more", [{"objective": "path"}, WINDOW], ids=["path", "window"])
def test_rows_on_ray_are_ordered_as_here(more: dict[str, Any]) -> None:
    step, table = asked(**more, shard_documents=70), drawn(200)
    blocks = [table.slice(at, 37) for at in range(0, 200, 37)][::-1]
    found = pa.concat_tables(ray.get(step.apply(ray.data.from_arrow(blocks), {}).to_arrow_refs()))
    expected = in_order(step, table)
    assert found.equals(expected)
    assert facts_of(found) == facts_of(expected)


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_documents_that_are_all_of_one_shard_are_ordered_on_ray() -> None:
    step, table = asked(shard_documents=20), documents([[1, 1]] * 50)
    blocks = [table.slice(0, 30), table.slice(30)]
    found = pa.concat_tables(ray.get(step.apply(ray.data.from_arrow(blocks), {}).to_arrow_refs()))
    assert found.equals(in_order(step, table))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_session")
def test_a_broken_vector_on_ray_is_named() -> None:
    vectors = np.ones((50, 2))
    vectors[7] = 0
    step = asked(shard_documents=20)
    with pytest.raises(Exception, match="row 'd007' has no usable vector"):
        step.apply(ray.data.from_arrow([documents(vectors)]), {}).take_all()


def test_paths_are_turned_so_that_their_ends_meet() -> None:
    line = np.eye(4, dtype=np.float32)
    ends = [line[[1, 0]], line[[1, 2]], line[[3, 2]]]
    assert turns(ends) == [True, False, True]
    assert turns([]) == []
    assert turns(ends[:1]) == [False]


def test_blocks_of_vectors_of_several_sizes_are_one_sentence() -> None:
    step = asked(shard_documents=10)
    narrow, wide = (documents(np.ones((12, size))) for size in (2, 3))
    with pytest.raises(EngineError, match="vectors of 2 numbers in `embedding_text`, others of 3"):
        ordered_in_shards(step, [narrow, wide, documents([])], 24, Here())
