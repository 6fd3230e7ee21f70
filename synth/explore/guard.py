"""Who may ask: the page that the user opened, and no other page that a browser shows."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

Message = MutableMapping[str, Any]
App = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HEADERS = {
    # The page's own files and nothing else; no inline script, so that text of a row runs nowhere.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Answers a request only if it names this server, and data only for whoever has the token.

    A page of another site that the browser shows can send requests here, and by a name that it
    points at this address (DNS rebinding) even read the answers: the name would stand in `Host`,
    and the token it cannot know, for it is in no cookie.
    """

    def __init__(self, app: App, host: str, port: int, token: str) -> None:
        self._app, self._token = app, token.encode()
        self._own = {f"{name}:{port}" for name in (*_LOOPBACK_NAMES, _bracketed(host))}
        self._port, self._is_open = port, not is_loopback(host)

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Refuses, or hands on."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        refusal = self._refusal(scope["path"], headers)
        if refusal is not None:
            status, told = refusal
            await JSONResponse({"error": told}, status)(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, sent)

    def _refusal(self, path: str, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._names_us(host):
            return 421, f"this server is not {host!r}"
        if not path.startswith("/api/"):
            return None
        given = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        if not hmac.compare_digest(given, self._token):
            return 401, "open the address that `synth explore` printed: its token is missing"
        return None

    def _names_us(self, host: str) -> bool:
        if host in self._own:
            return True
        name, _, port = host.rpartition(":")
        return self._is_open and port == str(self._port) and _is_address(name)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host.lower()


def _is_address(name: str) -> bool:
    """An address, unlike a name, cannot be pointed elsewhere."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
