"""`synth calibrate-margin` and `synth style-leak` on runs with the fake model."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from synth.calibration import calibrate_margin
from synth.calibration.calibrate import Calibration, Point
from synth.calibration.sweep import Candidates, kept_by, margins
from synth.cli import app
from synth.core.errors import RecipeError, SynthError
from synth.recipe import load_recipe
from synth.runner import run
from synth.steps import MarginFilter
from synth.terminal import render_calibration
from synth.view import open_run

TOPICS = ("glass", "volcano", "wheel", "camel", "harbour", "clock")
SYLLABLES = ("ka", "lo", "mi", "ne", "ru", "sa", "to", "vu")


NEAR_MISS = """\
---
purpose: Write a near miss.
needs: [query]
makes: negatives
---
A passage that does not answer: {{ query }}
"""


def words(draw: Random, count: int) -> str:
    return " ".join("".join(draw.choices(SYLLABLES, k=2)) for _ in range(count))


def write_recipe(folder: Path, **margin: Any) -> Path:
    """Pairs of a query and a passage of one topic each, mined and filtered."""
    draw, rows = Random(3), []
    for number in range(60):
        topic = TOPICS[number % 6]
        rows.append(
            {
                "id": f"d{number:02}",
                "query": f"{topic} {topic} {words(draw, 2)}",
                "answer": f"{topic} {topic} {topic} {words(draw, 6)}",
            }
        )
    (folder / "pairs.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n")
    (folder / "near_miss.md").write_text(NEAR_MISS)
    recipe = {
        "name": "pairs",
        "source": {
            "kind": "jsonl",
            "path": "pairs.jsonl",
            "columns": {"id": "id", "query": "query", "positives": "answer"},
        },
        "sources": {
            "passages": {
                "kind": "jsonl",
                "path": "pairs.jsonl",
                "columns": {"id": "id", "text": "answer"},
            }
        },
        "models": {"encoder": {"kind": "fake", "model": "encoder"}, "judge": {"kind": "fake"}},
        "steps": [
            {"name": "corpus", "kind": "embed", "from": "passages", "model": "encoder"},
            {
                "name": "vectors",
                "kind": "embed",
                "from": "source",
                "column": "query",
                "model": "encoder",
            },
            {"name": "mined", "kind": "mine_negatives", "corpus": "corpus", "depth": 20},
            {
                "name": "written",
                "kind": "generate",
                "prompt": "near_miss.md",
                "model": "judge",
                "on_failure": "keep",
                "max_error_rate": 1,
            },
            {"name": "scores", "kind": "score", "model": "encoder"},
            {"kind": "margin_filter", "keep": 3, **margin},
        ],
        "export": {"format": "rows"},
    }
    path = folder / "pairs.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("calibration")
    return run(str(write_recipe(folder)), out=str(folder / "out")).path


def test_a_wider_margin_keeps_no_more_and_as_it_is_is_what_the_run_kept(finished: str) -> None:
    opened = open_run(finished)
    step = MarginFilter(keep=3)
    table = opened["scores"].to_arrow()
    candidates = Candidates.of(table, step)
    kept = {
        name: kept_by(one, table, candidates) for name, one in margins(step, candidates).items()
    }
    fixed = [kept[name].a_row for name in kept if name.startswith("relative")]
    assert fixed == sorted(fixed, reverse=True)
    assert kept["no margin"].a_row >= fixed[0]
    auto = [kept[name].a_row for name in kept if name.startswith("auto")]
    assert auto == sorted(auto)
    live = opened["margin_filter"].to_arrow()
    assert kept["as it is"].a_row == pytest.approx(
        sum(map(len, live["negatives"].to_pylist())) / live.num_rows
    )
    assert kept["as it is"].mask.sum() == kept["relative 5%"].mask.sum()


def test_calibration_tells_yield_and_false_negatives_and_leaves_a_page(finished: str) -> None:
    found = calibrate_margin(finished, judge="judge", sample=80)
    assert found.asked == 80
    assert found.hits > found.false_alarms
    assert {point.margin for point in found.points} >= {"as it is", "no margin", "auto 5%"}
    for point in found.points:
        if point.false_negatives is not None:
            assert point.low is not None
            assert point.high is not None
            assert 0 <= point.low <= point.false_negatives <= point.high <= 1
    home = Path(finished) / "_calibration"
    told = json.loads((home / "margins.json").read_text())
    assert len(told["points"]) == len(found.points)
    svg = (home / "margins.svg").read_text()
    assert "auto" in svg
    assert calibrate_margin(finished, judge="judge", sample=80) == found
    assert (home / "margins.svg").read_text() == svg


def test_the_command_shows_the_table(finished: str) -> None:
    done = CliRunner().invoke(app, ["calibrate-margin", finished, "--judge", "judge"])
    assert done.exit_code == 0, done.output
    assert "as it is" in done.output
    assert "The judge calls" in done.output


def test_scores_without_a_bound_are_swept_by_distance(finished: str) -> None:
    step = MarginFilter(relative_margin=None, absolute_margin=0.1)
    table = open_run(finished)["scores"].to_arrow()
    candidates = Candidates.of(table, step)
    wide = Candidates(candidates.entries, candidates.fine, candidates.gaps * 10, bounded=False)
    tried = margins(step, wide)
    assert [name for name in tried if name.startswith("absolute")]
    assert not [name for name in tried if name.startswith("relative")]


@pytest.mark.parametrize(
    ("more", "error", "said"),
    [
        ({"judge": "jugde"}, RecipeError, "did you mean 'judge'"),
        ({"judge": None}, RecipeError, "name one of encoder, judge"),
        ({"step": "mined", "judge": "judge"}, SynthError, "it has margin_filter"),
    ],
)
def test_what_cannot_be_calibrated_says_why(
    finished: str, more: dict[str, Any], error: type[SynthError], said: str
) -> None:
    with pytest.raises(error, match=said):
        calibrate_margin(finished, **more)


def test_a_run_without_a_margin_says_so(tmp_path: Path) -> None:
    path = write_recipe(tmp_path)
    recipe = yaml.safe_load(path.read_text())
    recipe["steps"] = recipe["steps"][:3]
    path.write_text(yaml.safe_dump(recipe))
    done = run(load_recipe(str(path)), out=str(tmp_path / "out"))
    with pytest.raises(SynthError, match="no margin_filter step; it has none"):
        calibrate_margin(done.path, judge="judge")


def test_the_style_of_the_fake_gives_it_away(finished: str) -> None:
    done = CliRunner().invoke(app, ["style-leak", finished, "--step", "scores"])
    assert done.exit_code == 0, done.output
    assert "mined negatives" in done.output
    assert "positives" in done.output
    refused = CliRunner().invoke(app, ["style-leak", finished, "--step", "corpus"])
    assert refused.exit_code == 1
    assert "has no negatives in a step 'corpus'" in " ".join(refused.output.split())


def test_a_narrow_terminal_cuts_no_margin_and_no_share() -> None:
    names = ["as it is", "no margin", "relative 10%", "relative 15%", "auto"]
    points = tuple(Point(name, 3.2, 0.05, 0.01, 0.123, 0.081, 0.214) for name in names)
    page = StringIO()
    found = Calibration("margin", "judge", 0.9, 0.1, 5, 5, 4, points)
    Console(width=80, file=page).print(render_calibration(found))
    told = page.getvalue()
    assert all(name in told for name in names)
    assert told.count("8.1% to 21.4%") == len(names)
