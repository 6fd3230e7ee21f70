"""One dataset repository of the Hub: what it has, and the few calls that change it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    DatasetCard,
    HfApi,
    constants,
    get_token,
)
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._validators import validate_repo_id

import synth
from synth.core.errors import PublishError
from synth.publish.contents import LEDGER
from synth.publish.delivery import Delivery, RemoteFile, RemoteFiles
from synth.publish.hub_errors import TOKENS, UnreachableError, asked, hub_errors
from synth.publish.pieces import Piece

_TYPE = "dataset"
_OTHER_TYPES = ("model", "space")
MAIN = "main"


@dataclass(frozen=True)
class Remote:
    """What a repository is, before anything is changed.

    Attributes:
        private: Whether it is seen only by those who may.
        branches: The commit of each branch.
        tags: The commit of each tag.
    """

    private: bool
    branches: Mapping[str, str]
    tags: Mapping[str, str]


def checked_repo(repo: str) -> str:
    """The name, where the Hub can have a dataset of that name.

    Raises:
        PublishError: If it cannot.
    """
    owner, slash, name = repo.partition("/")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        said = str(error).splitlines()[0].rstrip(".")
        raise PublishError(f"{repo!r} is no name of a dataset: {said}; give org/name") from error
    if not (slash and owner and name):
        raise PublishError(
            f"{repo!r} does not say whose dataset it is; give org/name, or your user name first"
        )
    return repo


def token_or_none() -> str | None:
    """The token in HF_TOKEN, or that of `hf auth login`."""
    return get_token()


def page(repo: str) -> str:
    """The address of a dataset."""
    return f"{constants.ENDPOINT}/datasets/{repo}"


class Repository:
    """A dataset repository, there or not.

    Args:
        repo: ``org/name``.
    """

    def __init__(self, repo: str) -> None:
        self.repo = repo
        self._api = HfApi(library_name="synth", library_version=synth.__version__)

    def check_token(self) -> None:
        """Asks the Hub whether it knows the token, and whether it may write.

        Raises:
            UnreachableError: If there is none, the Hub does not know it, or cannot be asked.
            PublishError: If it may only read.
        """
        if token_or_none() is None:
            raise UnreachableError(
                "there is no token: log in with `hf auth login`, or set HF_TOKEN, with one that "
                f"may write ({TOKENS})"
            )
        told = asked(self.repo, "asking who the token is of", self._api.whoami)
        role = told.get("auth", {}).get("accessToken", {}).get("role")
        if role == "read":
            raise PublishError(
                f"the token of {told.get('name')} may only read; make one that may write at "
                f"{TOKENS}"
            )

    def look(self) -> Remote | None:
        """What is there; None where there is no such dataset.

        Raises:
            PublishError: If the Hub cannot tell.
        """
        doing = "looking at it"
        try:
            info = asked(self.repo, doing, lambda: self._api.repo_info(self.repo, repo_type=_TYPE))
        except PublishError as error:
            if isinstance(error.__cause__, RepositoryNotFoundError):
                return None
            raise
        refs = asked(self.repo, doing, lambda: self._api.list_repo_refs(self.repo, repo_type=_TYPE))
        return Remote(
            private=bool(info.private),
            branches={one.name: one.target_commit for one in refs.branches},
            tags={one.name: one.target_commit for one in refs.tags},
        )

    def namesakes(self) -> list[str]:
        """The kinds of repositories, ``model`` or ``space``, that have this name."""
        return [
            kind
            for kind in _OTHER_TYPES
            if asked(
                self.repo,
                "looking for namesakes",
                lambda kind=kind: self._api.repo_exists(self.repo, repo_type=kind),  # type: ignore[misc]
            )
        ]

    def files(self, revision: str) -> RemoteFiles:
        """All files at a revision."""

        def listed() -> RemoteFiles:
            tree = self._api.list_repo_tree(
                self.repo, recursive=True, revision=revision, repo_type=_TYPE
            )
            return {one.path: _remote(one) for one in tree if isinstance(one, RepoFile)}

        return asked(self.repo, "listing its files", listed)

    def published(self, there: RemoteFiles, revision: str) -> frozenset[str]:
        """The files that synth published, as its ledger at a revision says."""
        if LEDGER not in there:
            return frozenset()

        def read() -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                path = self._api.hf_hub_download(
                    self.repo, LEDGER, repo_type=_TYPE, revision=revision, cache_dir=folder
                )
                return Path(path).read_bytes()

        try:
            told = orjson.loads(asked(self.repo, "reading its ledger", read))
            return frozenset(str(path) for path in told["files"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return frozenset()

    def create(self, *, private: bool) -> None:
        """Makes the repository.

        Raises:
            PublishError: If the name is taken or there is no right to.
        """
        try:
            with hub_errors(self.repo, "creating it"):
                self._api.create_repo(self.repo, repo_type=_TYPE, private=private)
        except PublishError as error:
            if _is_conflict(error):
                raise PublishError(
                    f"the name {self.repo} is taken by a dataset that the token may not see; give "
                    "another name, or ask its owner for the right to write"
                ) from error
            raise

    def check_card(self, card: str) -> None:
        """Lets the Hub read the metadata of a card before anything is uploaded.

        Raises:
            PublishError: If it does not accept them.
        """
        with hub_errors(self.repo, "checking the card"):
            try:
                DatasetCard(card).validate(repo_type=_TYPE)
            except HfHubHTTPError:  # which is a ValueError where it is a 400
                raise
            except ValueError as error:
                said = re.findall(r'"message": ?"((?:[^"\\]|\\.)*)"', str(error))
                raise PublishError(
                    f"the Hub does not accept the card's metadata: {'; '.join(said) or error}; "
                    "correct `card` in the recipe, and run it again"
                ) from error

    def commit(self, what: Delivery, parent: str, revision: str, message: str) -> str:
        """Uploads files and commits them, with deletions, as one commit on top of `parent`.

        What an interrupted upload left on the Hub is not sent again.

        Raises:
            PublishError: If a file changes here meanwhile, somebody else commits there, or the Hub
                cannot take it. Then nothing there has changed.
        """
        additions = [_addition(piece) for piece in what.send]
        with hub_errors(self.repo, "uploading"):
            self._api.preupload_lfs_files(
                self.repo, additions, repo_type=_TYPE, revision=revision, free_memory=False
            )
        check_unchanged(what.send)
        deletions = [CommitOperationDelete(path, is_folder=False) for path in what.delete]
        with hub_errors(self.repo, "committing"):
            done = self._api.create_commit(
                self.repo,
                [*additions, *deletions],
                commit_message=message,
                repo_type=_TYPE,
                revision=revision,
                parent_commit=parent,
            )
        return str(done.oid)

    def tag(self, tag: str, commit: str) -> None:
        """Gives a commit its tag.

        Raises:
            PublishError: If somebody made the tag meanwhile.
        """
        try:
            with hub_errors(self.repo, "tagging"):
                self._api.create_tag(self.repo, tag=tag, revision=commit, repo_type=_TYPE)
        except PublishError as error:
            if _is_conflict(error):
                raise PublishError(
                    f"somebody else made the tag {tag} of {self.repo} in the meantime; the files "
                    "are there, and the same command tells whether they are the same"
                ) from error
            raise


def check_unchanged(pieces: Sequence[Piece]) -> None:
    """Refuses what was written to while it was published.

    Raises:
        PublishError: If a file is not as it was.
    """
    changed = [piece.path for piece in pieces if not piece.is_as_it_was]
    if changed:
        raise PublishError(
            f"{', '.join(changed)} changed while it was published: let the run end, and run the "
            "same command again"
        )


def _is_conflict(error: PublishError) -> bool:
    """Whether the Hub refused because what is to be made is there already."""
    response = getattr(error.__cause__, "response", None)
    return response is not None and response.status_code == 409


def _addition(piece: Piece) -> CommitOperationAdd:
    added = CommitOperationAdd(piece.path, piece.content)
    # Known already from the comparison: the file is not read once more to hash it.
    added.upload_info.sha256 = bytes.fromhex(piece.sha256)
    return added


def _remote(found: RepoFile) -> RemoteFile:
    lfs = found.lfs
    return RemoteFile(found.size, lfs.sha256 if lfs else None, found.blob_id)
