"""How far a run is: one live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import ray
from rich.console import Console
from rich.live import Live
from rich.table import Table

from synth.manifest import StepRecord
from synth.runner.meter import Counts, MeterHandle, Snapshot

# How often a terminal is drawn anew. Each look at the counts takes some 5 ms of CPU, which an
# engine that decodes on all cores feels.
_REFRESH_S = 1.0
# How often a log without a terminal gets a line while a step is under way.
_LINE_EVERY_S = 10.0


@dataclass(slots=True)
class _Line:
    """What is shown of one step."""

    name: str
    state: str = "waiting"
    rows_in: int | None = None
    started: float = 0.0
    told: float = 0.0
    done: StepRecord | None = None


class Display:
    """Shows the steps of a run while they run.

    Args:
        console: Where to.
        steps: Names of sources and steps in order.
        meter: Has the counts.
    """

    def __init__(self, console: Console, steps: Sequence[str], meter: MeterHandle) -> None:
        self._console = console
        self._lines = {name: _Line(name) for name in steps}
        self._meter = meter
        self._snapshot = Snapshot()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._refresh, daemon=True, name="display")
        self._live: Live | None = None

    def __enter__(self) -> Display:
        """Begins to show."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends; in a terminal the ledger takes the place of the live table."""
        self._stop.set()
        self._thread.join(timeout=5)
        if self._live is not None:
            self._live.stop()

    def started(self, names: Sequence[str], rows_in: int | None) -> None:
        """Some steps run now."""
        for name in names:
            line = self._lines[name]
            line.state, line.rows_in = "running", rows_in
            line.started = line.told = time.monotonic()

    def finished(self, record: StepRecord, *, reused: bool = False) -> None:
        """A step is done."""
        line = self._lines[record.name]
        line.state, line.done = "finished earlier" if reused else "done", record
        if self._live is None:
            cost = (
                f", {_tokens(record.usage.output_tokens, record.seconds)}"
                if record.usage.requests
                else ""
            )
            took = "finished earlier" if reused else f"{record.seconds:.1f} s"
            self._console.print(
                f"{record.name}: {record.rows_in:,} rows in, {record.rows_out:,} out, "
                f"{record.rows_dropped:,} dropped ({took}{cost})",
                highlight=False,
            )

    def _refresh(self) -> None:
        every_s = _LINE_EVERY_S / 2 if self._live is None else _REFRESH_S
        while not self._stop.wait(every_s):
            try:
                self._snapshot = ray.get(self._meter.snapshot.remote(), timeout=5)
            except Exception:  # noqa: BLE001  (a busy or stopping Ray costs a refresh, no more)
                continue
            if self._live is not None:
                self._live.update(self._table(), refresh=True)
            else:
                self._plain()

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("step", "rows", "tokens/s", "left", ""):
            table.add_column(column, justify="left" if column in ("step", "") else "right")
        for line in self._lines.values():
            counts = self._snapshot.steps.get(line.name, Counts())
            table.add_row(line.name, *_progress(line, counts), style=_STYLES.get(line.state, ""))
        for engine, state in self._snapshot.engines.items():
            table.add_row(f"engine {engine}", "", "", "", f"{state} …", style="yellow")
        return table

    def _plain(self) -> None:
        now = time.monotonic()
        for line in self._lines.values():
            if line.state == "running" and now - line.told >= 0.9 * _LINE_EVERY_S:
                line.told = now
                counts = self._snapshot.steps.get(line.name, Counts())
                rows, speed, left, _ = _progress(line, counts)
                starting = ", ".join(f"engine {n} {s}" for n, s in self._snapshot.engines.items())
                parts = [
                    rows and f"{rows} rows",
                    speed and f"{speed} tokens/s",
                    left and f"{left} left",
                ]
                told = ", ".join(part for part in [*parts, starting] if part)
                self._console.print(f"{line.name}: {told}", highlight=False)


_STYLES = {"waiting": "dim", "finished earlier": "dim", "running": "bold"}


def _progress(line: _Line, counts: Counts) -> tuple[str, str, str, str]:
    """Rows, tokens per second, time left and state of a step, as text."""
    if line.done is not None:
        record = line.done
        dropped = f", {record.rows_dropped:,} dropped" if record.rows_dropped else ""
        speed = _speed(record.usage.output_tokens, record.seconds)
        return f"{record.rows_out:,}", speed, "", f"{line.state}{dropped}"
    if line.state != "running":
        return "", "", "", line.state
    elapsed = time.monotonic() - line.started
    total = line.rows_in
    done = max(counts.rows, counts.answered)
    if total is not None:  # rows of a worker that was lost are answered twice
        done = min(done, total)
    rows = f"{done:,}" if total is None else f"{done:,}/{total:,}"
    left = ""
    if total and 0 < done < total:
        left = _clock(elapsed / done * (total - done))
    reused = f"running, {counts.reused:,} replies reused" if counts.reused else "running"
    return rows, _speed(counts.output_tokens, elapsed), left, reused


def _speed(tokens: int, seconds: float) -> str:
    return f"{tokens / seconds:,.0f}" if tokens and seconds > 0 else ""


def _tokens(tokens: int, seconds: float) -> str:
    return f"{tokens:,} tokens written, {_speed(tokens, seconds) or 0} tokens/s"


def _clock(seconds: float) -> str:
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
