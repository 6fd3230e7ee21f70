"""What a run leaves beside its rows: one record for each step, and what made it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import orjson
from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from synth.core.errors import StorageError
from synth.inputs.files import Folder

MANIFEST = "_manifest.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Record):
    """One Parquet file of a step.

    Attributes:
        file: Its name in the step's folder.
        rows: Rows in it, dropped ones included.
        live: Rows in it that go on.
    """

    file: str
    rows: NonNegativeInt
    live: NonNegativeInt


class Usage(_Record):
    """What a step asked of models.

    Attributes:
        requests: Requests sent.
        reused: Replies that an earlier run had paid for.
        prompt_tokens: Tokens of the prompts sent.
        output_tokens: Tokens that models wrote, thinking included.
        asked_ms: When the first request was sent, Unix time; None where none was.
        replied_ms: When the last reply came.
    """

    requests: NonNegativeInt = 0
    reused: NonNegativeInt = 0
    prompt_tokens: NonNegativeInt = 0
    output_tokens: NonNegativeInt = 0
    asked_ms: NonNegativeInt | None = None
    replied_ms: NonNegativeInt | None = None

    @property
    def asking_s(self) -> float:
        """Seconds from the first request to the last reply: the start of engines is not in it."""
        if self.asked_ms is None or self.replied_ms is None:
            return 0.0
        return (self.replied_ms - self.asked_ms) / 1000

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        asked = [at for at in (self.asked_ms, other.asked_ms) if at is not None]
        replied = [at for at in (self.replied_ms, other.replied_ms) if at is not None]
        return Usage(
            requests=self.requests + other.requests,
            reused=self.reused + other.reused,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            asked_ms=min(asked, default=None),
            replied_ms=max(replied, default=None),
        )


class StepRecord(_Record):
    """The ledger of one finished step. It is written last: a step without one is not finished.

    ``rows_in + rows_made == rows_out + rows_replaced + sum(dropped.values())``, always.

    Attributes:
        name: The step's name in the recipe, or a source's.
        kind: The step's kind, or ``source``, or ``export``.
        reads: The step or source it read; empty for a source.
        fingerprint: Hash of `ingredients`.
        ingredients: Everything that can change the rows, by name.
        rows_in: Live rows that came in; for a source, the records read.
        rows_out: Live rows that go on.
        rows_made: New rows.
        rows_replaced: Input rows that do not go on themselves but in the new rows made from them.
        dropped: Rows dropped, by reason.
        parts: The Parquet files that count, in the order of the rows.
        usage: What it asked of models.
        facts: What it tells of its work, such as the recall of a search.
        seconds: How long it took.
        finished_at: When it ended, ISO 8601, UTC.
    """

    name: str
    kind: str
    reads: str = ""
    fingerprint: str
    ingredients: dict[str, str]
    rows_in: NonNegativeInt
    rows_out: NonNegativeInt
    rows_made: NonNegativeInt = 0
    rows_replaced: NonNegativeInt = 0
    dropped: dict[str, NonNegativeInt] = {}
    parts: tuple[Part, ...] = ()
    usage: Usage = Usage()
    facts: dict[str, str] = {}
    seconds: float = 0.0
    finished_at: str = ""

    @property
    def rows_dropped(self) -> int:
        """Rows dropped, for whatever reason."""
        return sum(self.dropped.values())

    @property
    def adds_up(self) -> bool:
        """Whether every row is accounted for."""
        came = self.rows_in + self.rows_made
        return came == self.rows_out + self.rows_replaced + self.rows_dropped


def now() -> str:
    """The time as manifests write it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_record(folder: Folder) -> StepRecord | None:
    """The record of a finished step, None where the step is not finished.

    Raises:
        StorageError: If the file is not what `write_record` wrote.
    """
    if not folder.exists(MANIFEST):
        return None
    try:
        return StepRecord.model_validate_json(folder.read(MANIFEST))
    except ValidationError as error:
        raise StorageError(
            f"{folder.url}/{MANIFEST} is damaged or of another version of synth; "
            "delete the folder, and run again"
        ) from error


def write_record(folder: Folder, record: StepRecord) -> None:
    """Marks a step as finished; after a crash it is, or is not, but never half."""
    if not record.adds_up:
        raise AssertionError(f"the ledger of {record.name} does not add up: {record!r}")
    data = record.model_dump(mode="json")
    folder.write(MANIFEST, orjson.dumps(data, option=orjson.OPT_INDENT_2))


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs between two lists of ingredients, one sentence each, inherited ones left out.

    Args:
        before: Ingredients that made what is there.
        now: Ingredients of the recipe at hand.
    """
    told = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old == new or name.startswith("rows of "):
            continue
        if old is None:
            told.append(f"{name} is new ({_short(new)})")
        elif new is None:
            told.append(f"{name} is gone (was {_short(old)})")
        else:
            told.append(f"{name} was {_short(old)}, is {_short(new)}")
    return told


def _short(value: str | None) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:40]}…{text[-30:]}"
