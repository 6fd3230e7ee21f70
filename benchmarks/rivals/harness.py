"""What every rival gets the same: arguments, rows, and how a run is measured.

The scripts run in foreign environments, so this module needs only the standard library. Import it
before the rival: import seconds are counted from then on.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MODEL = "mock"
API_KEY = "none"
MAX_TOKENS = 64
# About 40 words, the length of a short paragraph.
PROMPT = (
    "Paraphrase: The archive of the harbour town keeps a ledger for every year since the great "
    "flood, and in volume {row} the clerk lists ships, cargoes and crews, the weather of the day, "
    "and whatever else he thought a later reader might need."
)

_imports_start_s = time.perf_counter()


@dataclass(frozen=True)
class Job:
    """What a rival is asked to do.

    Attributes:
        rival: Name of the rival, of those its script knows.
        base_url: Address of the server, ending in ``/v1``.
        rows: Number of rows, one request each.
        in_flight: Requests that may wait for an answer at one time.
        scratch: Empty directory for the caches and artifacts of this run, removed after it.
    """

    rival: str
    base_url: str
    rows: int
    in_flight: int
    scratch: Path

    def prompts(self) -> list[str]:
        """One prompt per row, the same for every rival."""
        return [PROMPT.format(row=row) for row in range(self.rows)]


@dataclass(frozen=True)
class Result:
    """What a rival made of it.

    Attributes:
        answers: Texts that came back; a row without an answer is None or missing.
        steady_wall_s: Seconds from the first request to the last answer, where the rival lets
            its caller see them.
    """

    answers: Sequence[str | None]
    steady_wall_s: float | None = None


class AnswerClock:
    """Time from the first request to the last answer."""

    def __init__(self) -> None:
        self._first_request_s: float | None = None
        self._last_answer_s = 0.0

    def request_sent(self) -> None:
        """A request is about to leave."""
        if self._first_request_s is None:
            self._first_request_s = time.perf_counter()

    def answer_came(self) -> None:
        """An answer was read."""
        self._last_answer_s = time.perf_counter()

    @property
    def elapsed_s(self) -> float | None:
        """Seconds between the two; None before the first request."""
        if self._first_request_s is None:
            return None
        return self._last_answer_s - self._first_request_s


def main(packages: Mapping[str, str], pipeline: Callable[[Job], Result]) -> None:
    """Run a pipeline on the job of the command line; the last line printed is its measurement.

    Wall seconds are those of the pipeline alone. CPU seconds are those of this process and of the
    children it has waited for, from their start: compare two sizes to get the cost of a row.

    Args:
        packages: The package that each rival of the script is about; the first is the default.
        pipeline: Sends one request per prompt.
    """
    import_s = time.perf_counter() - _imports_start_s
    args = _parse_arguments(tuple(packages))
    with tempfile.TemporaryDirectory(prefix="synth-bench-") as scratch:
        job = Job(args.rival, args.base_url.rstrip("/"), args.rows, args.in_flight, Path(scratch))
        start_s = time.perf_counter()
        result = pipeline(job)
        wall_s = time.perf_counter() - start_s
    answered = [answer for answer in result.answers if answer]
    _write_answers(answered, args.out)
    for child in multiprocessing.active_children():
        child.join(timeout=5)
    steady_wall_s = result.steady_wall_s
    measurement = {
        "rival": job.rival,
        "version": version(packages[job.rival]),
        "rows": job.rows,
        "rows_ok": len(answered),
        "wall_s": round(wall_s, 3),
        "steady_wall_s": None if steady_wall_s is None else round(steady_wall_s, 3),
        "cpu_s": round(_cpu_s(), 3),
        "import_s": round(import_s, 3),
    }
    print("\n" + json.dumps(measurement), flush=True)


def _parse_arguments(rivals: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True, help="address of the server, with /v1")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSONL file for the answers")
    parser.add_argument("--rival", choices=rivals, default=rivals[0])
    return parser.parse_args()


def _write_answers(answers: Sequence[str], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"answer": answer}) + "\n" for answer in answers)


def _cpu_s() -> float:
    """User and system CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
