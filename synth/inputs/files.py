"""Folders on any filesystem that fsspec reaches: read, list, and write so that nothing is torn."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
from fsspec.core import url_to_fs

from synth.core.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def no_space(where: str) -> StorageError:
    """The sentence for a filesystem that is full."""
    return StorageError(
        f"no space left on the filesystem of {where}; what is finished stays: make room and run "
        "the same command again"
    )


@contextlib.contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Turns what a filesystem raises into a `StorageError` that names the place."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise no_space(where) from error
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write to {where}: {reason}; choose another --out") from error


@dataclass(frozen=True)
class Folder:
    """One folder, local or remote.

    Attributes:
        url: Its path or URL as the user gave it.
    """

    url: str

    @cached_property
    def _at(self) -> tuple[Any, str]:
        try:
            fs, root = url_to_fs(self.url)
        except (ValueError, ImportError) as error:
            raise StorageError(f"cannot reach {self.url}: {error}") from error
        return fs, str(root).rstrip("/")

    @property
    def fs(self) -> Any:  # noqa: ANN401  (fsspec ships no types)
        """The fsspec filesystem."""
        return self._at[0]

    @property
    def root(self) -> str:
        """The path inside the filesystem."""
        return self._at[1]

    @property
    def is_local(self) -> bool:
        """Whether it lies on a filesystem that the operating system mounts."""
        return "file" in (
            self.fs.protocol if isinstance(self.fs.protocol, tuple) else [self.fs.protocol]
        )

    def sub(self, *names: str) -> Folder:
        """A folder inside this one."""
        return Folder("/".join([self.url.rstrip("/"), *names]))

    def path(self, name: str) -> str:
        """The path of a file inside, for whoever opens it with the same filesystem."""
        return f"{self.root}/{name}"

    def exists(self, name: str = "") -> bool:
        """Whether the file (or, without a name, the folder) is there."""
        return bool(self.fs.exists(self.path(name) if name else self.root))

    def make(self) -> None:
        """Creates the folder and its parents."""
        with storage_errors(self.url):
            self.fs.makedirs(self.root, exist_ok=True)

    def names(self) -> list[str]:
        """Names of the files and folders inside, sorted; empty where there is no folder."""
        if not self.exists():
            return []
        self.fs.invalidate_cache(self.root)
        return sorted(
            str(path).rstrip("/").rsplit("/", 1)[-1] for path in self.fs.ls(self.root, detail=False)
        )

    def parquet_paths(self) -> list[str]:
        """Paths of the Parquet files inside, sorted."""
        return [self.path(name) for name in self.names() if name.endswith(".parquet")]

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            StorageError: If it is not there.
        """
        try:
            return bytes(self.fs.cat_file(self.path(name)))
        except FileNotFoundError as error:
            raise StorageError(f"there is no {name} in {self.url}") from error

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole file or nothing: after a crash it is the old one or the new one."""
        with storage_errors(self.url):
            self.fs.makedirs(self.root, exist_ok=True)
            if self.is_local:
                _write_local(Path(self.path(name)), data)
            else:
                self.fs.pipe_file(self.path(name), data)

    def remove(self, name: str = "") -> None:
        """Removes a file or a folder with all that is in it; nothing happens where none is."""
        path = self.path(name) if name else self.root
        if self.fs.exists(path):
            self.fs.rm(path, recursive=True)


def _write_local(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with partial.open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Makes a rename inside a local folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def find_files(path: str, endings: tuple[str, ...]) -> tuple[Any, list[str]]:
    """The filesystem and the sorted files that a path, a folder or a glob names.

    Args:
        path: Path or URL; in a folder every file with one of `endings` counts.
        endings: Such as ``(".jsonl", ".jsonl.gz")``.
    """
    fs, root = url_to_fs(path)
    if fs.isdir(root):
        return fs, sorted(str(p) for p in fs.find(root) if str(p).endswith(endings))
    if fs.exists(root):
        return fs, [root]
    if any(sign in root for sign in "*?["):
        found = [str(p) for p in fs.glob(root)]
        return fs, sorted(p for p in found if not fs.isdir(p))
    return fs, []


def open_binary(fs: Any, path: str) -> Any:  # noqa: ANN401  (fsspec ships no types)
    """A file opened for reading, unpacked by its ending (.gz, .bz2, .xz, .zst)."""
    if path.endswith(".zst"):
        # fsspec unpacks zstd only where another package is installed; pyarrow always does.
        return io.BufferedReader(pa.CompressedInputStream(fs.open(path, "rb"), "zstd"))
    return fs.open(path, "rb", compression=fsspec.utils.infer_compression(path))
