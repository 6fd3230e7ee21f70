from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synth.core.chat import Completion
from synth.core.errors import StorageError
from synth.core.ids import fingerprint
from synth.inputs.files import Folder
from synth.replies import ReplyIndex, ReplyWriter

TEXTS = (
    "plain",
    "",
    "two\nlines\r\n and \u2028 a separator",
    '"quoted" \\ and {"k":"0"}',
    "emoji 🐪👩‍🚀 and 漢字 and \x00 NUL",
    " \t white space ",
    "x" * 100_000,
)
REPLIES = st.builds(
    Completion,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["stop", "length", "tool_calls"]),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
)
KEYS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")


def key(name: object) -> str:
    return fingerprint(str(name))


def local(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "replies" / "step"))


def remote() -> Folder:
    return Folder(f"memory://{uuid.uuid4().hex}/replies")


def kept(folder: Folder, replies: dict[str, Completion]) -> None:
    writer = ReplyWriter(folder)
    for name, reply in replies.items():
        writer.put(name, reply)
    writer.sync()


@pytest.mark.parametrize("where", ["local", "remote"])
def test_every_text_comes_back_as_it_was(where: str, tmp_path: Path) -> None:
    folder = local(tmp_path) if where == "local" else remote()
    replies = {key(text): Completion(text, "length", 412, 31) for text in TEXTS}
    kept(folder, replies)
    index = ReplyIndex(folder)
    assert len(index) == len(TEXTS)
    for name, reply in replies.items():
        assert index.get(name) == reply
    assert index.get(key("never asked")) is None


def test_a_lone_surrogate_costs_a_character_and_not_the_reply(tmp_path: Path) -> None:
    kept(local(tmp_path), {key(1): Completion("a\ud800b"), key(2): Completion("next")})
    index = ReplyIndex(local(tmp_path))
    assert index.get(key(1)) == Completion("a?b")
    assert index.get(key(2)) == Completion("next")


def test_a_store_that_is_not_there_has_no_reply(tmp_path: Path) -> None:
    for folder in (local(tmp_path), remote()):
        index = ReplyIndex(folder)
        assert len(index) == 0
        assert index.get(key(1)) is None


def test_a_writer_that_was_given_nothing_leaves_nothing(tmp_path: Path) -> None:
    for folder in (local(tmp_path), remote()):
        ReplyWriter(folder).sync()
        assert folder.names() == []


def test_a_reply_is_on_disk_when_put_returns(tmp_path: Path) -> None:
    folder = local(tmp_path)
    told = (
        "import os, sys\n"
        "from synth.core.chat import Completion\n"
        "from synth.inputs.files import Folder\n"
        "from synth.replies import ReplyWriter\n"
        "ReplyWriter(Folder(sys.argv[1])).put(sys.argv[2], Completion('paid for'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", told, folder.url, key(1)], check=False, timeout=60)
    assert done.returncode == -9
    assert ReplyIndex(folder).get(key(1)) == Completion("paid for")


@pytest.mark.parametrize("cut", [1, 5, 40, 60])
def test_a_torn_last_line_loses_that_reply_alone(cut: int, tmp_path: Path) -> None:
    folder = local(tmp_path)
    kept(folder, {key(number): Completion(f"reply {number}") for number in range(3)})
    (name,) = folder.names()
    path = Path(folder.path(name))
    path.write_bytes(path.read_bytes()[:-cut])
    index = ReplyIndex(folder)
    assert index.get(key(0)) == Completion("reply 0")
    assert index.get(key(1)) == Completion("reply 1")
    assert index.get(key(2)) is None


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\n\n\n",
        b"not json\n",
        b"\x00" * 4096 + b"\n",
        b'{"k":"' + b"?" * 32 + b'"}\n',
        b'{"k":"' + key(1).encode() + b'","t":"half\n',
        b'{"k":"' + key(1).encode() + b'"}\n',
        b"[" + b"1," * 40 + b"1]\n",
        "ключ".encode() * 20 + b"\n",
    ],
)
def test_lines_that_are_no_replies_are_passed_over(garbage: bytes, tmp_path: Path) -> None:
    folder = local(tmp_path)
    kept(folder, {key(1): Completion("one"), key(2): Completion("two")})
    (name,) = folder.names()
    path = Path(folder.path(name))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(garbage + first + garbage + second + garbage)
    index = ReplyIndex(folder)
    assert index.get(key(1)) == Completion("one")
    assert index.get(key(2)) == Completion("two")
    assert index.get(key(3)) is None


def test_other_files_in_the_folder_and_empty_ones_do_no_harm(tmp_path: Path) -> None:
    folder = local(tmp_path)
    kept(folder, {key(1): Completion("one")})
    Path(folder.path("notes.txt")).write_text("mine")
    Path(folder.path("empty.jsonl")).touch()
    assert ReplyIndex(folder).get(key(1)) == Completion("one")


@pytest.mark.parametrize("where", ["local", "remote"])
def test_many_writers_at_once_lose_nothing(where: str, tmp_path: Path) -> None:
    folder = local(tmp_path) if where == "local" else remote()
    shared = ReplyWriter(folder)

    def work(writer: ReplyWriter, first: int) -> None:
        for number in range(first, first + 200):
            writer.put(key(number), Completion(f"reply {number}", "stop", number, 1))
        writer.sync()

    writers = [shared, shared, ReplyWriter(folder), ReplyWriter(folder)]
    threads = [
        threading.Thread(target=work, args=(writer, 200 * at)) for at, writer in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index = ReplyIndex(folder)
    assert len(index) == 800
    for number in range(800):
        assert index.get(key(number)) == Completion(f"reply {number}", "stop", number, 1)


def test_a_reply_asked_for_twice_is_one_of_the_two(tmp_path: Path) -> None:
    folder = local(tmp_path)
    kept(folder, {key(1): Completion("first")})
    kept(folder, {key(1): Completion("second")})
    index = ReplyIndex(folder)
    found = index.get(key(1))
    assert found in (Completion("first"), Completion("second"))
    assert ReplyIndex(folder).get(key(1)) == found


def test_an_index_shows_what_was_there_when_it_was_opened(tmp_path: Path) -> None:
    folder = local(tmp_path)
    writer = ReplyWriter(folder)
    writer.put(key(1), Completion("one"))
    index = ReplyIndex(folder)
    writer.put(key(2), Completion("two"))
    assert (index.get(key(1)), index.get(key(2))) == (Completion("one"), None)
    assert ReplyIndex(folder).get(key(2)) == Completion("two")


def test_a_full_disk_is_one_sentence_and_what_was_there_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = local(tmp_path)
    writer = ReplyWriter(folder)
    writer.put(key(1), Completion("one"))
    write = os.write
    monkeypatch.setattr("synth.replies.os.write", lambda fd, data: write(fd, data[:10]))
    with pytest.raises(StorageError, match="no space left on the filesystem of"):
        writer.put(key(2), Completion("two"))
    monkeypatch.undo()
    writer.put(key(3), Completion("three"))
    writer.put(key(4), Completion("four"))
    index = ReplyIndex(folder)
    assert index.get(key(1)) == Completion("one")
    assert index.get(key(2)) is None
    assert index.get(key(4)) == Completion("four")


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "replies").write_text("a file in the way")
    with pytest.raises(StorageError, match=r"cannot write to .*choose another --out"):
        ReplyWriter(local(tmp_path)).put(key(1), Completion("one"))


def test_keys_that_share_a_half_are_told_apart(tmp_path: Path) -> None:
    one, other = "0" * 16 + "1" * 16, "0" * 16 + "2" * 16
    swapped, highest = "1" * 16 + "0" * 16, "f" * 32
    replies = {name: Completion(name) for name in (one, other, swapped, highest)}
    kept(local(tmp_path), replies)
    index = ReplyIndex(local(tmp_path))
    assert {name: index.get(name) for name in replies} == replies
    assert index.get("0" * 32) is None
    assert index.get("0" * 16 + "f" * 16) is None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(st.dictionaries(KEYS, REPLIES, max_size=6), max_size=4),
    absent=st.lists(KEYS, max_size=3),
    far=st.booleans(),
)
def test_the_store_is_a_dict_that_remembers_the_first(
    rounds: list[dict[str, Completion]], absent: list[str], far: bool, tmp_path: Path
) -> None:
    folder = remote() if far else Folder(str(tmp_path / uuid.uuid4().hex))
    model: dict[str, Completion] = {}
    for replies in rounds:
        new = {name: reply for name, reply in replies.items() if name not in model}
        kept(folder, new)
        model |= new
    index = ReplyIndex(folder)
    assert len(index) == len(model)
    for name in [*model, *absent]:
        assert index.get(name) == model.get(name)


def test_a_line_is_what_the_docstring_says(tmp_path: Path) -> None:
    folder = local(tmp_path)
    kept(folder, {key(1): Completion("hé", "stop", 4, 2)})
    (name,) = folder.names()
    line = Path(folder.path(name)).read_bytes()
    assert orjson.loads(line) == {"k": key(1), "t": "hé", "f": "stop", "p": 4, "o": 2}
    assert line.endswith(b"\n")
