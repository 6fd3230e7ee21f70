"""A stand-in for the Hub on loopback: the documented calls that publishing and loading make.

It keeps everything in memory, counts what it is asked, and can be told to fail. Large files go
through the LFS calls; of Xet, which the real Hub prefers, it knows nothing.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import itertools
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PAGE_FILES = 3  # so that clients must follow the pages of a tree
LARGE = (".parquet", ".jsonl")


@dataclass
class Blob:
    """A file of a commit."""

    data: bytes
    large: bool

    @property
    def oid(self) -> str:
        data = self.pointer if self.large else self.data
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        version = "version https://git-lfs.github.com/spec/v1"
        return f"{version}\noid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()

    def told(self, path: str) -> dict[str, Any]:
        size = len(self.data)
        lfs = {"oid": self.sha256, "size": size, "pointerSize": len(self.pointer)}
        more = {"lfs": lfs} if self.large else {}
        return {"type": "file", "path": path, "size": size, "oid": self.oid, **more}


@dataclass
class Repo:
    """A dataset: commits, branches, tags, and large files that may belong to no commit yet."""

    private: bool
    commits: dict[str, dict[str, Blob]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)

    def commit(self, files: dict[str, Blob], branch: str = "main") -> str:
        told = f"{len(self.commits)} {branch} {sorted((p, b.oid) for p, b in files.items())}"
        oid = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
        self.commits[oid], self.branches[branch] = files, oid
        return oid

    def find(self, revision: str) -> str | None:
        found = self.branches.get(revision) or self.tags.get(revision)
        return found or (revision if revision in self.commits else None)

    def files(self, revision: str = "main") -> dict[str, bytes]:
        commit = self.find(revision)
        assert commit is not None
        return {path: blob.data for path, blob in self.commits[commit].items()}


class StandIn:
    """What tests see of the server: its state, its requests, and its faults."""

    def __init__(self) -> None:
        self.url = ""
        self.repos: dict[str, Repo] = {}
        self.models: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.uploaded: list[str] = []  # large files whose bytes arrived, by their hash
        self.roles = {"hf_" + "w" * 30: "write", "hf_" + "r" * 30: "read"}
        self.writers = {"org"}
        self.drop_uploads_after: int | None = None
        self.fail: dict[str, int] = {}  # part of a path: the status it gets
        self.before_commit: Callable[[Repo], object] | None = None

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Requests that change something, or prepare to."""
        harmless = ("paths-info", "validate-yaml")
        return [
            (method, path)
            for method, path in self.requests
            if method not in ("GET", "HEAD") and not path.endswith(harmless)
            if "paths-info" not in path
        ]

    def role(self, request: web.Request) -> str | None:
        return self.roles.get(request.headers.get("authorization", "").removeprefix("Bearer "))

    # Faults, and who may do what.

    @web.middleware
    async def gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        for part, status in self.fail.items():
            if part in request.path:
                return error(status, "", "The stand-in was told to fail")
        token = request.headers.get("authorization")
        if token and self.role(request) is None:
            return error(401, "", "Invalid credentials in Authorization header")
        if request.method not in ("GET", "HEAD") and "paths-info" not in request.path:
            is_upload = request.path.startswith("/storage/")  # signed by its address
            if self.role(request) != "write" and not is_upload and "validate" not in request.path:
                return error(403, "", "you lack the right to write")
        return await handler(request)

    def repo(self, request: web.Request) -> Repo:
        """The repository that a request names, where its token may see it."""
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        repo = self.repos.get(name)
        if repo is None or (repo.private and self.role(request) is None):
            raise refused(401 if self.role(request) is None else 404, "RepoNotFound", "not found")
        return repo

    def commit_of(self, request: web.Request) -> str:
        found = self.repo(request).find(request.match_info["revision"])
        if found is None:
            raise refused(404, "RevisionNotFound", "Invalid rev id")
        return found

    # Who, what and where.

    async def whoami(self, request: web.Request) -> web.Response:
        role = self.role(request)
        if role is None:
            return error(401, "", "Invalid username or password.")
        told = {"name": "alice", "type": "user", "orgs": [{"name": "org"}]}
        return web.json_response({**told, "auth": {"accessToken": {"role": role}}})

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] not in self.writers:
            return error(403, "", "You don't have the rights to create a dataset there")
        if name in self.repos:
            return error(409, "", "You already created this dataset repo")
        self.repos[name] = Repo(asked.get("visibility") == "private")
        self.repos[name].commit({".gitattributes": Blob(b"*.parquet filter=lfs\n", large=False)})
        return web.json_response({"url": f"{self.url}/datasets/{name}"})

    async def info(self, request: web.Request) -> web.Response:
        repo = self.repo(request)
        revision = request.match_info.get("revision", "main")
        commit = repo.find(revision)
        if commit is None:
            return error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        files = repo.commits[commit]
        card = files.get("README.md")
        parts = card.data.decode().split("---\n") if card else []
        head = yaml.safe_load(parts[1]) if len(parts) > 2 else None
        told = {"id": name, "sha": commit, "private": repo.private, "cardData": head}
        told |= {"tags": [], "gated": False, "disabled": False, "downloads": 0, "likes": 0}
        return web.json_response({**told, "siblings": [{"rfilename": path} for path in files]})

    async def other_info(self, request: web.Request) -> web.Response:
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        if name not in self.models or not request.path.startswith("/api/models/"):
            return error(404, "RepoNotFound", "Repository not found")
        return web.json_response({"id": name, "sha": "0" * 40, "private": False})

    async def refs(self, request: web.Request) -> web.Response:
        repo = self.repo(request)
        found = {
            kind: [
                {"name": name, "ref": f"refs/{place}/{name}", "targetCommit": commit}
                for name, commit in refs.items()
            ]
            for kind, place, refs in (
                ("branches", "heads", repo.branches), ("tags", "tags", repo.tags)
            )
        }  # fmt: skip
        return web.json_response({**found, "converts": []})

    async def tree(self, request: web.Request) -> web.Response:
        repo, commit = self.repo(request), self.commit_of(request)
        inside = request.match_info.get("path", "")
        prefix = f"{inside}/" if inside else ""
        files = {p: b for p, b in repo.commits[commit].items() if p.startswith(prefix)}
        if not files and prefix:
            return error(404, "EntryNotFound", "no such folder")
        told, folders = [], set()
        for path, blob in sorted(files.items()):
            parts = path.removeprefix(prefix).split("/")
            folders |= {prefix + "/".join(parts[:at]) for at in range(1, len(parts))}
            if len(parts) == 1 or request.query.get("recursive") in ("true", "True", "1"):
                told.append(blob.told(path))
        deep = request.query.get("recursive") in ("true", "True", "1")
        shown = [one for one in sorted(folders) if deep or "/" not in one.removeprefix(prefix)]
        told += [{"type": "directory", "path": one, "oid": "0" * 40, "size": 0} for one in shown]
        at = int(request.query.get("cursor", "0"))
        headers = {}
        if at + PAGE_FILES < len(told):
            following = request.url.update_query({"cursor": str(at + PAGE_FILES)})
            headers["Link"] = f'<{following}>; rel="next"'
        return web.json_response(told[at : at + PAGE_FILES], headers=headers)

    async def paths_info(self, request: web.Request) -> web.Response:
        repo, commit = self.repo(request), self.commit_of(request)
        if request.content_type == "application/json":
            asked = (await request.json())["paths"]
        else:
            asked = (await request.post()).getall("paths", [])
        files, told = repo.commits[commit], []
        for path in [asked] if isinstance(asked, str) else asked:
            if path in files:
                told.append(files[path].told(path))
            elif any(one.startswith(f"{path}/") for one in files):
                told.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        return web.json_response(told)

    async def resolve(self, request: web.Request) -> web.Response:
        repo, commit = self.repo(request), self.commit_of(request)
        blob = repo.commits[commit].get(request.match_info["path"])
        if blob is None:
            return error(404, "EntryNotFound", "Entry not found")
        etag = blob.sha256 if blob.large else blob.oid
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"', "Accept-Ranges": "bytes"}
        if blob.large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(blob.data))}
        part = request.http_range
        body = blob.data[part.start : part.stop]
        return web.Response(body=body, status=206 if part.start else 200, headers=headers)

    # Upload.

    async def validate(self, request: web.Request) -> web.Response:
        text = (await request.json())["content"]
        head = yaml.safe_load(text.split("---\n")[1])
        if head.get("license") == "nonsense":
            message = '"license" must be one of [apache-2.0, mit, ...]'
            return web.json_response({"errors": [{"message": message}]}, status=400)
        return web.json_response({"errors": [], "warnings": []})

    async def preupload(self, request: web.Request) -> web.Response:
        repo, commit = self.repo(request), self.commit_of(request)
        files = []
        for asked in (await request.json())["files"]:
            old = repo.commits[commit].get(asked["path"])
            oid = None if old is None else old.sha256 if old.large else old.oid
            mode = "lfs" if asked["path"].endswith(LARGE) else "regular"
            files.append(
                {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}
            )
        return web.json_response({"files": files})

    async def batch(self, request: web.Request) -> web.Response:
        repo, told = self.repo(request), []
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        for asked in (await request.json())["objects"]:
            one = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in repo.stored:
                href = f"{self.url}/storage/{name}/{asked['oid']}"
                verify = f"{self.url}/datasets/{name}.git/info/lfs/objects/verify"
                one["actions"] = {"upload": {"href": href}, "verify": {"href": verify}}
            told.append(one)
        return web.json_response({"transfer": "basic", "objects": told})

    async def store(self, request: web.Request) -> web.Response:
        limit = self.drop_uploads_after
        if limit is not None and len(self.uploaded) >= limit:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        data, oid = await request.read(), request.match_info["oid"]
        if hashlib.sha256(data).hexdigest() != oid:
            return error(400, "", "the content is not what its hash says")
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        self.repos[name].stored[oid] = data
        self.uploaded.append(oid)
        return web.Response()

    async def verify(self, request: web.Request) -> web.Response:
        asked = await request.json()
        found = self.repo(request).stored.get(asked["oid"])
        fine = found is not None and len(found) == asked["size"]
        return web.Response() if fine else error(404, "", "nothing was uploaded")

    async def commit(self, request: web.Request) -> web.Response:
        repo = self.repo(request)
        branch = request.match_info["revision"]
        lines = [json.loads(line) for line in (await request.text()).splitlines()]
        if self.before_commit is not None:
            self.before_commit(repo)
        if branch not in repo.branches:
            return error(404, "RevisionNotFound", f"Invalid rev id: {branch}")
        parent = lines[0]["value"].get("parentCommit")
        if parent is not None and parent != repo.branches[branch]:
            return error(412, "", "A commit has happened since. Please refresh and try again.")
        files = dict(repo.commits[repo.branches[branch]])
        for line in lines[1:]:
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = Blob(base64.b64decode(value["content"]), large=False)
                case "lfsFile" if value["oid"] in repo.stored:
                    files[value["path"]] = Blob(repo.stored[value["oid"]], large=True)
                case "deletedFile":
                    del files[value["path"]]
                case _:
                    return error(400, "", f"the stand-in cannot do {line['key']}")
        oid = repo.commit(files, branch)
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        url = f"{self.url}/datasets/{name}/commit/{oid}"
        return web.json_response({"commitUrl": url, "commitOid": oid})

    async def tag(self, request: web.Request) -> web.Response:
        repo, asked = self.repo(request), await request.json()
        if asked["tag"] in repo.tags:
            return error(409, "", "Tag reference exists already")
        repo.tags[asked["tag"]] = self.commit_of(request)
        return web.Response()

    def application(self) -> web.Application:
        """All of it."""
        app = web.Application(middlewares=[self.gate], client_max_size=1 << 28)
        one = "/api/datasets/{owner}/{name}"
        git = "/datasets/{owner}/{name}.git/info/lfs/objects"
        get, post, add = app.router.add_get, app.router.add_post, app.router.add_route
        get("/api/whoami-v2", self.whoami)
        post("/api/repos/create", self.create)
        post("/api/validate-yaml", self.validate)
        get(one, self.info)
        get(f"{one}/revision/{{revision}}", self.info)
        get("/api/{kind:models|spaces}/{owner}/{name}", self.other_info)
        get(f"{one}/refs", self.refs)
        get(f"{one}/tree/{{revision}}", self.tree)
        get(f"{one}/tree/{{revision}}/{{path:.*}}", self.tree)
        post(f"{one}/paths-info/{{revision}}", self.paths_info)
        post(f"{one}/preupload/{{revision}}", self.preupload)
        post(f"{one}/commit/{{revision}}", self.commit)
        post(f"{one}/tag/{{revision}}", self.tag)
        post(f"{git}/batch", self.batch)
        post(f"{git}/verify", self.verify)
        add("PUT", "/storage/{owner}/{name}/{oid}", self.store)
        get("/datasets/{owner}/{name}/resolve/{revision}/{path:.*}", self.resolve)
        return app


def error(status: int, code: str, message: str) -> web.Response:
    headers = {"X-Error-Message": message, **({"X-Error-Code": code} if code else {})}
    return web.json_response({"error": message}, status=status, headers=headers)


def refused(status: int, code: str, message: str) -> web.HTTPException:
    kind = web.HTTPUnauthorized if status == 401 else web.HTTPNotFound
    return kind(headers={"X-Error-Message": message, "X-Error-Code": code})


@contextlib.contextmanager
def running() -> Iterator[StandIn]:
    """The server in a thread of its own, on a free port of loopback."""
    hub, loop, up = StandIn(), asyncio.new_event_loop(), threading.Event()

    @contextlib.asynccontextmanager
    async def served() -> AsyncIterator[None]:
        runner = web.AppRunner(hub.application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield
        await runner.cleanup()

    stop = asyncio.Event()

    async def main() -> None:
        async with served():
            up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert up.wait(30)
    try:
        yield hub
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


if __name__ == "__main__":  # to try `synth publish` by hand: python tests/publish/stand_in.py
    with running() as stand_in:
        write = next(iter(stand_in.roles))
        print(f"HF_ENDPOINT={stand_in.url} HF_TOKEN={write} HF_HUB_DISABLE_XET=1")  # noqa: T201
        for _ in itertools.count():
            threading.Event().wait(60)
