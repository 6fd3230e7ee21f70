"""What keeps a run from being published: all of it told at once, before the Hub is asked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished import EXPORTS, PROMPT, finished, rows
from hypothesis import given
from hypothesis import strategies as st
from stand_in import StandIn
from turned import turned

from synth.core.errors import PublishError, SynthError
from synth.publish import publish
from synth.publish.row_leaks import leaks_of_rows
from synth.publish.secrets import KEYS, Secrets, secrets_here

REPO = "org/cats"
HF_KEY = "hf_" + "aB3" * 12
KEY_SAMPLES = {
    "a Hugging Face token": HF_KEY,
    "an API key (sk-...)": "sk-proj-" + "aB3" * 12,
    "an AWS access key": "AKIA" + "ABCD" * 4,
    "a GitHub token": "ghp_" + "aB3" * 12,
    "a GitLab token": "glpat-" + "aB3" * 8,
    "a Google API key": "AIza" + "aB3x5" * 7,
    "a Slack token": "xoxb-" + "123456-" * 3,
    "a JSON web token": ".".join(["eyJ" + "aB3" * 5, "eyJ" + "aB3" * 5, "x" * 20]),
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
    "a password in an address": "postgres://app:s3cr3tpass@db.internal/x",
}
NOTHING = Secrets({}, {}, {})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    with turned(monkeypatch, tmp_path) as found:
        yield found


def refused(run: Path) -> list[str]:
    with pytest.raises(SynthError) as caught:
        publish(run, REPO)
    first, *rest = str(caught.value).splitlines()
    assert first.endswith("cannot be published:")
    return [line.removeprefix("- ") for line in rest]


def test_everything_is_told_at_once_and_the_hub_is_not_asked(tmp_path: Path, hub: StandIn) -> None:
    made = rows()
    made[3]["positives"][0]["text"] = f"The key is {HF_KEY}."
    exports = [{**EXPORTS[0], "splits": {"train": 0.999999, "test": 0.000001}}, EXPORTS[1]]
    prompt = PROMPT + f"\nUse {HF_KEY}.\n"
    told = refused(finished(tmp_path, made=made, exports=exports, prompt=prompt, card={}))
    assert any(one.startswith("no licence is chosen") for one in told)
    assert any("split 'test' of configuration 'default' has no row" in one for one in told)
    assert any(one.startswith("README.md, line ") and "Hugging Face" in one for one in told)
    assert any(one.startswith("prompts/note.md, line 10, has") for one in told)
    assert any(one.startswith("column positive of data/train-") for one in told)
    assert not any(HF_KEY in one for one in told)
    assert hub.requests == []


@pytest.mark.parametrize("what", ["step", "export", "card"])
def test_an_unfinished_run_is_not_published(what: str, tmp_path: Path) -> None:
    run = finished(tmp_path)
    gone = {"step": "01-notes/_manifest.json", "export": "_export/notes", "card": "README.md"}
    path = run / gone[what]
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    (told,) = refused(run)
    assert told.startswith("the run is not finished: ")
    assert "go on with `synth run`" in told


def test_an_empty_configuration_is_named(tmp_path: Path) -> None:
    made = [{**row, "negatives": []} for row in rows(5)]
    told = refused(finished(tmp_path, made=made))
    assert told[0].startswith("configuration 'default' has no row")


def test_rows_that_the_ledger_does_not_count_and_other_types_are_found(tmp_path: Path) -> None:
    run = finished(tmp_path)
    (path,) = (run / "data" / "notes").glob("*.parquet")
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    card, ledger = refused(run)
    assert card.startswith(
        "split 'train' of configuration 'notes' has 39 rows, and the card says 40"
    )
    assert ledger.startswith("configuration 'notes' has 39 rows, and the ledger counts 40")
    pq.write_table(table.drop_columns(["note"]), path)
    assert refused(run)[0].startswith(f"data/notes/{path.name} has other columns or types")
    path.write_bytes(b"no Parquet at all")
    assert any("configuration 'notes' does not open with `datasets`" in one for one in refused(run))


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
def test_exports_of_several_tables_are_fit_to_be_published(files: str, tmp_path: Path) -> None:
    names = ["beir", "nemotron", "triplet", "labeled_list", "listwise"]
    exports = [{"format": name, "name": name, "files": files} for name in names]
    done = publish(finished(tmp_path, exports=exports), REPO, dry_run=True)
    assert "nemotron/dataset_metadata.json" in done.sizes
    assert f"data/beir/qrels/test{'-00000-of-00001' if files == 'parquet' else ''}.{files}" in (
        done.sizes
    )
    assert ("data/beir/qrels/test.tsv" in done.sizes) == (files == "jsonl")


def test_a_card_of_another_recipe_is_found(tmp_path: Path) -> None:
    run = finished(tmp_path)
    card = (run / "README.md").read_text()
    (run / "README.md").write_text(card.replace("name: cats", "name: dogs"))
    assert refused(run) == [
        "README.md is of another recipe than the run; run the recipe again to write it anew"
    ]


def test_what_only_this_machine_knows_is_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_LLM_KEY", "not-like-any-key")
    models = {
        "writer": {"kind": "fake"},
        "other": {
            "kind": "openai", "model": "m", "base_url": "http://gpu7.lab.internal:8000/v1",
            "api_key_env": "MY_LLM_KEY",
        },
    }  # fmt: skip
    run = finished(tmp_path / "fine", models=models)
    publish(run, REPO, dry_run=True)
    prompt = PROMPT + "\nAsk gpu7.lab.internal with not-like-any-key.\n"
    told = refused(finished(tmp_path / "not", models=models, prompt=prompt))
    assert any("gpu7.lab.internal" in one for one in told)
    assert any("the environment variable MY_LLM_KEY" in one for one in told)
    assert not any("not-like-any-key" in one for one in told)
    made = rows(5)
    made[0]["note"] = f"see {tmp_path.resolve()}/home/outputs/cats/1/data"
    (told_of_rows,) = refused(finished(tmp_path / "home", made=made, exports=EXPORTS[1:]))[:1]
    assert "the run's folder on this machine" in told_of_rows or "README.md" in told_of_rows


def test_neither_the_cache_nor_the_run_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, cache = finished(tmp_path / "here"), tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    publish(run, REPO, dry_run=True)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert list(cache.rglob("*")) == []


def test_every_kind_of_key_is_found_by_python_and_by_arrow(tmp_path: Path) -> None:
    assert set(KEY_SAMPLES) == set(KEYS)
    for what, key in KEY_SAMPLES.items():
        text = f"before {key} after"
        assert [leak.what for leak in NOTHING.in_row(text) if leak.what.startswith(what)]
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.table({"a": [["fine"], [None, text]], "b": ["x", "y"]}), path)
        (told,) = leaks_of_rows("data/rows.parquet", path, NOTHING)
        assert told.startswith(f"column a of data/rows.parquet has {what}")
        assert key not in told
        lines = tmp_path / "rows.jsonl"
        lines.write_text(f'{{"a": "fine"}}\n{{"a": "{text}"}}\n')
        (told,) = leaks_of_rows("data/rows.jsonl", lines, NOTHING)
        assert what in told


@pytest.mark.parametrize(
    "text",
    [
        "task-oriented sk-learn-contrib-something", "hf_hub_download(repo_id)",
        "AKIAIOSFODNN7EXAMPLE",
        "risk-1234567890123456789",
        "api_key_env: OPENAI_API_KEY", "a token is a piece of a word",
        "password: see the administrator of the system", "ghp_short", "AIza",
        "http://user:password@example.org", "https://example.org:8080/a@b",
    ],
)  # fmt: skip
def test_what_only_looks_a_little_like_a_key_is_none(text: str) -> None:
    assert list(NOTHING.in_text(text)) == []


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_known_value_is_found_whatever_is_around_it(before: str, after: str) -> None:
    secrets = Secrets({"s3cr.et+value": "a secret"}, {}, {})
    assert "a secret" in [leak.what for leak in secrets.in_row(f"{before}s3cr.et+value{after}")]


def test_folders_are_found_as_wholes() -> None:
    secrets = Secrets({}, {"/home/al": "the home folder"}, {"gpu7": "a host"})
    assert list(secrets.in_text("/home/alice and /home/al7 and gpu70")) == []
    assert len(list(secrets.in_text("/home/al/x, /home/al and http://gpu7:8000"))) == 3


def test_words_and_homes_of_everybody_are_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/root")
    monkeypatch.setattr("socket.gethostname", lambda: "debian")
    found = secrets_here("name: cats\n", [], tmp_path, None)
    assert set(found.places) == {str(tmp_path.resolve())}
    assert found.names == {}


def test_many_rows_are_searched_in_seconds(tmp_path: Path) -> None:
    words = "every risk-averse reader asks for tasks such as sorting a list of names. "
    table = pa.table({"text": [f"{at} {words * 8}" for at in range(20_000)]})
    path = tmp_path / "rows.parquet"
    pq.write_table(table, path)
    started = time.monotonic()
    assert list(leaks_of_rows("rows", path, Secrets({HF_KEY: "x"}, {"/home/al": "y"}, {}))) == []
    assert time.monotonic() - started < 10


def test_what_cannot_be_published_is_an_error_of_ours(tmp_path: Path) -> None:
    assert issubclass(PublishError, SynthError)
    with pytest.raises(SynthError, match="there is no run in"):
        publish(tmp_path, REPO)
