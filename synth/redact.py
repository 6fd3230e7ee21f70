"""Texts for the public: without this machine's paths, hosts and secrets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'`<>,)}\]]+")
# A path from the root or the home folder, of at least two names, so that "and/or" is none.
_PATH = re.compile(
    r"(?<![\w/.:>…-])(?:~|\$\w+|\$\{\w+\}|[A-Za-z]:(?=[\\/]))?[\\/][\w.@+-]+(?:[\\/][\w.@+*?-]+)+[\\/]?"
    r"|(?<![\w/.-])~[\\/][\w.@+*?-]+"
)
_SECRET = re.compile(r"\b(?:hf_|sk-|ghp_|AKIA)[A-Za-z0-9_-]{12,}")
# Addresses that name no machine, or one that is public on purpose.
_OPEN_HOSTS = ("127.0.0.1", "localhost", "huggingface.co", "arxiv.org", "github.com")
# A shorter host, bucket or folder may be any word.
_SHORTEST_PART = 5


def redacted(text: str) -> str:
    """The text with paths cut to their last name, hosts and buckets left out, and keys masked.

    Relative paths, addresses of this very machine (``localhost``) and those of huggingface.co,
    arxiv.org and github.com stay, without user, password or query.
    """
    text = _URL.sub(lambda found: _url(found[0]), text)
    text = _PATH.sub(lambda found: _last_name(found[0]), text)
    return _SECRET.sub("<key>", text)


def private_parts(text: str) -> list[str]:
    """What `redacted` takes out of a text, in pieces that may stand in other texts too.

    Hosts and buckets by themselves, and paths as they are, each once; keys are not among them.
    """
    hosts, rest = [], text
    for found in _URL.finditer(text):
        if _url(found[0]) != found[0]:
            hosts.append(_host(found[0]))
        rest = rest.replace(found[0], " ")
    paths = [found[0].rstrip("\\/") for found in _PATH.finditer(rest)]
    return [part for part in dict.fromkeys([*hosts, *paths]) if len(part) >= _SHORTEST_PART]


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return parts.path
    name = parts.hostname or ""
    return "" if name.removeprefix("www.") in _OPEN_HOSTS else name


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "hf":
        return url
    host = (parts.hostname or "").removeprefix("www.")
    if host in _OPEN_HOSTS:
        port = parts.netloc.rpartition("@")[2].partition(":")[2]
        return f"{parts.scheme}://{host}{':' + port if port else ''}{parts.path}"
    if parts.scheme in ("http", "https") and parts.path.rstrip("/") in ("", "/v1"):
        return f"{parts.scheme}://<host>{parts.path}"
    return f"{parts.scheme}://…/{parts.path.rstrip('/').rpartition('/')[2]}"


def _last_name(path: str) -> str:
    return "…/" + re.split(r"[\\/]", path.rstrip("\\/"))[-1]
