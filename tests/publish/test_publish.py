"""`synth publish` against a stand-in for the Hub: what is sent, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from finished import finished, rows
from stand_in import Blob, Repo, StandIn
from turned import token, turned

from synth.core.errors import PublishError
from synth.publish import publish

# huggingface_hub's own way of handing files to httpx2.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "org/cats"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    with turned(monkeypatch, tmp_path) as found:
        yield found


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return finished(tmp_path / "here")


def refused(run: Path, repo: str = REPO, **more: Any) -> str:
    with pytest.raises(PublishError) as caught:
        publish(run, repo, **more)
    return str(caught.value)


def test_a_run_becomes_a_private_dataset_with_a_tag_in_one_commit(run: Path, hub: StandIn) -> None:
    done = publish(run, REPO)
    repo = hub.repos[REPO]
    assert repo.private
    assert len(repo.commits) == 2  # the repository's own, and ours
    assert repo.tags == {"v1": done.commit} == {"v1": repo.branches["main"]}
    there = repo.files()
    assert set(there) == {".gitattributes", *done.sizes}
    for path in (run / "data").rglob("*.parquet"):
        assert there[str(path.relative_to(run))] == path.read_bytes()
    assert set(there) - {path for path in there if path.startswith("data/")} == {
        ".gitattributes", "README.md", "recipe.yaml", "ledger.json", "report.html",
        "prompts/note.md",
    }  # fmt: skip
    assert b'load_dataset("org/cats")' in there["README.md"]


def test_publishing_twice_sends_nothing_and_changes_nothing(run: Path, hub: StandIn) -> None:
    first = publish(run, REPO)
    commits, sent = dict(hub.repos[REPO].commits), list(hub.uploaded)
    hub.requests.clear()
    again = publish(run, REPO)
    assert again.unchanged
    assert again.sent == ()
    assert first.tag == again.tag == "v1"
    assert hub.writes == []
    assert hub.repos[REPO].commits == commits
    assert hub.uploaded == sent


def test_card_and_report_of_another_version_of_synth_change_no_dataset(
    run: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(run, REPO)
    monkeypatch.setattr("synth.publish.contents.render_report", lambda *_, **__: "worded otherwise")
    monkeypatch.setattr("synth.publish.contents.with_quality", lambda card, _: card + "more\n")
    assert publish(run, REPO).unchanged


def test_the_report_shows_no_row_that_was_dropped_and_the_card_what_it_measures(
    tmp_path: Path, hub: StandIn
) -> None:
    made = rows()
    made[3] = {**made[3], "note": "a secret of somebody", "drop_reason": "check_secret"}
    made[5]["negatives"][0]["origin"] = "generated:off_answer"
    publish(finished(tmp_path, made=made), REPO)
    there = hub.repos[REPO].files()
    assert b"a secret of somebody" not in there["report.html"]
    assert b"check_secret" in there["report.html"]
    assert b"a note on 4" in there["report.html"]
    card = there["README.md"].decode()
    sections = [line for line in card.splitlines() if line.startswith("## ")]
    assert sections.count("## Quality") == 1
    assert sections.index("## Quality") < sections.index("## Prompts")
    assert "### Languages" in card


def test_an_interrupted_upload_goes_on_with_what_is_missing(run: Path, hub: StandIn) -> None:
    hub.drop_uploads_after = 3
    said = refused(run)
    assert "run the same command again" in said
    assert len(hub.repos[REPO].commits) == 1
    assert len(hub.uploaded) == 3
    hub.drop_uploads_after = None
    done = publish(run, REPO)
    large = [path for path in done.sizes if path.endswith(".parquet")]
    assert len(large) > 4
    assert len(hub.uploaded) == len(set(hub.uploaded)) == len(large)
    assert hub.repos[REPO].tags == {"v1": done.commit}


def test_what_ended_between_commit_and_tag_gets_its_tag(run: Path, hub: StandIn) -> None:
    hub.fail["/tag/"] = 503
    assert "the Hub has a fault of its own while tagging (503)" in refused(run)
    repo = hub.repos[REPO]
    head, commits = repo.branches["main"], len(repo.commits)
    hub.fail.clear()
    hub.uploaded.clear()
    done = publish(run, REPO)
    assert (done.sent, done.commit, repo.tags) == ((), head, {"v1": head})
    assert len(repo.commits) == commits
    assert hub.uploaded == []


def test_a_changed_run_needs_another_version_and_both_can_be_loaded(
    tmp_path: Path, run: Path, hub: StandIn
) -> None:
    publish(run, REPO)
    first = hub.repos[REPO].files("v1")
    changed = finished(tmp_path / "changed", made=rows(25, "another note"))
    said = refused(changed)
    assert "org/cats has v1 already, and this run is another: " in said
    assert "data/" in said
    assert "Raise `version`" in said
    done = publish(finished(tmp_path / "changed", made=rows(25), version="2"), REPO)
    repo = hub.repos[REPO]
    assert repo.files("v1") == first
    assert set(repo.tags) == {"v1", "v2"}
    assert set(repo.files("v2")) == {".gitattributes", *done.sizes}
    assert set(first) - set(repo.files("v2")) == set(done.deleted)
    assert done.deleted


def test_files_that_synth_did_not_publish_survive(tmp_path: Path, run: Path, hub: StandIn) -> None:
    publish(run, REPO)
    repo = hub.repos[REPO]
    own = {"LICENSE": b"mine", "data/mine.csv": b"a,b", "data/extra/train.parquet": b"PAR1"}
    blobs = {path: Blob(data, large=False) for path, data in own.items()}
    repo.commit(repo.commits[repo.branches["main"]] | blobs)
    publish(finished(tmp_path / "two", made=rows(10), version="2"), REPO)
    there = repo.files()
    assert {path: there[path] for path in own} == own
    assert publish(run, REPO).unchanged


def test_a_dataset_that_synth_did_not_make_is_not_written_over(run: Path, hub: StandIn) -> None:
    hub.repos[REPO] = Repo(private=True)
    name = sorted(path.name for path in (run / "data").glob("train-*"))[0]
    files = {"README.md": b"# empty\n", f"data/{name}": b"of another"}
    hub.repos[REPO].commit({path: Blob(data, large=False) for path, data in files.items()})
    assert f"synth did not put there and that would be overwritten: data/{name}" in refused(run)
    hub.repos[REPO].commit({"README.md": Blob(b"# empty\n", large=False)})
    assert publish(run, REPO).commit


def test_somebody_elses_commit_in_the_meantime_is_not_overwritten(run: Path, hub: StandIn) -> None:
    def other(repo: Repo) -> None:
        repo.commit({"other.txt": Blob(b"theirs", large=False)})
        hub.before_commit = None

    hub.before_commit = other
    assert "somebody else committed to org/cats in the meantime" in refused(run)
    assert hub.repos[REPO].files() == {"other.txt": b"theirs"}
    publish(run, REPO)
    assert hub.repos[REPO].files()["other.txt"] == b"theirs"


def test_a_dry_run_tells_all_and_asks_for_nothing(run: Path, hub: StandIn) -> None:
    done = publish(run, REPO, dry_run=True)
    assert (hub.writes, hub.repos) == ([], {})
    assert set(done.sent) == set(done.sizes)
    assert done.sent_bytes == sum(done.sizes.values())
    assert publish(run, REPO).sizes == done.sizes
    hub.requests.clear()
    assert publish(run, REPO, dry_run=True).unchanged
    assert hub.writes == []


def test_a_dry_run_works_without_token_and_network(
    run: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    done = publish(run, REPO, dry_run=True)
    assert "there is no token" in done.notes[0]
    assert hub.requests == []
    monkeypatch.setenv("HF_TOKEN", token(hub, "write"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    done = publish(run, REPO, dry_run=True)
    assert "cannot be reached" in done.notes[0]
    assert set(done.sent) == set(done.sizes)


def test_tokens_that_cannot_write_are_refused_before_anything_is_sent(
    run: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, sentence in (
        ("hf_" + "x" * 30, "the Hub does not know the token (401)"),
        (token(hub, "read"), "the token of alice may only read"),
    ):
        monkeypatch.setenv("HF_TOKEN", value)
        assert sentence in refused(run)
    monkeypatch.delenv("HF_TOKEN")
    assert "there is no token: log in with `hf auth login`" in refused(run)
    assert hub.writes == []


def test_what_the_hub_refuses_is_one_clear_sentence(
    run: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no right to write to other/cats (403" in refused(run, "other/cats")
    hub.fail["/api/whoami"] = 503
    assert "the Hub has a fault of its own" in refused(run)
    assert len([path for _, path in hub.requests if "whoami" in path]) >= 3
    hub.fail = {"/api/repos/create": 409}
    assert "the name org/cats is taken" in refused(run)
    hub.fail = {}
    assert "has the branch 'main' alone" in refused(run, revision="dev")
    publish(run, REPO)
    assert "has no branch 'dev', there are main" in refused(run, revision="dev", tag="v1-dev")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in refused(run)


@pytest.mark.parametrize("repo", ["cats", "datasets/org/cats", "org/a b", "org/..", "org/", "/x"])
def test_a_bad_name_is_refused_before_anything_is_read(repo: str, hub: StandIn) -> None:
    assert repr(repo) in refused(Path("nowhere"), repo)
    assert hub.requests == []


def test_who_sees_a_dataset_never_changes_silently(run: Path, hub: StandIn) -> None:
    publish(run, "org/open", private=False)
    assert not hub.repos["org/open"].private
    assert "org/open is public, and publishing is private unless told" in refused(run, "org/open")
    assert "--private was given" in refused(run, "org/open", private=True)
    assert publish(run, "org/open", private=False).unchanged
    publish(run, REPO)
    done = publish(run, REPO, private=False)
    assert "org/cats is private and stays so" in done.notes[0]
    assert hub.repos[REPO].private


def test_a_model_of_the_same_name_is_told(run: Path, hub: StandIn) -> None:
    hub.models.add(REPO)
    assert publish(run, REPO, dry_run=True).notes == (
        "A model is called org/cats too; the dataset gets a page of its own.",
    )


def test_metadata_that_the_hub_does_not_take_stop_before_the_upload(
    tmp_path: Path, hub: StandIn
) -> None:
    run = finished(tmp_path / "here", card={"license": "nonsense"})
    for dry_run in (True, False):
        said = refused(run, dry_run=dry_run)
        assert "the Hub does not accept the card's metadata" in said
        assert "{" not in said
        assert hub.uploaded == []
        assert hub.repos == {}


def test_a_file_that_changes_while_it_is_published_stops_the_commit(
    run: Path, hub: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi

    upload = HfApi.preupload_lfs_files

    def slow(self: HfApi, *given: Any, **more: Any) -> None:
        upload(self, *given, **more)
        changed = next((run / "data").glob("train-*"))
        os.utime(changed, ns=(1, 1))

    monkeypatch.setattr(HfApi, "preupload_lfs_files", slow)
    assert "changed while it was published" in refused(run)
    assert set(hub.repos[REPO].files()) == {".gitattributes"}


def test_a_branch_and_a_tag_of_ones_own(run: Path, hub: StandIn) -> None:
    publish(run, REPO)
    repo = hub.repos[REPO]
    repo.branches["dev"] = next(iter(repo.commits))
    done = publish(run, REPO, revision="dev", tag="dev-1")
    assert repo.tags["dev-1"] == repo.branches["dev"] == done.commit
    assert repo.branches["main"] == repo.tags["v1"] != done.commit
    assert "'a b' is no name of a tag" in refused(run, tag="a b")


def test_the_dataset_loads_from_the_hub_by_its_name_and_by_its_tags(
    tmp_path: Path, run: Path, hub: StandIn
) -> None:
    environment = os.environ | {
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": token(hub, "write"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    second = finished(tmp_path / "two", made=rows(25), version="2")
    for one in (run, second):
        command = [sys.executable, "-c", "from synth.cli import main; main()", "publish"]
        done = subprocess.run(
            [*command, str(one), REPO], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "sent" in done.stdout
    script = (
        "import datasets, json\n"
        "told = {}\n"
        "for revision in ('v1', 'v2', None):\n"
        "    for name in ('default', 'notes'):\n"
        f"        found = datasets.load_dataset('{REPO}', name, revision=revision)\n"
        "        told[f'{revision} {name}'] = {s: d.to_list() for s, d in found.items()}\n"
        "print(json.dumps(told))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    for revision, folder in (("v1", run), ("v2", second), (None, second)):
        for name in ("default", "notes"):
            here = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))
            assert told[f"{revision} {name}"] == {s: d.to_list() for s, d in here.items()}


def test_token_files_go_with_their_index(tmp_path: Path, hub: StandIn) -> None:
    windows = [
        {"id": f"w{at}", "text": "a window", "input_ids": [at, 1], "doc_ids": ["d"],
         "starts": [0], "ends": [2], "offsets": [0], "position": at}
        for at in range(5)
    ]  # fmt: skip
    run = finished(
        tmp_path / "tokens",
        made=windows,
        source={"kind": "jsonl", "path": "cats.jsonl", "columns": {"id": "id", "text": "text"}},
        steps=[{"kind": "pack", "tokenizer": "bundled/smollm2-135m-instruct", "window_tokens": 8}],
        exports=[
            {"format": "rows"},
            {"format": "tokens", "name": "mega", "trainer": "megatron"},
            {"format": "tokens", "name": "nano", "trainer": "nanotron"},
        ],
    )
    sent = set(publish(run, REPO).sizes)
    files = {str(path.relative_to(run)) for path in (run / "data").rglob("*") if path.is_file()}
    assert {path for path in sent if path.startswith("data/")} == files
    assert {"data/mega/train.idx", "data/nano/train.ds.index"} < files
    (run / "data" / "mega" / "train.idx").unlink()
    assert "data/mega/train.idx is not there" in refused(run)
