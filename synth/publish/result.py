"""What publishing came to, or would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """What was sent, or would be by a run without `dry_run`.

    Attributes:
        repo: The dataset on the Hub, ``org/name``.
        url: Its page.
        tag: The tag of this version.
        revision: The branch that the commit is on.
        private: Whether only those who may read it see it; what it will be where it is not there.
        sizes: Bytes of each file of the version, by its path.
        sent: Paths of the files that the Hub did not have.
        deleted: Paths of files of an earlier version that this one does not have.
        commit: The commit of this version; None for a dry run, and where the Hub had it already.
        unchanged: Whether the Hub has this very version already, tag and all.
        dry_run: Whether nothing was done.
        notes: What the user should know, in sentences.
    """

    repo: str
    url: str
    tag: str
    revision: str
    private: bool
    sizes: Mapping[str, int]
    sent: tuple[str, ...]
    deleted: tuple[str, ...] = ()
    commit: str | None = None
    unchanged: bool = False
    dry_run: bool = False
    notes: tuple[str, ...] = ()

    @property
    def sent_bytes(self) -> int:
        """Bytes of the files in `sent`."""
        return sum(self.sizes[path] for path in self.sent)
