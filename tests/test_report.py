"""The report of a run: one page that needs nothing else, on which a text is a text."""

from __future__ import annotations

import itertools
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hostile import HOSTILE, hostile_run
from report_runs import big_run, write_run, write_step
from typer.testing import CliRunner

from synth.cli import app
from synth.core.errors import StorageError, SynthError
from synth.figures import FIGURES, figures
from synth.html.figure import Bars
from synth.html.plain import plain
from synth.quality import Against, quality
from synth.report import render_report, write_report
from synth.view import Run, open_run

# All that the templates write.
ALLOWED = {
    *("html", "head", "meta", "title", "link", "style", "body", "a", "header", "nav", "main"),
    *("section", "footer", "h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "dl", "dt", "dd", "div"),
    *("span", "code", "pre", "strong", "details", "summary", "article", "figure", "figcaption"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "path", "rect", "line"),
    *("circle", "ins", "del"),
}
VOID = {"meta", "link"}


class Page(HTMLParser):
    """The tags of a page, and whether each that was opened is closed in its place."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return hostile_run(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("measured") / "1"
    big_run(folder, 300)
    return open_run(folder)


def shown(run: Run) -> list[str]:
    """All that shows rows: the report, and what notebooks show."""
    step = run[run.steps[-1]]
    first = step.head(1)["id"][0].as_py()
    pieces: list[Any] = [run, step, run.why(first), run.plot(), run["docs"]]
    pieces += [run.show(name, n=99, dropped=dropped) for name in run for dropped in (False, True)]
    return [render_report(run, quality(run)), *(one._repr_html_() for one in pieces)]


def test_no_text_of_a_row_becomes_a_tag_a_script_or_a_style(hostile: Run) -> None:
    for html in shown(hostile):
        page = Page(html)
        assert page.open == []
        assert {tag for tag, _ in page.tags} <= ALLOWED
        for tag, attributes in page.tags:
            assert not [name for name in attributes if name.startswith("on")]
            assert (attributes.get("href") or "#").startswith(("#", "data:,")), tag
            assert "src" not in attributes


def test_what_would_act_is_seen_instead(hostile: Run) -> None:
    for html in shown(hostile):
        assert not {*"\x00\x07\x1b\x9b\u202e\u2066\U000e0041"} & {*html}
    page = Page(render_report(hostile))
    for text in (HOSTILE[0], HOSTILE[5], HOSTILE[6], HOSTILE[10], HOSTILE[11]):
        assert text in page.text
    assert plain("\x1b[31mred") == "\N{REPLACEMENT CHARACTER}[31mred"


def test_a_page_loads_nothing_and_says_so_to_the_browser(hostile: Run) -> None:
    page = Page(render_report(hostile))
    (policy,) = (
        attributes["content"]
        for tag, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "http" not in "".join(a.get("href") or "" for _, a in page.tags)


def test_no_path_or_key_of_the_machine_is_on_the_page(hostile: Run) -> None:
    html = render_report(hostile)
    assert "/home/someone" not in html
    assert "sk-abcdefghijklmnop1234" not in html
    assert str(hostile.folder.root) not in html


def test_every_part_of_a_run_is_on_its_page(measured: Run) -> None:
    page = Page(render_report(measured, quality(measured)))
    for said in (
        "Every row accounted for", "Samples of margin", "near_duplicate", "Rejected negatives 6",
        "Scores of positives and negatives in margin", "Tokens written per second", "ceiling",
        "Lengths of the texts of margin", "clusters of copies", "0123456789abcdef", "made from",
        "Depth: do written texts lie", "Source classifier", "Variety", "Languages", "Toxicity",
        "Overlap with an evaluation set", "query_from_passage", "kind: minhash_dedup",
    ):  # fmt: skip
        assert said in page.text, said
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len({*ids})
    links = {(a.get("href") or "")[1:] for tag, a in page.tags if tag == "a"}
    assert links <= {*ids}


def test_a_page_is_the_same_whenever_it_is_made(measured: Run) -> None:
    assert render_report(measured) == render_report(open_run(measured.folder.url))


def test_headings_descend_one_level_at_a_time(measured: Run) -> None:
    page = Page(render_report(measured, quality(measured)))
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_run_that_has_nothing_yet_has_a_page(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    run = open_run(tmp_path / "run")
    text = Page(render_report(run, quality(run))).text
    assert "The run has nothing to draw" in text
    assert "without" in text.split("not finished", 1)[1][:40]
    assert "measured" in run._repr_html_()
    with pytest.raises(SynthError, match="no finished step yet"):
        run.show()


def test_a_report_is_written_into_the_run_or_where_it_is_told_to(
    measured: Run, tmp_path: Path
) -> None:
    assert Path(write_report(measured)) == Path(measured.folder.root) / "report.html"
    out = tmp_path / "deep" / "page.html"
    assert write_report(measured, out=str(out)) == str(out)
    assert out.read_text().startswith("<!doctype html>")
    with pytest.raises(StorageError, match=r"is a folder; give --out a file such as"):
        write_report(measured, out=str(tmp_path))


def test_the_command_writes_a_page_with_quality_and_overlap(measured: Run, tmp_path: Path) -> None:
    held_out = tmp_path / "eval.txt"
    text = measured["source"].head(1)["text"][0].as_py()
    held_out.write_text(f"{text}\n")
    out = tmp_path / "page.html"
    command = ["report", measured.folder.url, "--out", str(out), "--against", str(held_out)]
    done = CliRunner().invoke(app, [*command, "--encoder", "encoder"])
    assert done.exit_code == 0, done.output
    assert done.output.strip().endswith("page.html")
    page = Page(out.read_text())
    assert "share 13 words in a row with one of 1 texts of eval.txt" in page.text
    assert "by encoder: written queries lie" in page.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--encoder", "nobody"], "which is no model of the recipe; it has: writer, encoder"),
        (["--against", "nowhere.jsonl"], "there is no Parquet, JSON Lines or text file"),
    ],
)
def test_a_wrong_flag_is_answered_in_one_sentence(
    measured: Run, given: list[str], said: str
) -> None:
    done = CliRunner().invoke(app, ["report", measured.folder.url, *given])
    assert done.exit_code == 1
    assert said in " ".join(done.stderr.split())


def test_figures_add_up_to_the_ledger(measured: Run) -> None:
    (funnel,) = figures(measured, "funnel")
    records = measured.records
    assert [line[0] for line in funnel.lines] == [record.name for record in records]
    (why,) = figures(measured, "drop_reasons")
    assert sum(why.series[0].values) == sum(record.rows_dropped for record in records)
    (clusters,) = figures(measured, "clusters")
    dropped = measured["docs"].record.rows_dropped
    assert f"{clusters.told.split()[0]} clusters" in clusters.told
    assert sum(clusters.series[0].values) <= dropped
    (scores,) = figures(measured, "scores")
    assert [sum(one.values) for one in scores.series] == [300, 1200, 1800, 300]


def test_a_figure_of_a_sample_says_so(measured: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all("From all 300 rows" in one.told for one in figures(measured, "lengths"))
    monkeypatch.setattr("synth.figures.distributions.SAMPLE", 50)
    assert all("From 50 of 300 rows, evenly" in one.told for one in figures(measured, "lengths"))


def test_an_unknown_figure_is_answered_with_those_that_there_are(measured: Run) -> None:
    with pytest.raises(SynthError, match="no figure 'histogram'; there are: funnel, drop_reasons"):
        measured.plot("histogram")
    assert {*FIGURES} == {
        *("funnel", "drop_reasons", "lengths", "scores", "clusters", "windows", "speed", "style")
    }


def test_the_quality_of_a_run_says_what_to_do_where_it_cannot_tell(hostile: Run) -> None:
    found = {one.name: one for one in quality(hostile)}
    assert "--encoder bundled/all-minilm-l6-v2" in found["depth"].to_do
    assert "--against" in found["overlap"].to_do
    assert [line[0] for line in found["toxicity"].lines] == ["toxicity"]


def test_texts_of_one_making_are_not_told_apart_by_words(measured: Run) -> None:
    found = {one.name: one for one in quality(measured)}
    shares = {line[0]: float(line[2]) for line in found["source_auc"].lines}
    assert shares["written negatives, by words"] < 0.75
    assert shares["written queries, by style"] > 0.95
    (line,) = (line for line in found["depth"].lines if line[0] == "written queries")
    assert 0.35 < float(line[3]) < 0.65


def test_a_run_that_repeats_an_evaluation_set_is_told_so(measured: Run, tmp_path: Path) -> None:
    told = measured["margin"].head(3)["text"].to_pylist()
    path = tmp_path / "eval.txt"
    path.write_text("".join(f"{text}\n" for text in told))
    (found,) = (one for one in quality(measured, against=Against(str(path))) if one.lines and
                one.name == "overlap")  # fmt: skip
    assert int(found.told.split()[0]) >= 3
    assert {line[1] for line in found.lines[:3]} == {"100.0%"} or len(found.lines) >= 3


ORDER_FACTS = {
    "search": "exact, recall 1.000",
    "cosine to the document before": "0.412, deciles 0.10 0.20 0.30 0.40 0.50 0.60 0.70 0.80 0.90"
    "; by id 0.010, deciles -0.10 0.00 0.01 0.02 0.03 0.04 0.05 0.06 0.07",
    "jumps": "1,203 of 4,000 (30.1%); by id 3,990 of 4,000 (99.8%)",
    "windows of one topic": "80 of 100 (80.0%)",
    "shards": "4",
}


def test_an_order_is_drawn_beside_the_order_by_id(tmp_path: Path) -> None:
    write_run(tmp_path)
    windows = pa.table(
        {
            "id": ["w0", "w1"],
            "doc_ids": pa.array([["a", "b"], ["c"]], pa.list_(pa.string())),
            "drop_reason": pa.nulls(2, pa.string()),
        }
    )
    write_step(tmp_path / "01-order", "order", [], kind="order_documents", facts=ORDER_FACTS)
    write_step(tmp_path / "02-pack", "pack", [windows], kind="pack")
    cosines, shares, documents = figures(open_run(tmp_path), "windows")
    assert isinstance(cosines, Bars)
    assert isinstance(shares, Bars)
    assert cosines.labels[:2] == ("1 in 10 are below", "1 in 10 are below, by id")
    assert cosines.series[0].values == (0.1, -0.1, 0.3, 0.01, 0.5, 0.03, 0.7, 0.05, 0.9, 0.07)
    assert cosines.told == "The mean is 0.412; it would be 0.010 in the order of ids."
    assert dict(zip(shares.labels, shares.series[0].values, strict=True)) == {
        "jumps": 0.301, "jumps, by id": 0.998, "windows of one topic": 0.8,
    }  # fmt: skip
    assert documents.title == "pack: documents in a window"
    render_report(open_run(tmp_path))


def test_a_step_that_left_no_row_has_a_report(tmp_path: Path) -> None:
    write_run(tmp_path)
    write_step(tmp_path / "01-pack", "pack", [], kind="pack")
    assert figures(open_run(tmp_path), "windows") == []
    render_report(open_run(tmp_path))
