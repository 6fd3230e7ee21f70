"""What libraries and workers print while a run goes on, and after its end."""

from __future__ import annotations

import sys
from pathlib import Path

from synth.runner.cluster import chatter_to


def test_whoever_still_holds_the_log_of_an_ended_run_may_write(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.log"
    with chatter_to(path):
        held = sys.stderr
        sys.stdout.write("while it runs\n")
        held.write("while it runs, too\n")
    held.write("too late\n")
    held.flush()
    assert sys.stderr is not held
    assert path.read_text(encoding="utf-8").splitlines() == ["while it runs", "while it runs, too"]


def test_two_runs_share_one_log(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    for line in ("first", "second"):
        with chatter_to(path):
            sys.stdout.write(f"{line}\n")
    assert path.read_text(encoding="utf-8") == "first\nsecond\n"
