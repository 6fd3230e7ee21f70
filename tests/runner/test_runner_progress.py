"""What is shown of a step that asks, while its first batch is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synth.plan import make_plan
from synth.recipe import Recipe
from synth.runner import Placement
from synth.runner.asking import Asker, AskJob
from synth.runner.display import _Line, _progress
from synth.runner.engines import EnginePool
from synth.runner.execute import run_source
from synth.runner.folder import RunFolder
from synth.runner.machine import Machine
from synth.runner.meter import Counts, Meter


class Answer:
    """What a remote call has returned, awaited or not."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __await__(self) -> Generator[None, None, Any]:
        yield from ()
        return self._answer


class HereMeter:
    """A meter in this process, called as one elsewhere is."""

    def __init__(self) -> None:
        self._meter = Meter(None, None)
        self.told: list[Counts] = []

    def __getattr__(self, name: str) -> SimpleNamespace:
        def remote(*given: Any) -> Answer:
            if name == "beat":
                self.told.append(Counts(**given[2]))
            return Answer(getattr(self._meter, name)(*given))

        return SimpleNamespace(remote=remote)


def test_rows_of_a_batch_are_counted_as_their_replies_come(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"text": "row {at}"}}\n' for at in range(6)))
    (tmp_path / "note.md").write_text(
        "---\npurpose: Write a note.\nneeds: [text]\nmakes: columns\ninto: note\n---\n{{ text }}\n"
    )
    recipe = Recipe.model_validate(
        {
            "name": "progress",
            "source": {"kind": "jsonl", "path": "rows.jsonl", "columns": {"text": "text"}},
            "models": {"slow": {"kind": "fake", "latency_s": 0.4, "max_in_flight": 1}},
            "steps": [
                {"kind": "generate", "name": "ask", "prompt": "note.md", "models": {"slow": 1}}
            ],
            "export": {"format": "rows"},
        }
    ).placed(tmp_path)
    plan, meter = make_plan(recipe), HereMeter()
    placement = Placement()
    pool = EnginePool(recipe.models, placement, meter)
    machine = Machine(RunFolder(plan, str(tmp_path / "out")), pool, placement, meter)
    asyncio.run(_asked(machine, meter))
    under_way = [one for one in meter.told if not one.rows and one.answered]
    assert under_way, f"nothing was told before the batch was done: {meter.told}"
    assert meter.told[-1].rows == meter.told[-1].answered == 6


async def _asked(machine: Machine, meter: HereMeter) -> None:
    folder = machine.folder
    (source,), (step,) = folder.plan.sources, folder.plan.steps
    run_source(source, machine, None)
    assert step.generation is not None
    specs = {name: folder.plan.recipe.models[name] for name in step.models}
    replies = folder.replies(step.name)
    asker = Asker(AskJob(step.generation, specs, dict.fromkeys(specs, ()), replies, meter, 1))
    await asker.ask(folder.live_rows(folder.plan.table(step.reads)))


@pytest.mark.parametrize(
    ("counts", "total", "shown"),
    [
        ({}, 8, "0/8"),
        ({"answered": 3}, 8, "3/8"),
        ({"rows": 4, "answered": 6}, 8, "6/8"),
        ({"rows": 8, "answered": 11}, 8, "8/8"),  # a worker was lost, and its rows came again
        ({"rows": 5}, 8, "5/8"),
        ({"answered": 1_200}, None, "1,200"),
    ],
)
def test_rows_shown_are_those_that_wait_for_no_reply(
    counts: Mapping[str, int], total: int | None, shown: str
) -> None:
    line = _Line("ask", state="running", rows_in=total)
    assert _progress(line, Counts(**counts))[0] == shown
