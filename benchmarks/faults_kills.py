"""Runs that are killed again and again, and end with the rows of one that never was."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from faults_runs import (
    IN_FLIGHT,
    LATENCY_S,
    Recipe,
    data_digest,
    finish,
    lost_and_doubled,
    rows_of,
    start,
    stored_keys,
)
from faults_server import CountingServer
from faults_table import Finding

_SEED = 29
_ROWS = 2_000
# Kills come at instants of one run: when a random number of requests has been sent, and up to this
# long afterwards.
_JITTER_S = 0.3
_REAL_ROWS, _REAL_TOKENS = 48, 40
_REAL_MODEL = "kind: vllm, model: bundled/smollm2-135m-instruct, max_model_len: 512"


@dataclass(frozen=True)
class _Kill:
    """One kill: after how many requests, how many were under way, and how many asked again."""

    after: int
    in_flight: int
    repeated: int


def kills(work: Path, *, quick: bool) -> list[Finding]:
    """Kills of a recipe on a server that counts, and on the fake engine."""
    each = 2 if quick else 15
    rows = 400 if quick else _ROWS
    found = []
    with CountingServer(LATENCY_S) as server:
        model = (
            f"{{kind: openai, model: mock, base_url: '{server.url}', max_in_flight: {IN_FLIGHT}}}"
        )
        recipe = Recipe(work / "kills", rows, model, steps=2).write()
        seconds = finish(recipe, work / "kills" / "unkilled")
        for whole in (True, False):
            out = work / "kills" / ("session" if whole else "driver")
            tally = _kill_often(recipe, out, server, each)
            found.append(_killed(tally, rows, seconds, whole=whole))
    return [*found, _on_fake(work / "kills-fake", rows, 1 if quick else 4)]


def _killed(tally: _Tally, rows: int, seconds: float, *, whole: bool) -> Finding:
    worst = max(tally.kills, key=lambda one: one.repeated)
    mean = sum(one.repeated for one in tally.kills) / len(tally.kills)
    what = "the driver's whole session" if whole else "the driver process alone"
    return Finding(
        "kills",
        f"kill -9 of {what} at {len(tally.kills)} random instants, {rows:,} rows, two generate "
        f"steps, {IN_FLIGHT} in flight, resumed each time",
        tally.same and not tally.lost and not tally.doubled and worst.repeated <= IN_FLIGHT,
        f"{tally.lost} rows lost, {tally.doubled} doubled; `data/` "
        f"{'is' if tally.same else 'is NOT'} byte for byte the unkilled run's; requests asked "
        "again after a kill, as the server counts them: "
        f"worst {worst.repeated}, mean {mean:.1f}",
        {
            "kills": len(tally.kills),
            "rows_lost": tally.lost,
            "rows_doubled": tally.doubled,
            "identical": tally.same,
            "worst_repeated": worst.repeated,
            "mean_repeated": round(mean, 1),
            "unkilled_s": round(seconds, 1),
        },
    )


@dataclass(frozen=True)
class _Tally:
    """What came of many kills."""

    kills: tuple[_Kill, ...]
    same: bool
    lost: int
    doubled: int


def _kill_often(recipe: Path, out: Path, server: CountingServer, count: int) -> _Tally:
    """One run that is killed so often, gone on with each time, and then finished."""
    whole = out.name == "session"
    draw = Random(_SEED + whole)
    unkilled = recipe.parent / "unkilled"
    rows = len(rows_of(unkilled))
    total = len(stored_keys(unkilled))
    server.forget()
    killed = []
    for after in sorted(draw.sample(range(1, total - IN_FLIGHT), count)):
        run = start(recipe, out)
        run.until(lambda after=after: server.distinct >= after)  # type: ignore[misc]
        time.sleep(draw.uniform(0, _JITTER_S))
        killed.append((after, server.in_flight))
        run.kill(whole=whole)
        server.next_epoch()
    finish(recipe, out)
    kills = [_Kill(*told, server.repeats[at]) for at, told in enumerate(killed)]
    print(
        f"  {out.name}: {[(one.after, one.in_flight, one.repeated) for one in kills]}", flush=True
    )
    same = data_digest(out) == data_digest(unkilled)
    return _Tally(tuple(kills), same, *lost_and_doubled(out, rows))


def _on_fake(work: Path, rows: int, count: int) -> Finding:
    """The same on the fake engine, which knows no server that could count."""
    model = f"{{kind: fake, latency_s: {LATENCY_S}, max_in_flight: {IN_FLIGHT}}}"
    recipe = Recipe(work, rows, model, steps=2).write()
    finish(recipe, work / "unkilled")
    draw = Random(_SEED)
    out = work / "killed"
    for after in sorted(draw.sample(range(1, 2 * rows - IN_FLIGHT), count)):
        run = start(recipe, out)
        run.until(lambda after=after: len(stored_keys(out)) >= after)  # type: ignore[misc]
        run.kill(whole=draw.random() < 1 / 2)
    finish(recipe, out)
    keys = stored_keys(out)
    twice = sum(keys.values()) - len(keys)
    same = data_digest(out) == data_digest(work / "unkilled")
    lost, doubled = lost_and_doubled(out, rows)
    return Finding(
        "kills",
        f"kill -9 at {count} random instants on the fake engine with latency, {rows:,} rows",
        same and not lost and not doubled and twice <= count * IN_FLIGHT,
        f"{lost} rows lost, {doubled} doubled, `data/` {'identical' if same else 'differs'}; "
        f"{twice} replies stored twice",
        {"kills": count, "rows_lost": lost, "rows_doubled": doubled, "stored_twice": twice},
    )


def real(work: Path, *, quick: bool) -> list[Finding]:
    """The bundled LLM through vLLM at temperature 0: twice to the end, and killed three times."""
    dtypes = ("bfloat16",) if quick else ("bfloat16", "float32")
    found = []
    for dtype in dtypes:
        found += _real(work / dtype, dtype, 1 if quick else 3)
    return found


def _real(work: Path, dtype: str, count: int) -> list[Finding]:
    recipe = Recipe(
        work, _REAL_ROWS, f"{{{_REAL_MODEL}, dtype: {dtype}}}", max_tokens=_REAL_TOKENS
    ).write()
    for name in ("first", "second"):
        finish(recipe, work / name)
    out = work / "killed"
    for number in range(count):
        wanted = _REAL_ROWS * (number + 1) // (count + 1)
        run = start(recipe, out)
        run.until(lambda wanted=wanted: len(stored_keys(out)) >= wanted)  # type: ignore[misc]
        run.kill(whole=bool(number % 2))
    before = len(stored_keys(out))
    finish(recipe, out)
    keys = stored_keys(out)
    twice = sum(keys.values()) - len(keys)
    lost, doubled = lost_and_doubled(out, len(rows_of(work / "first")))
    unlike, unlike_killed = _unlike(work / "first", work / "second"), _unlike(work / "first", out)
    return [
        Finding(
            "real",
            f"two uninterrupted runs of {_REAL_ROWS} rows, temperature 0, {dtype}",
            data_digest(work / "first") == data_digest(work / "second"),
            f"{unlike} of {_REAL_ROWS} rows differ",
            {"rows_unlike": unlike},
        ),
        Finding(
            "real",
            f"kill -9 at {count} instants in mid-step, resumed, {dtype}",
            not lost and not doubled and not twice,
            f"{lost} rows lost, {doubled} doubled, {twice} replies stored twice ({before} of "
            f"{_REAL_ROWS} were kept at the last kill); {unlike_killed} rows read otherwise than "
            "in the unkilled run",
            {"rows_lost": lost, "rows_doubled": doubled, "rows_unlike": unlike_killed},
        ),
    ]


def _unlike(one: Path, other: Path) -> int:
    texts = [{row["parent_id"]: row["text"] for row in rows_of(out)} for out in (one, other)]
    return sum(texts[0].get(name) != texts[1].get(name) for name in texts[0] | texts[1])
