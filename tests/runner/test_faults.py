"""Faults in small: kills, hangs, full disks, budgets. `benchmarks/faults.py` has them in large."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth.core.errors import EngineError, RunStopped, StorageError
from synth.inputs.files import Folder
from synth.manifest import read_record
from synth.runner import Budget, Placement
from synth.runner import run as run_recipe
from synth.runner.lock import LOCK, RunLock

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from faults_runs import (
    Recipe,
    Run,
    data_digest,
    fill,
    finish,
    lost_and_doubled,
    named,
    rows_of,
    run_folder,
    start,
    stored_keys,
)

_ROWS = 300
_FAKE = "{kind: fake, latency_s: 0.1, max_in_flight: 10}"
_FAILED, _STOPPED = 1, 3
_VLLM = "{kind: vllm, model: bundled/smollm2-135m-instruct, max_model_len: 512, dtype: float32}"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of 300 rows that takes at least three seconds, run to its end in `unharmed`."""
    path = Recipe(tmp_path_factory.mktemp("faults"), _ROWS, _FAKE).write()
    finish(path, path.parent / "unharmed")
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 20 MB."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(mount)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a filesystem takes root")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=False)


def _is_whole(recipe: Path, out: Path) -> bool:
    return data_digest(out) == data_digest(recipe.parent / "unharmed")


def _until_stored(run: Run, out: Path, replies: int) -> None:
    run.until(lambda: len(stored_keys(out)) >= replies)


@pytest.mark.ray
def test_a_run_killed_twice_ends_with_the_rows_of_one_that_was_not(
    recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for replies, whole in ((60, True), (160, False)):
        run = start(recipe, out)
        _until_stored(run, out, replies)
        run.kill(whole=whole)
    finish(recipe, out)
    assert _is_whole(recipe, out)
    assert sum(stored_keys(out).values()) == _ROWS


@pytest.mark.ray
def test_a_run_outlives_a_worker_that_is_killed(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = start(recipe, out)
    _until_stored(run, out, 60)
    named(run.process.pid, "ray::Asker")[0].kill()
    assert run.end(300) == 0
    assert _is_whole(recipe, out)


@pytest.mark.ray
def test_a_second_writer_is_refused_and_a_dead_one_is_replaced(
    recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = start(recipe, out)
    _until_stored(first, out, 30)
    os.kill(first.process.pid, signal.SIGSTOP)  # or it would be at its end before the second begins
    second = start(recipe, out)
    assert second.end(120) == _FAILED
    assert f"process {first.process.pid}" in second.said()
    first.kill(whole=False)
    finish(recipe, out)
    assert _is_whole(recipe, out)


@pytest.mark.ray
def test_ctrl_c_stops_with_one_line_and_the_same_command_goes_on(
    recipe: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run = start(recipe, out)
    _until_stored(run, out, 60)
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.end(120) == _STOPPED
    assert "The same command goes on from here" in run.said()
    assert "Traceback" not in run.said()
    assert 60 <= len(stored_keys(out)) < _ROWS
    finish(recipe, out)
    assert _is_whole(recipe, out)
    assert sum(stored_keys(out).values()) == _ROWS


@pytest.mark.ray
def test_a_full_disk_is_one_sentence_and_room_lets_the_run_go_on(
    recipe: Path, small_disk: Path
) -> None:
    out, ballast = small_disk / "out", small_disk / "ballast"
    run = start(recipe, out)
    _until_stored(run, out, 60)
    fill(ballast)
    assert run.end(300) == _FAILED
    assert "Error: no space left on the filesystem" in run.said()
    assert "Traceback" not in run.said()
    ballast.unlink()
    finish(recipe, out)
    assert _is_whole(recipe, out)


@pytest.mark.ray
def test_a_budget_of_tokens_stops_a_run_that_can_go_on(
    recipe: Path, tmp_path: Path, ray_session: None
) -> None:
    out = tmp_path / "out"
    with pytest.raises(RunStopped, match="budget of 2,000 tokens"):
        run_recipe(str(recipe), out=str(out), budget=Budget(max_tokens_total=2_000))
    assert 0 < len(stored_keys(out)) < _ROWS
    run_recipe(str(recipe), out=str(out))
    assert _is_whole(recipe, out)


@pytest.mark.ray
def test_a_budget_of_minutes_stops_a_run_that_can_go_on(
    recipe: Path, tmp_path: Path, ray_session: None
) -> None:
    out = tmp_path / "out"
    with pytest.raises(RunStopped, match="time allowed is over"):
        run_recipe(str(recipe), out=str(out), budget=Budget(max_minutes=0.05))
    run_recipe(str(recipe), out=str(out))
    assert _is_whole(recipe, out)


@pytest.mark.ray
@pytest.mark.parametrize("in_process_rows", [10_000, 0])
def test_what_ends_a_worker_is_one_sentence_wherever_the_worker_is_fed_from(
    in_process_rows: int, tmp_path: Path, ray_session: None
) -> None:
    recipe = Recipe(tmp_path, _ROWS, "{kind: fake, fail_rate: 1}", settings="attempts: 1").write()
    with pytest.raises(EngineError) as failed:
        run_recipe(
            str(recipe),
            out=str(tmp_path / "out"),
            placement=Placement(in_process_rows=in_process_rows),
        )
    assert type(failed.value) is EngineError
    assert str(failed.value).startswith("step 'again': 100% of the last")
    assert "\n" not in str(failed.value)


@pytest.mark.ray
def test_a_target_is_reached_without_asking_for_all_rows(tmp_path: Path, ray_session: None) -> None:
    model = "{kind: fake, max_in_flight: 10, fail_rate: 0.3}"
    recipe = Recipe(tmp_path, _ROWS, model, settings="attempts: 1, max_error_rate: 1.0").write()
    out, limited = tmp_path / "out", tmp_path / "limited"
    run_recipe(str(recipe), out=str(out), target_rows=40)
    source = read_record(Folder(str(run_folder(out, "-target-40") / "00-source")))
    assert source is not None
    assert len(rows_of(out, "-target-40")) >= 40
    assert len(stored_keys(out)) == source.rows_in < _ROWS
    run_recipe(str(recipe), out=str(limited), limit=source.rows_in)
    same = data_digest(limited, f"-limit-{source.rows_in}")
    assert data_digest(out, "-target-40") == same


def _held_elsewhere(folder: Folder, beat: int) -> None:
    held = {"token": "t", "host": "elsewhere", "pid": 1, "started": "0", "beat": beat}
    folder.write(LOCK, json.dumps(held).encode())


def test_a_lease_of_another_host_that_is_not_renewed_is_taken_over(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    _held_elsewhere(folder, 1)
    with RunLock(folder, lease_s=0.4):
        assert json.loads(folder.read(LOCK))["pid"] == os.getpid()
    assert not folder.exists(LOCK)


def test_a_lease_of_another_host_that_is_renewed_is_respected(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    _held_elsewhere(folder, 1)
    renewal = threading.Timer(0.2, _held_elsewhere, (folder, 2))
    renewal.start()
    with pytest.raises(StorageError, match="elsewhere, process 1"), RunLock(folder, lease_s=2.0):
        pass
    renewal.join()


def test_the_lock_of_a_process_killed_on_this_host_is_taken_over_at_once(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    program = (
        "import sys, time\nfrom synth.inputs.files import Folder\n"
        "from synth.runner.lock import RunLock\n"
        "with RunLock(Folder(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StorageError, match=f"process {holder.pid}"), RunLock(folder):
            pass
        holder.kill()
        # Not waited for: what is left of it is a zombie.
        time.sleep(0.2)
        started = time.monotonic()
        with RunLock(folder):
            assert time.monotonic() - started < 5


@pytest.mark.ray
@pytest.mark.vllm
@pytest.mark.timeout(1200)
def test_a_run_outlives_the_death_of_its_engine(tmp_path: Path) -> None:
    recipe = Recipe(tmp_path, 24, _VLLM, max_tokens=24).write()
    out = tmp_path / "out"
    run = start(recipe, out)
    _until_stored(run, out, 4)
    named(run.process.pid, "EngineCore")[0].kill()
    assert run.end() == 0
    told = read_record(Folder(str(out / "faults" / "1" / "01-again")))
    assert told is not None
    # The death of an engine costs no row: the few that drop are what a 135M model writes too long.
    assert told.rows_in == 24
    assert set(told.dropped) <= {"reply_cut"}
    assert told.rows_out >= 6
    assert lost_and_doubled(out, 24)[1] == 0
