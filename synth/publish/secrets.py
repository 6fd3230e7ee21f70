"""What must not be public: keys of services, and names that only this machine has."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from synth.redact import private_parts

# How the keys of each service look. Read by Python and by Arrow's RE2: no look-around.
KEYS: Mapping[str, str] = {
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{16,}",
    "an API key (sk-...)": r"\bsk-[A-Za-z0-9_-]{16,}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "a Google API key": r"\bAIza[A-Za-z0-9_-]{35}",
    "a Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{12,}",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a password in an address": r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/:@]{6,}@",
}
# A value that is called a key. Rows of code and forums are full of such lines, so that only the
# files which synth writes itself are searched for them.
_NAMED_KEY = re.compile(
    r"(?i)\b(?:api[_-]?key|secret(?:[_-]?access)?(?:[_-]?key)?|access[_-]?token|auth[_-]?token"
    r"|password|bearer)[\"']?\s*[:= ]\s*[\"']?(?P<value>[A-Za-z0-9_\-/+=.]{20,})"
)
_COMPILED = {what: re.compile(pattern) for what, pattern in KEYS.items()}
# The keys of AWS's own documentation.
_EXAMPLE = "EXAMPLE"
_SECRET_NAME = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD)(?:_ID)?$")
# A shorter value of an environment variable may be any word.
_SHORTEST_SECRET = 8
# Homes that texts about computers are full of.
_ANYBODYS_HOMES = ("/", "/root", "/home", "/home/user", "/home/ubuntu", "/home/jovyan", "/Users")
_SHOWN_CHARS = 6


@dataclass(frozen=True, slots=True)
class Leak:
    """Something in a text that must not be public.

    Attributes:
        what: What it is, in words, with no more of it than may be shown.
        at: Where it begins in the text.
    """

    what: str
    at: int


@dataclass(frozen=True)
class Secrets:
    """What to look for beside the keys of services.

    Attributes:
        values: Keys that this machine knows, each with what it is.
        places: Folders of this machine, each with what it is.
        names: Hosts, buckets and paths that redaction takes out of the recipe, and this machine's.
    """

    values: Mapping[str, str]
    places: Mapping[str, str]
    names: Mapping[str, str]

    def in_text(self, text: str) -> Iterator[Leak]:
        """What a file that synth wrote has of all of them, in no order."""
        yield from self.in_row(text)
        for found in _NAMED_KEY.finditer(text):
            value = found["value"]
            if _is_mixed(value) and not _is_known_key(value):
                yield Leak(f"what is called a key ({_masked(found[0])})", found.start())
        for name, what in self.names.items():
            for at in _words(text, name):
                yield Leak(f"{what} ({name})", at)

    def in_row(self, text: str) -> Iterator[Leak]:
        """What a row has of keys and folders, in no order."""
        for what, pattern in _COMPILED.items():
            for found in pattern.finditer(text):
                if _is_key(found[0]):
                    yield Leak(f"{what} ({_masked(found[0])})", found.start())
        for value, what in self.values.items():
            for at in _places(text, value):
                yield Leak(what, at)
        for place, what in self.places.items():
            for at in _words(text, place):
                yield Leak(f"{what} ({place})", at)

    def screen(self) -> str:
        """A pattern for RE2 that finds whatever `in_row` may find, and some more."""
        literals = [re.escape(text) for text in (*self.values, *self.places)]
        return "|".join([*KEYS.values(), *literals])


def secrets_here(
    recipe: str, key_variables: Iterable[str], run: Path, token: str | None
) -> Secrets:
    """What this machine knows and must keep to itself.

    Args:
        recipe: The recipe as the run has it.
        key_variables: Environment variables that the recipe names as holding keys.
        run: The run's folder.
        token: The token that opens the Hub.
    """
    home = str(Path.home())
    places = {str(run.resolve()): "the run's folder on this machine"}
    if home not in _ANYBODYS_HOMES:
        places[home] = "the home folder of this machine"
    names = dict.fromkeys(private_parts(recipe), "what only the recipe's machine knows")
    # A path of two names and more is no word of anybody's text.
    for name in names:
        if name.startswith("/") and name.rstrip("/").count("/") > 1:
            places.setdefault(name, names[name])
    host = socket.gethostname()
    # A name of letters alone, such as `debian`, may be any word.
    if not host.isalpha() and not host.startswith("localhost"):
        names[host] = "the name of this machine"
    return Secrets(_values(key_variables, token), places, names)


def _values(key_variables: Iterable[str], token: str | None) -> dict[str, str]:
    named = set(key_variables)
    found = {
        value: f"the value of the environment variable {name}"
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST_SECRET
        and (name in named or (_SECRET_NAME.search(name) and _is_mixed(value)))
    }
    return {**found, **({token: "the token that opens the Hub"} if token else {})}


def _is_key(text: str) -> bool:
    if text.startswith("sk-"):  # as words with hyphens do too
        return _is_mixed(text)
    if text.endswith("@"):  # manuals are full of `user:password@`
        return _is_mixed(text[:-1].rpartition(":")[2])
    return not text.endswith(_EXAMPLE)


def _is_known_key(value: str) -> bool:
    return value.endswith(_EXAMPLE) or any(found.search(value) for found in _COMPILED.values())


def _is_mixed(value: str) -> bool:
    """Whether it has letters and digits, and no path in it: few words do."""
    return (
        any(sign.isdigit() for sign in value)
        and any(sign.isalpha() for sign in value)
        and not value.startswith(("/", "./", "~"))
        and "://" not in value
    )


def _masked(key: str) -> str:
    return f"{key[:_SHOWN_CHARS]}…"


def _places(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + len(part))


def _words(text: str, part: str) -> Iterator[int]:
    """Where it stands by itself: `/home/al` does not stand in `/home/alice`."""
    for at in _places(text, part):
        before, after = text[at - 1 : at], text[at + len(part) : at + len(part) + 1]
        if not (_joins(before) and _joins(part[0])) and not _joins(after):
            yield at


def _joins(sign: str) -> bool:
    return sign.isalnum() or sign in ("_", "-") if sign else False
