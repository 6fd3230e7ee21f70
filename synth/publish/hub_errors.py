"""What the Hub and the network refuse, in sentences that say what to do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from synth.core.errors import PublishError

T = TypeVar("T")

TOKENS = "https://huggingface.co/settings/tokens"
_AGAIN = "run the same command again: what the Hub has already is not sent twice"
# Waits between attempts to read; what writes is repeated by the user, who sees what came of it.
_WAITS_S = (1.0, 4.0)


class UnreachableError(PublishError):
    """The Hub cannot be asked: a dry run goes on without it."""


@contextlib.contextmanager
def hub_errors(repo: str, doing: str) -> Iterator[None]:
    """Turns what `huggingface_hub` raises into a sentence.

    Args:
        repo: ``org/name``.
        doing: What was being done, such as ``uploading``.
    """
    try:
        yield
    except RuntimeError as error:  # of an upload's thread; the cause says why
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError | httpx2.HTTPError | OSError):
            raise _told(cause, repo, doing) from error
        raise PublishError(f"{doing} stopped: {_first_line(error)}; {_AGAIN}") from error
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise _told(error, repo, doing) from error
    except ValueError as error:  # what huggingface_hub raises for an answer that it cannot read
        raise PublishError(
            f"what the Hub answered while {doing} cannot be understood: {_first_line(error)}; "
            f"{_AGAIN}"
        ) from error


def asked(repo: str, doing: str, read: Callable[[], T]) -> T:
    """What the Hub answers to a question, asked up to three times where it fails by itself."""
    for wait_s in (*_WAITS_S, None):
        try:
            with hub_errors(repo, doing):
                return read()
        except PublishError as error:
            if wait_s is None or not _may_pass(error.__cause__):
                raise
            time.sleep(wait_s)
    raise AssertionError("the last attempt returns or raises")


def _may_pass(error: BaseException | None) -> bool:
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500 or error.response.status_code in (408, 429)
    return isinstance(error, httpx2.TransportError)


def _told(error: Exception, repo: str, doing: str) -> PublishError:
    if isinstance(error, HfHubHTTPError):
        return _answered(error, repo, doing)
    if isinstance(error, OfflineModeIsEnabled):
        return UnreachableError(
            "HF_HUB_OFFLINE is set, so that the Hub is not asked; unset it to publish"
        )
    if isinstance(error, httpx2.HTTPError | ConnectionError):
        return UnreachableError(
            f"the Hub ({constants.ENDPOINT}) cannot be reached while {doing}: "
            f"{_first_line(error)}; see to the network, and {_AGAIN}"
        )
    reason = getattr(error, "strerror", None) or _first_line(error)
    return PublishError(f"{doing} stopped: {reason}; {_AGAIN}")


def _answered(error: HfHubHTTPError, repo: str, doing: str) -> PublishError:  # noqa: PLR0911
    """One sentence for each answer that a user can do something about."""
    status = error.response.status_code
    said = (error.server_message or "").strip() or _first_line(error)
    if isinstance(error, RevisionNotFoundError):
        return PublishError(f"{repo} has no such revision while {doing}: {said}")
    if status == 401 and not isinstance(error, RepositoryNotFoundError):
        return UnreachableError(
            "the Hub does not know the token (401): it is misspelt, expired or revoked. Make a new "
            f"one that may write at {TOKENS}, then `hf auth login`, or set HF_TOKEN"
        )
    if status in (401, 404):
        return PublishError(
            f"there is no dataset {repo} on the Hub, or the token may not see it, while {doing}"
        )
    if status == 403:
        return PublishError(
            f"no right to write to {repo} (403: {said}): the token must be allowed to write, and "
            f"its owner be a member of {repo.split('/')[0]!r} who may; see {TOKENS}"
        )
    if status == 412:
        return PublishError(
            f"somebody else committed to {repo} in the meantime, so that nothing was changed; run "
            "the same command again to publish on top of it"
        )
    if status == 413:
        return PublishError(f"the Hub finds a file too large while {doing} (413: {said})")
    if status == 429:
        return PublishError(f"the Hub asks to wait (429: {said}); later, {_AGAIN}")
    if status >= 500:
        return UnreachableError(
            f"the Hub has a fault of its own while {doing} ({status}); {_AGAIN}"
        )
    return PublishError(f"the Hub refused while {doing} ({status}: {said})")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
