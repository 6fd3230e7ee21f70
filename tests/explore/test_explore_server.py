"""The explorer over HTTP: who may ask, and what is saved."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import httpx2
import orjson
import pytest
from explore_run import build_run
from explore_serving import TOKEN, Served, served
from typer.testing import CliRunner

import synth.explore
from synth.cli import app
from synth.core.drop_list import Listed, parse_drop_list
from synth.steps import DropListed
from synth.steps.whole import in_order
from synth.view import open_run

PAGE = Path(synth.explore.__file__).parent / "page"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(open_run(build_run(tmp_path / "made" / "1", 60, part_rows=32))) as one:
        yield one


def test_the_page_and_its_files_need_nothing_from_elsewhere(server: Served) -> None:
    page = httpx2.get(server.url)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for file in [*PAGE.glob("*.*"), PAGE / "vendor" / "d3.min.js"]:
        if file.suffix != ".html":
            reply = httpx2.get(f"{server.url}static/{file.relative_to(PAGE)}")
            assert reply.status_code == 200
            assert reply.headers["x-content-type-options"] == "nosniff"
        if "vendor" not in str(file.relative_to(PAGE)) and file.suffix != ".svg":
            assert "//" not in file.read_text().replace("// ", "").replace("://www.w3.org", "")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", ""])
def test_a_request_that_names_another_server_is_refused(server: Served, host: str) -> None:
    named = host.format(port=server.port)
    assert server.post("run", Host=named).status_code == 421
    assert httpx2.get(server.url, headers={"Host": named}).status_code == 421


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}"])
def test_a_request_that_names_this_server_is_answered(server: Served, host: str) -> None:
    assert server.post("run", Host=host.format(port=server.port)).status_code == 200


@pytest.mark.parametrize("token", ["", "Bearer wrong", TOKEN[:-1], f"Bearer {TOKEN}x"])
@pytest.mark.parametrize("what", ["run", "rows", "flags", "flag", "write", "other"])
def test_whoever_lacks_the_token_gets_and_changes_nothing(
    server: Served, token: str, what: str
) -> None:
    reply = server.post(what, {"flag": {"id": "q1"}, "on": True}, Authorization=token)
    assert reply.status_code == 401
    assert "its token is missing" in reply.json()["error"]
    assert server.ask("flags") == {"flags": []}


def test_another_site_is_allowed_nothing_by_a_header(server: Served) -> None:
    reply = server.post("run", Origin="http://evil.example")
    assert "access-control-allow-origin" not in reply.headers
    asked = httpx2.request("OPTIONS", f"{server.url}api/run")
    assert "access-control-allow-origin" not in asked.headers
    assert "set-cookie" not in reply.headers


def test_at_an_open_address_names_are_refused_and_addresses_are_not(tmp_path: Path) -> None:
    run = open_run(build_run(tmp_path / "made" / "1", 10))
    with served(run, host="192.0.2.1") as server:
        assert server.post("run", Host=f"192.0.2.7:{server.port}").status_code == 200
        assert server.post("run", Host=f"evil.example:{server.port}").status_code == 421
        assert server.post("run", Host=f"192.0.2.7:{server.port}", Authorization="").is_error


@pytest.mark.parametrize(
    ("what", "question", "told"),
    [
        ("rows", {"step": "margin", "query": {"words": "x"}}, "query.words: Extra inputs"),
        ("rows", {"step": "margin", "sort": "id; drop table x"}, "sort: Input should be"),
        ("rows", {"step": "nothing"}, "no finished step 'nothing'"),
        ("why", {"id": "nobody"}, "has the id 'nobody'"),
        ("map", {"step": "margin", "vector": "x"}, "no embeddings 'x'; it has embedding_query"),
        ("write", {"step": "margin", "what": "dataset", "query": {}, "name": "../x"}, "name: "),
    ],
)
def test_a_question_that_cannot_be_answered_gets_a_sentence(
    server: Served, what: str, question: dict[str, object], told: str
) -> None:
    reply = server.post(what, question)
    assert reply.status_code in (400, 422)
    assert told in reply.json()["error"]


@pytest.mark.usefixtures("cache")
def test_a_saved_selection_has_exactly_its_rows(server: Served) -> None:
    query = {"rows": "live", "positive": {"least": 0.6}}
    rows: list[dict[str, Any]] = []
    page = 0
    while (
        len(rows) < (answer := server.ask("rows", step="margin", query=query, page=page))["total"]
    ):
        rows += answer["rows"]
        page += 1
    assert 50 > len(rows) > 10
    saved = server.ask("write", step="margin", what="dataset", query=query, name="good")
    found = datasets.load_dataset(saved["path"], split="train")
    assert found["id"] == [row["id"] for row in rows]
    whole = server.explorer.run["margin"].to_arrow(dropped=True).to_pylist()
    assert found.to_list() == [row for row in whole if row["id"] in set(found["id"])]
    again = server.post(
        "write", {"step": "margin", "what": "dataset", "query": query, "name": "good"}
    )
    assert "is there already; choose another name" in again.json()["error"]


@pytest.mark.usefixtures("cache")
def test_flagged_rows_become_a_dataset_and_a_drop_list_that_drops_them(server: Served) -> None:
    rows = server.ask("rows", step="margin", query={"rows": "live"})["rows"]
    chosen, other = [rows[at]["id"] for at in (1, 4)], rows[6]
    entry = server.ask("row", step="margin", n=other["n"])["negatives"][0]["id"]
    for flag in [
        *({"id": one, "note": "bad"} for one in chosen),
        {"id": other["id"], "entry": entry},
    ]:
        server.ask("flag", flag=flag, on=True)
    asked = {"step": "margin", "query": {"flagged": True}}
    saved = server.ask("write", what="dataset", name="flagged", **asked)
    found = datasets.load_dataset(saved["path"], split="train")["id"]
    assert found == [*chosen, other["id"]]
    saved = server.ask("write", what="drop_list", name="drops", flags=True, **asked)
    drops = Path(saved["path"])
    listed = parse_drop_list(drops.read_bytes(), "drops")
    assert listed == tuple(
        sorted([*(Listed(one, None, "bad") for one in chosen), Listed(other["id"], entry, "")])
    )
    head = orjson.loads(drops.read_bytes().splitlines()[0])
    assert head == {"drop_list": "1", "run": "made", "version": "1", "step": "margin"}
    table = server.explorer.run["margin"].to_arrow()
    out = in_order(DropListed(path="x").holding(listed, table.column_names), table).to_pylist()
    assert [row["id"] for row in out if row["drop_reason"]] == chosen
    lost = next(row for row in out if row["id"] == other["id"])
    assert entry not in [one["id"] for one in lost["negatives"]]


def test_a_filter_of_flagged_rows_lists_what_it_shows_and_no_other_flag(server: Served) -> None:
    rows = server.ask("rows", step="margin", query={"rows": "live"})["rows"]
    for row in rows[:3]:
        server.ask("flag", flag={"id": row["id"], "step": "margin"}, on=True)
    text = server.ask("row", step="margin", n=rows[1]["n"])["query"]
    query = {"flagged": True, "text": f'"{text}"'}
    shown = [row["id"] for row in server.ask("rows", step="margin", query=query)["rows"]]
    saved = server.ask("write", step="margin", what="drop_list", query=query, name="some", note="x")
    listed = parse_drop_list(Path(saved["path"]).read_bytes(), "some")
    assert {one.id for one in listed} == set(shown) < {row["id"] for row in rows[:3]}
    assert {one.note for one in listed} == {"x"}


def test_a_row_that_is_not_there_cannot_be_flagged(server: Served) -> None:
    reply = server.post("flag", {"flag": {"id": "nobody", "step": "margin"}, "on": True})
    assert reply.status_code == 400
    assert "step margin has no row 'nobody'" in reply.json()["error"]


def test_a_filter_becomes_a_drop_list_with_one_note(server: Served) -> None:
    query = {"reason": "below_min_positive"}
    saved = server.ask(
        "write", step="margin", what="drop_list", query=query, name="low", note="too low"
    )
    listed = parse_drop_list(Path(saved["path"]).read_bytes(), "low")
    assert len(listed) == server.explorer.run["margin"].record.dropped["below_min_positive"]
    assert {one.note for one in listed} == {"too low"}


def test_nothing_selected_is_said_and_nothing_is_written(server: Served) -> None:
    for what in ("dataset", "drop_list"):
        reply = server.post(
            "write", {"step": "margin", "what": what, "query": {"flagged": True}, "name": "none"}
        )
        assert "no row is selected" in reply.json()["error"]
    assert not server.explorer.out.exists()


def test_the_command_says_where_the_page_is_and_ends_by_ctrl_c(tmp_path: Path) -> None:
    path = build_run(tmp_path / "made" / "1", 10)
    code = "from synth.cli import main; main()"
    command = [sys.executable, "-c", code, "explore", str(path), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = [
            line.strip() for line in iter(process.stdout.readline, "Ctrl-C ends it; flags stay.\n")
        ]
        address, token = told[-1].removeprefix("made 1 is at ").split("#")
        assert len(told) == 1
        asked = httpx2.post(f"{address}api/run", headers={"Authorization": f"Bearer {token}"})
        assert asked.json()["name"] == "made"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)


def test_an_address_that_others_reach_is_warned_of(tmp_path: Path) -> None:
    path = build_run(tmp_path / "made" / "1", 10)
    # An address of no machine, so that nothing listens.
    command = ["explore", str(path), "--no-browser", "--host", "192.0.2.1"]
    result = CliRunner().invoke(app, command)
    assert "Warning: whoever reaches 192.0.2.1" in result.stdout
    assert "cannot listen at 192.0.2.1" in result.stderr


def test_a_port_that_is_taken_is_said(server: Served) -> None:
    path = server.explorer.run.folder.url
    result = CliRunner().invoke(app, ["explore", path, "--no-browser", "--port", str(server.port)])
    assert result.exit_code == 1
    assert f"cannot listen at 127.0.0.1, port {server.port}" in result.stderr
