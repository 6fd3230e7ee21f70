"""What publishing changes on the Hub: decided from what is here and what is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from synth.publish.contents import CARD, LEDGER, PROMPTS, RECIPE
from synth.publish.pieces import Piece
from synth.report import REPORT

_WHOLE = (CARD, RECIPE, LEDGER, REPORT)
_FOLDERS = ("data/", f"{PROMPTS}/")
_IN_FOLDERS = ("/dataset_metadata.json",)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on the Hub.

    Attributes:
        size: Its bytes.
        sha256: Hash of its content, for a large file.
        git_sha1: Hash of its content as git takes it, for any other.
    """

    size: int
    sha256: str | None
    git_sha1: str

    def is_same(self, piece: Piece) -> bool:
        """Whether it has the very bytes of a file here."""
        if self.size != piece.size:
            return False
        if self.sha256 is not None:
            return self.sha256 == piece.sha256
        return self.git_sha1 == piece.git_sha1


RemoteFiles = Mapping[str, RemoteFile]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one commit does.

    Attributes:
        send: Files that are not there, or there with other bytes.
        delete: Paths that go.
    """

    send: tuple[Piece, ...]
    delete: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.send and not self.delete


def delivery(pieces: Sequence[Piece], there: RemoteFiles, published: Collection[str]) -> Delivery:
    """What makes a repository hold this version.

    Args:
        pieces: The files of the version.
        there: All files of the repository.
        published: Files that synth published before; no other is ever deleted.
    """
    here = {piece.path for piece in pieces}
    gone = [path for path in there if path not in here and path in published and is_managed(path)]
    return Delivery(tuple(_changed(pieces, there)), tuple(sorted(gone)))


def is_managed(path: str) -> bool:
    """Whether a file with this path may be one that synth publishes."""
    return path in _WHOLE or path.startswith(_FOLDERS) or path.endswith(_IN_FOLDERS)


def overwritten(pieces: Sequence[Piece], there: RemoteFiles) -> list[str]:
    """Files of others that a first publication would write over; a card is made to be replaced."""
    changed = _changed(pieces, there)
    return [piece.path for piece in changed if piece.path in there and piece.path != CARD]


def differences(pieces: Sequence[Piece], there: RemoteFiles) -> list[str]:
    """How a version differs from that published under its tag, one phrase for each file.

    Card and report are pages about it, which another version of synth words otherwise.
    """
    told = []
    for piece in _changed(pieces, there):
        if piece.path in (CARD, REPORT):
            continue
        old = there.get(piece.path)
        if old is None:
            told.append(f"{piece.path} is new")
        elif old.size != piece.size:
            told.append(f"{piece.path} had {old.size:,} bytes and has {piece.size:,}")
        else:
            told.append(f"{piece.path} has other bytes")
    return told


def _changed(pieces: Sequence[Piece], there: RemoteFiles) -> list[Piece]:
    return [
        piece for piece in pieces if piece.path not in there or not there[piece.path].is_same(piece)
    ]
