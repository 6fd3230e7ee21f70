from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core.errors import StorageError
from synth.inputs.files import Folder
from synth.manifest import MANIFEST, Part, StepRecord, Usage, changes, read_record, write_record

COUNT = st.integers(0, 1000)
USAGES = st.builds(Usage, requests=COUNT, reused=COUNT, prompt_tokens=COUNT, output_tokens=COUNT)


def record(**more: Any) -> StepRecord:
    facts: dict[str, Any] = {"name": "docs", "kind": "take", "fingerprint": "f", "ingredients": {}}
    return StepRecord(**facts | {"rows_in": 3, "rows_out": 2, "dropped": {"not_taken": 1}} | more)


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "01-docs"))
    assert read_record(folder) is None
    written = record(
        ingredients={"docs.rows": "2"},
        parts=(Part(file="part-1.parquet", rows=3, live=2),),
        usage=Usage(requests=1, output_tokens=5),
        seconds=0.25,
        finished_at="2026-11-25T00:00:00+00:00",
    )
    write_record(folder, written)
    assert read_record(folder) == written
    assert folder.names() == [MANIFEST]


@given(came=COUNT, made=COUNT, out=COUNT, replaced=COUNT, dropped=st.lists(COUNT, max_size=3))
def test_a_record_adds_up_or_is_not_written(
    came: int, made: int, out: int, replaced: int, dropped: list[int]
) -> None:
    one = record(
        rows_in=came,
        rows_made=made,
        rows_out=out,
        rows_replaced=replaced,
        dropped={f"reason_{at}": count for at, count in enumerate(dropped)},
    )
    assert one.adds_up == (came + made == out + replaced + sum(dropped))
    folder = Folder(f"memory://manifest/{came}-{made}-{out}-{replaced}-{dropped}")
    if one.adds_up:
        write_record(folder, one)
        assert read_record(folder) == one
    else:
        with pytest.raises(AssertionError, match="the ledger of docs does not add up"):
            write_record(folder, one)
        assert read_record(folder) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"name": "docs", "more": 1}'])
def test_a_damaged_manifest_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(data)
    with pytest.raises(StorageError, match="is damaged or of another version of synth; delete"):
        read_record(Folder(str(tmp_path)))


def test_a_crash_while_writing_leaves_the_old_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(str(tmp_path))
    write_record(folder, record())

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("synth.inputs.files.os.fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        write_record(folder, record(rows_in=1, rows_out=1, dropped={}))
    assert read_record(folder) == record()
    assert folder.names() == [MANIFEST]


def test_a_manifest_is_readable_json_of_the_fields(tmp_path: Path) -> None:
    write_record(Folder(str(tmp_path)), record())
    text = (tmp_path / MANIFEST).read_bytes()
    assert list(orjson.loads(text)) == list(StepRecord.model_fields)
    assert text.count(b"\n") > 10


@given(st.lists(USAGES, max_size=4))
def test_usage_adds_up_field_by_field(usages: list[Usage]) -> None:
    total = sum(usages, Usage())
    for name in ("requests", "reused", "prompt_tokens", "output_tokens"):
        assert getattr(total, name) == sum(getattr(usage, name) for usage in usages)


def test_changes_name_what_is_new_gone_and_different_in_order() -> None:
    before = {"b": "1", "a": "x", "same": "s", "rows of docs": "f1"}
    now = {"b": "2", "c": "y", "same": "s", "rows of docs": "f2"}
    assert changes(before, now) == ["a is gone (was x)", "b was 1, is 2", "c is new (y)"]
    assert changes(before, before) == []


def test_a_long_change_is_told_by_its_ends() -> None:
    (told,) = changes({"prompt": "a" * 200}, {"prompt": "b" * 80})
    assert told == f"prompt was {'a' * 40}…{'a' * 30}, is {'b' * 80}"
