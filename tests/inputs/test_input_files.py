import bz2
import errno
import gzip
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.core.errors import StorageError
from synth.inputs.files import Folder, find_files, no_space, open_binary, storage_errors


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    url = str(tmp_path / "run") if request.param == "local" else f"memory://{uuid4().hex}/run"
    return Folder(url)


def test_what_is_written_is_read_and_listed_and_a_second_write_replaces_it(folder: Folder) -> None:
    assert not folder.exists()
    assert folder.names() == []
    folder.write("b.json", b"one")
    folder.write("b.json", b"two")
    folder.sub("steps", "00-docs").write("part.parquet", b"")
    folder.write("a.parquet", b"")
    assert folder.read("b.json") == b"two"
    assert folder.names() == ["a.parquet", "b.json", "steps"]
    assert folder.parquet_paths() == [folder.path("a.parquet")]
    assert folder.exists("b.json")
    assert not folder.exists("c.json")


def test_a_file_or_a_whole_folder_is_removed_and_nothing_where_none_is(folder: Folder) -> None:
    folder.write("a.json", b"")
    folder.sub("inner").write("b.json", b"")
    folder.remove("a.json")
    folder.remove("a.json")
    assert folder.names() == ["inner"]
    folder.remove()
    folder.remove()
    assert not folder.exists()
    assert folder.names() == []


def test_a_folder_can_be_made_twice(folder: Folder) -> None:
    folder.make()
    folder.make()
    assert folder.names() == []


def test_reading_a_file_that_is_not_there_names_file_and_folder(folder: Folder) -> None:
    with pytest.raises(StorageError, match=f"no plan.json in {folder.url}"):
        folder.read("plan.json")


def test_only_a_mounted_filesystem_is_local(tmp_path: Path) -> None:
    assert Folder(str(tmp_path)).is_local
    assert Folder(f"file://{tmp_path}").is_local
    assert not Folder("memory://x").is_local


def test_a_write_that_fails_leaves_what_was_there_and_nothing_half_written(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    folder.sub("taken").write("a.json", b"old")
    with pytest.raises(StorageError, match=f"cannot write to {tmp_path}: .*; choose another --out"):
        folder.write("taken", b"new")
    assert folder.names() == ["taken"]
    assert folder.sub("taken").read("a.json") == b"old"


def test_a_folder_under_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="choose another --out"):
        Folder(str(tmp_path / "file" / "run")).make()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_full(number: int) -> None:
    with (
        pytest.raises(StorageError, match=re.escape(str(no_space("/out")))),
        storage_errors("/out"),
    ):
        raise OSError(number, "full")


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".jsonl.gz": gzip.compress,
    ".jsonl.bz2": bz2.compress,
    ".jsonl.xz": lzma.compress,
    ".jsonl.zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


@pytest.mark.parametrize("ending", PACKERS)
@given(parts=st.lists(st.binary(), min_size=1, max_size=3))
def test_a_packed_file_reads_as_its_content_whatever_pieces_it_was_packed_in(
    tmp_path_factory: pytest.TempPathFactory, ending: str, parts: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("packed") / f"a{ending}"
    path.write_bytes(b"".join(PACKERS[ending](part) for part in parts))
    fs, (found,) = find_files(str(path), (ending,))
    with open_binary(fs, found) as opened:
        assert opened.read() == b"".join(parts)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.txt", ["a.txt"]),
        (".", ["a.txt", "inner/c.txt"]),
        ("*.txt", ["a.txt"]),
        ("**/*.txt", ["a.txt", "inner/c.txt"]),
        ("inner", ["inner/c.txt"]),
        ("inne?", []),
        ("odd[1].md", ["odd[1].md"]),
        ("none.txt", []),
    ],
)
def test_a_path_a_folder_or_a_glob_finds_its_files_in_order(
    tmp_path: Path, path: str, found: list[str]
) -> None:
    for name in ("inner/c.txt", "a.txt", "b.csv", "odd[1].md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    _, files = find_files(str(tmp_path / path), (".txt",))
    assert [str(Path(file).relative_to(tmp_path)) for file in files] == found
