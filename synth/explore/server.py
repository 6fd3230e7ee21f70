"""The server of the page."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from synth.core.errors import StorageError, SynthError
from synth.core.step import NAME
from synth.explore.explorer import Color, Explorer
from synth.explore.flags import Flag
from synth.explore.guard import App, Guard
from synth.explore.query import Query, Sort

_PAGE = Path(__file__).parent / "page"
Place = Annotated[int, Field(ge=0, lt=2**53)]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Step(_Asked):
    step: str


class _Rows(_Step):
    query: Query = Query()
    sort: Sort = "n"
    falls: bool = False
    page: Place = 0


class _Row(_Step):
    n: Place


class _Find(_Step):
    id: str


class _Near(_Row):
    by: str


class _Map(_Step):
    vector: str
    query: Query = Query()
    color: Color = "reason"


class _Why(_Asked):
    id: str


class _SetFlag(_Asked):
    flag: Flag
    on: bool


class _Write(_Step):
    what: Literal["dataset", "drop_list"]
    query: Query
    name: Annotated[str, Field(pattern=NAME)]
    note: Annotated[str, Field(max_length=10_000)] = ""
    # All that is flagged, in whatever step, instead of what the query finds; of a drop list.
    flags: bool = False


def make_app(explorer: Explorer, host: str, port: int, token: str) -> App:
    """The page and what it asks for, guarded.

    Args:
        explorer: The run.
        host: The address that it is served at.
        port: The port.
        token: What a request for data must bear.
    """

    def flags(found: list[Flag]) -> dict[str, Any]:
        return {"flags": [flag.model_dump(exclude_none=True) for flag in found]}

    def write(asked: _Write) -> dict[str, Any]:
        if asked.what == "dataset":
            return explorer.write_dataset(asked.step, asked.query, asked.name)
        query = None if asked.flags else asked.query
        return explorer.write_drop_list(asked.step, query, asked.name, asked.note)

    routes = [
        Route("/", lambda _: FileResponse(_PAGE / "index.html")),
        Mount("/static", StaticFiles(directory=_PAGE)),
        _route("run", _Asked, lambda _: explorer.overview()),
        _route("step", _Step, lambda asked: explorer.facets(asked.step)),
        _route(
            "rows",
            _Rows,
            lambda asked: explorer.page(
                asked.step, asked.query, asked.sort, asked.page, falls=asked.falls
            ),
        ),
        _route("row", _Row, lambda asked: explorer.row(asked.step, asked.n)),
        _route("find", _Find, lambda asked: {"n": explorer.place_of(asked.step, asked.id)}),
        _route("near", _Near, lambda asked: explorer.near(asked.step, asked.n, asked.by)),
        _route(
            "map",
            _Map,
            lambda asked: explorer.points(asked.step, asked.vector, asked.query, asked.color),
        ),
        _route("why", _Why, lambda asked: explorer.why(asked.id)),
        _route("flags", _Asked, lambda _: flags(explorer.flags.all())),
        _route("flag", _SetFlag, lambda asked: flags(explorer.set_flag(asked.flag, on=asked.on))),
        _route("write", _Write, write),
    ]
    return Guard(Starlette(routes=routes), host, port, token)


def _route(name: str, kind: type[_Asked], answer: Callable[[Any], object]) -> Route:
    """A question of the page: a JSON object, answered with JSON, errors as a sentence."""

    async def asked(request: Request) -> Response:
        try:
            question = kind.model_validate_json(await request.body() or b"{}")
            found = await run_in_threadpool(answer, question)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(str(part) for part in problem["loc"])
            return _json({"error": f"{place}: {problem['msg']}"}, 422)
        except SynthError as error:
            return _json({"error": str(error)}, 400)
        return _json(found)

    return Route(f"/api/{name}", asked, methods=["POST"])


def _json(value: object, status: int = 200) -> Response:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    data = orjson.dumps(value, option=options, default=str)
    return Response(data, status, media_type="application/json")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 is any that is free.

    Raises:
        StorageError: If it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason, what = error.strerror or str(error), "port"
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            what = "host"
        raise StorageError(
            f"cannot listen at {host}, port {port}: {reason}; choose another --{what}"
        ) from error


def serve(explorer: Explorer, listening: socket.socket, token: str) -> None:
    """Serves the page until it is interrupted."""
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        make_app(explorer, host, port, token), log_level="warning", lifespan="off", ws="none"
    )
    uvicorn.Server(config).run(sockets=[listening])
