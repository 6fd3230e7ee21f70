"""The files of a publication: where each is from, and the hashes that the Hub knows it by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from synth.core.errors import PublishError


@dataclass(frozen=True)
class Piece:
    """One file to send.

    Attributes:
        path: Its path in the repository.
        data: Its bytes; None for a file that is sent as it lies on the disk.
        file: Where it lies.
        size: Its bytes, counted.
        changed_ns: When the file was last changed.
    """

    path: str
    data: bytes | None
    file: Path | None
    size: int
    changed_ns: int = 0

    @staticmethod
    def of_bytes(path: str, data: bytes) -> Piece:
        """A file that is made here."""
        return Piece(path, data, None, len(data))

    @staticmethod
    def of_file(path: str, file: Path) -> Piece:
        """A file as it lies on the disk.

        Raises:
            PublishError: If it cannot be read.
        """
        try:
            told = file.stat()
        except OSError as error:
            raise PublishError(f"{file} cannot be read: {error.strerror}") from error
        return Piece(path, None, file, told.st_size, told.st_mtime_ns)

    @property
    def content(self) -> bytes | str:
        """Its bytes, or the path where they lie."""
        return self.data if self.data is not None else str(self.file)

    @property
    def is_as_it_was(self) -> bool:
        """Whether nobody has written to the file since."""
        if self.file is None:
            return True
        try:
            told = self.file.stat()
        except OSError:
            return False
        return (told.st_size, told.st_mtime_ns) == (self.size, self.changed_ns)

    @cached_property
    def sha256(self) -> str:
        """Hash by which the Hub knows a large file."""
        return self._hash("sha256", b"")

    @cached_property
    def git_sha1(self) -> str:
        """Hash by which git, and so the Hub, knows a small file."""
        return self._hash("sha1", b"blob %d\0" % self.size)

    def text(self) -> str | None:
        """It as text, None where it is none."""
        try:
            data = self.data if self.data is not None else Path(str(self.file)).read_bytes()
            return data.decode()
        except UnicodeDecodeError:
            return None

    def _hash(self, name: str, head: bytes) -> str:
        digest = hashlib.new(name, head, usedforsecurity=False)
        if self.file is None:
            digest.update(self.data or b"")
            return digest.hexdigest()
        with self.file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
