"""Publishes a run: checks it, compares it with the Hub, and sends what the Hub lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike

from synth.core.errors import PublishError
from synth.publish.contents import CARD, LEDGER, ToPublish, contents, read_run
from synth.publish.delivery import Delivery, RemoteFiles, delivery, differences, overwritten
from synth.publish.findings import findings
from synth.publish.hub import (
    MAIN,
    Remote,
    Repository,
    check_unchanged,
    checked_repo,
    page,
    token_or_none,
)
from synth.publish.hub_errors import UnreachableError
from synth.publish.pieces import Piece
from synth.publish.result import Published

# What git and the Hub take as the name of a tag.
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_SHOWN_DIFFERENCES = 5


@dataclass(frozen=True)
class _Order:
    """What is to be published where."""

    pieces: tuple[Piece, ...]
    repo: str
    private: bool | None
    revision: str
    tag: str


def publish(
    run: str | PathLike[str],
    repo: str,
    *,
    private: bool | None = None,
    revision: str = MAIN,
    tag: str | None = None,
    dry_run: bool = False,
) -> Published:
    """Publishes the dataset of a finished run on the Hugging Face Hub, as one commit and a tag.

    The same run published again changes nothing, and goes on where an earlier attempt ended.

    Args:
        run: The run's folder.
        repo: ``org/name``; a dataset that is not there is made.
        private: Whether a new dataset is private, which it is when left out. One that is there
            stays what it is: into a public one is published only with ``private=False``.
        revision: The branch that the commit goes on.
        tag: The tag of the version; ``v`` and the recipe's version when left out.
        dry_run: Only says what would be sent; where the Hub cannot be asked, without comparing.

    Raises:
        PublishError: If the run is not fit to be published, or the Hub does not take it.
        StorageError: If there is no run.
    """
    checked_repo(repo)
    asked = read_run(str(run))
    pieces = contents(asked, repo)
    if problems := findings(asked, pieces, token_or_none()):
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise PublishError(f"{asked.run.folder.url} cannot be published:\n{listed}")
    order = _Order(pieces, repo, private, revision, tag or asked.tag)
    if not _TAG.fullmatch(order.tag):
        raise PublishError(f"{order.tag!r} is no name of a tag; give letters, digits and . _ - +")
    repository = Repository(repo)
    try:
        repository.check_token()
        remote = repository.look()
    except UnreachableError as error:
        if not dry_run:
            raise
        return _not_compared(order, str(error))
    planned = _Planned.of(order, repository, remote)
    if planned.what is not None and not planned.what.is_empty:
        # Before a repository is made, and in a dry run too.
        card = next(piece for piece in pieces if piece.path == CARD)
        repository.check_card((card.data or b"").decode())
    return planned.described(dry_run=True) if dry_run else planned.done(asked)


def _not_compared(order: _Order, why: str) -> Published:
    note = f"Not compared with the Hub, so that all is counted as new: {why}."
    return _published(
        order, private=order.private is not False, send=order.pieces, notes=(note,), dry_run=True
    )


@dataclass(frozen=True)
class _Planned:
    """What is to be done, worked out against the Hub.

    Attributes:
        order: What is to be published where.
        repository: The repository.
        remote: What it is; None where it must be made.
        what: Files to send and to delete; None where the Hub has this version, tag and all.
        head: The commit on which the new one goes.
        notes: What the user should know.
    """

    order: _Order
    repository: Repository
    remote: Remote | None
    what: Delivery | None
    head: str
    notes: tuple[str, ...]

    @staticmethod
    def of(order: _Order, repository: Repository, remote: Remote | None) -> _Planned:
        """The plan.

        Raises:
            PublishError: If it would overwrite or expose what it must not.
        """
        if remote is None:
            if order.revision != MAIN:
                raise PublishError(
                    f"{order.repo} is not there yet, and a new dataset has the branch {MAIN!r} "
                    "alone; leave --revision out"
                )
            kinds = repository.namesakes()
            notes = tuple(
                f"A {kind} is called {order.repo} too; the dataset gets a page of its own."
                for kind in kinds
            )
            return _Planned(order, repository, None, Delivery(order.pieces, ()), "", notes)
        notes = _visibility(order, remote)
        if order.tag in remote.tags:
            _check_same(order, repository.files(remote.tags[order.tag]))
            return _Planned(order, repository, remote, None, "", notes)
        if order.revision not in remote.branches:
            known = ", ".join(sorted(remote.branches))
            raise PublishError(
                f"{order.repo} has no branch {order.revision!r}, there are {known}; make it with "
                f"`hf repos branch create {order.repo} {order.revision} --type dataset`"
            )
        head = remote.branches[order.revision]
        there = repository.files(head)
        published = repository.published(there, head)
        _check_own(order, there)
        what = delivery(order.pieces, there, published)
        return _Planned(order, repository, remote, what, head, notes)

    def described(self, *, dry_run: bool = False, commit: str | None = None) -> Published:
        """The plan as its user sees it."""
        what = self.what or Delivery((), ())
        new = self.order.private is not False
        return _published(
            self.order,
            private=new if self.remote is None else self.remote.private,
            send=what.send,
            deleted=what.delete,
            commit=commit,
            unchanged=self.what is None,
            notes=self.notes,
            dry_run=dry_run,
        )

    def done(self, asked: ToPublish) -> Published:
        """Does it."""
        if self.what is None:
            return self.described()
        check_unchanged(self.order.pieces)
        head, what, order = self.head, self.what, self.order
        if self.remote is None:
            self.repository.create(private=order.private is not False)
            made = self.repository.look()
            if made is None:
                raise PublishError(
                    f"{order.repo} was made and is not there yet; run the same command again"
                )
            head = made.branches[MAIN]
            what = delivery(order.pieces, self.repository.files(head), ())
        if not what.is_empty:
            message = f"{asked.recipe.name}, version {asked.recipe.version}"
            head = self.repository.commit(what, head, order.revision, message)
        self.repository.tag(order.tag, head)
        return replace(self, what=what).described(commit=head)


def _visibility(order: _Order, remote: Remote) -> tuple[str, ...]:
    """What is to be said about who will see it; publishing makes nothing private or public."""
    if not remote.private and order.private is not False:
        asked = "--private was given" if order.private else "publishing is private unless told"
        raise PublishError(
            f"{order.repo} is public, and {asked}: give --public to publish where all can see it, "
            f"or make it private first, in {page(order.repo)}/settings"
        )
    if remote.private and order.private is False:
        return (
            f"{order.repo} is private and stays so: make it public in "
            f"{page(order.repo)}/settings, once you have looked at it.",
        )
    return ()


def _check_same(order: _Order, there: RemoteFiles) -> None:
    told = differences(order.pieces, there)
    if told:
        more = len(told) - _SHOWN_DIFFERENCES
        shown = [*told[:_SHOWN_DIFFERENCES], *([f"and {more} more"] if more > 0 else [])]
        raise PublishError(
            f"{order.repo} has {order.tag} already, and this run is another: {'; '.join(shown)}. "
            "Raise `version` in the recipe and run it, or give another --tag"
        )


def _check_own(order: _Order, there: RemoteFiles) -> None:
    """Refuses to write over what synth did not put there."""
    if LEDGER in there:
        return
    others = overwritten(order.pieces, there)
    if others:
        raise PublishError(
            f"{order.repo} has files that synth did not put there and that would be overwritten: "
            f"{', '.join(others[:_SHOWN_DIFFERENCES])}; give another name, or remove them first"
        )


def _published(  # noqa: PLR0913  (each is a fact about it)
    order: _Order,
    *,
    private: bool,
    send: Sequence[Piece],
    deleted: tuple[str, ...] = (),
    commit: str | None = None,
    unchanged: bool = False,
    notes: tuple[str, ...] = (),
    dry_run: bool = False,
) -> Published:
    return Published(
        repo=order.repo,
        url=page(order.repo),
        tag=order.tag,
        revision=order.revision,
        private=private,
        sizes={piece.path: piece.size for piece in order.pieces},
        sent=tuple(piece.path for piece in send),
        deleted=deleted,
        commit=commit,
        unchanged=unchanged,
        dry_run=dry_run,
        notes=notes,
    )
