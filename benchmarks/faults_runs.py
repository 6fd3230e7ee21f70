"""What the trials of `faults.py` share: a recipe to run, a run to kill, and its result to compare.

A run is the command `synth run` in a session of its own. It may be killed as a whole, as a batch
system does, or at its driver alone, as the kernel does when memory is short.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import psutil
import pyarrow.parquet as pq

SYNTH = str(Path(sys.executable).with_name("synth"))
# Replies of the servers and of the fake arrive after this time; 50 requests are under way.
LATENCY_S, IN_FLIGHT = 0.2, 50
NAME, VERSION = "faults", "1"
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "COLUMNS": "200",
}

_PROMPT = """---
purpose: {purpose}
source: benchmarks/faults.py
needs: [text]
makes: {makes}
into: {column}
---
{purpose}: {{{{ text }}}}
"""
_WORDS = ("glass", "sand", "soda", "ash", "kiln", "lime", "potash", "lens", "mould", "mirror")


@dataclass(frozen=True)
class Recipe:
    """A recipe of one or two generate steps in a folder of its own.

    Attributes:
        folder: Where recipe, prompts and documents lie.
        rows: Documents.
        model: The entry of its model, as YAML.
        steps: Generate steps.
        max_tokens: Bound of a reply; None leaves the default.
        settings: Further settings of every step, as YAML.
    """

    folder: Path
    rows: int
    model: str
    steps: int = 1
    max_tokens: int | None = None
    settings: str = ""

    def write(self) -> Path:
        """Writes it; the path of the recipe."""
        self.folder.mkdir(parents=True, exist_ok=True)
        documents = [
            {"id": f"d{number}", "text": f"Document {number}: {_sentence(number)}"}
            for number in range(self.rows)
        ]
        (self.folder / "docs.jsonl").write_text(
            "".join(json.dumps(one) + "\n" for one in documents)
        )
        prompts = {
            "again": _PROMPT.format(purpose="Say it again", makes="rows", column="text"),
            "title": _PROMPT.format(purpose="Give a title", makes="columns", column="title"),
        }
        told = [
            f'name: {NAME}\nversion: "{VERSION}"\nseed: 5',
            "source: {kind: jsonl, path: docs.jsonl, columns: {id: id, text: text}}",
            f"models: {{writer: {self.model}}}",
            "steps:",
        ]
        for name, text in list(prompts.items())[: self.steps]:
            (self.folder / f"{name}.md").write_text(text)
            settings = f", {self.settings}" if self.settings else ""
            if self.max_tokens is not None:
                settings += f", sampling: {{max_tokens: {self.max_tokens}, temperature: 0}}"
            told.append(
                f"  - {{name: {name}, kind: generate, prompt: {name}.md, model: writer{settings}}}"
            )
        told.append("export: {format: rows}")
        path = self.folder / "recipe.yaml"
        path.write_text("\n".join(told) + "\n")
        return path


def _sentence(number: int) -> str:
    chosen = [_WORDS[(number * step + step) % len(_WORDS)] for step in (1, 3, 5, 9, 11)]
    return f"{' and '.join(chosen)} were traded in the year {1000 + number}."


@dataclass
class Run:
    """A `synth run` under way.

    Attributes:
        process: The driver, leader of a session of its own.
        log: What it prints.
        started: When, in seconds of the monotonic clock.
    """

    process: subprocess.Popen[bytes]
    log: Path
    started: float = field(default_factory=time.monotonic)

    def kill(self, *, whole: bool) -> None:
        """Ends it with SIGKILL: all processes of its session, or the driver alone."""
        for process in session(self.process.pid) if whole else ():
            _quietly(process.kill)
        _quietly(self.process.kill)
        self.process.wait()

    def kill_after(self, seconds: float, *, whole: bool) -> bool:
        """Kills it after some time; False where it had ended before."""
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill(whole=whole)
            return True
        return False

    def end(self, timeout_s: float = 600.0) -> int:
        """Waits for its end; the exit code. What runs longer is killed."""
        try:
            return self.process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill(whole=True)
            raise

    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.started

    def said(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def until(self, condition: Callable[[], bool], timeout_s: float = 600.0) -> None:
        """Waits until something holds.

        Raises:
            TimeoutError: If it does not in time, or the run ends before.
        """
        until = time.monotonic() + timeout_s
        while not condition():
            if self.process.poll() is not None or time.monotonic() > until:
                raise TimeoutError(f"the run is not where it should be:\n{self.said()[-2000:]}")
            time.sleep(0.1)


def start(recipe: Path, out: Path | str, flags: Sequence[str] = (), **environment: str) -> Run:
    """Starts a run into a folder, or to a URL."""
    if isinstance(out, Path):
        out.mkdir(parents=True, exist_ok=True)
    # Beside the recipe, for the disk of `out` may be full.
    log = recipe.parent / f"{'-'.join(str(out).split('/')[-2:])}.log"
    with log.open("ab") as opened:
        process = subprocess.Popen(
            [SYNTH, "run", str(recipe), "--out", str(out), *flags],
            stdout=opened,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **ENVIRONMENT, **environment},
        )
    return Run(process, log)


def finish(recipe: Path, out: Path | str, flags: Sequence[str] = (), **environment: str) -> float:
    """Runs to the end; its seconds.

    Raises:
        RuntimeError: If it does not end well.
    """
    run = start(recipe, out, flags, **environment)
    if code := run.end():
        raise RuntimeError(f"exit code {code}:\n{run.said()[-3000:]}")
    return run.seconds()


def session(leader: int) -> list[psutil.Process]:
    """All processes of a session."""
    return [one for one in psutil.process_iter() if _session_of(one.pid) == leader]


def named(leader: int, part: str) -> list[psutil.Process]:
    """The processes of a session whose command holds a text."""
    found = []
    for one in session(leader):
        try:
            if part in " ".join([one.name(), *one.cmdline()]):
                found.append(one)
        except psutil.Error:
            continue
    return found


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def _quietly(kill: Callable[[], None]) -> None:
    try:
        kill()
    except (psutil.NoSuchProcess, ProcessLookupError):
        return


def stop(process: psutil.Process) -> None:
    """Stops a process as a hang would: it is there and does nothing."""
    os.kill(process.pid, signal.SIGSTOP)


def run_folder(out: Path, suffix: str = "") -> Path:
    """The folder of the recipe's run."""
    return out / NAME / f"{VERSION}{suffix}"


def data_digest(out: Path, suffix: str = "") -> str:
    """SHA-256 over names and bytes of all files of `data/`."""
    data = run_folder(out, suffix) / "data"
    return digest_of(
        (str(path.relative_to(data)), path.read_bytes())
        for path in sorted(one for one in data.rglob("*") if one.is_file())
    )


def digest_of(files: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over names and bytes of files in their order."""
    digest = sha256()
    for name, content in files:
        digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def rows_of(out: Path, suffix: str = "") -> list[dict[str, object]]:
    """The rows of `data/`."""
    rows: list[dict[str, object]] = []
    for path in sorted((run_folder(out, suffix) / "data").rglob("*.parquet")):
        rows += pq.read_table(path).to_pylist()
    return rows


def lost_and_doubled(out: Path, wanted: int) -> tuple[int, int]:
    """Documents that no row of `data/` comes from, and rows beyond one for each document."""
    parents = Counter(str(row["parent_id"]) for row in rows_of(out))
    return wanted - len(parents), sum(parents.values()) - len(parents)


def stored_keys(out: Path) -> Counter[str]:
    """How often each key is in the reply store, whole lines alone."""
    return keys_in(path.read_bytes() for path in (out / NAME / "_replies").rglob("*.jsonl"))


def keys_in(files: Iterable[bytes]) -> Counter[str]:
    """How often each key is in files of a reply store, whole lines alone."""
    return Counter(line[6:38].decode() for found in files for line in found.split(b"\n")[:-1])


def fill(path: Path) -> None:
    """Writes until nothing fits any more."""
    with path.open("wb", buffering=0) as opened:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    opened.write(b"x" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
