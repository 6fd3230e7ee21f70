"""The example in CONTRIBUTING is a prompt that works."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pyarrow as pa

from synth.core.chat import Completion
from synth.engines.fake import FakeModel
from synth.engines.specs import FakeSpec
from synth.inputs.prompts import parse_prompt
from synth.steps import Generate
from synth.steps.ask import Answer, ModelCard
from synth.steps.generate import Generation

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
EXAMPLE = re.compile(r"<!-- example[^>]*-->\n```markdown\n(.*?)\n```", re.DOTALL)


def generation() -> Generation:
    found = EXAMPLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    prompt = parse_prompt("title", found[1], "CONTRIBUTING.md")
    step = Generate(prompt="title", model="writer", attempts=20)
    return Generation(step, "title", prompt, {"writer": ModelCard("fake", "fake")}, seed=1)


def test_the_example_of_a_prompt_gives_every_document_a_title() -> None:
    bound, fake = generation(), FakeModel(FakeSpec(kind="fake"))
    text = "The ledger of the harbour names ships, cargoes, crews and the weather of every day."
    rows = pa.table({"id": ["d1"], "text": [text], "drop_reason": pa.nulls(1, pa.string())})

    def answered() -> Answer:
        (ask,) = bound.ask(rows)
        for number in range(bound.step.attempts):
            request = ask.attempt(number)
            assert request is not None
            reply: Completion = asyncio.run(fake.complete(request))
            parsed = bound.verdict({"text": text}, reply)
            if parsed.failure is None:
                return Answer(ask, parsed)
        raise AssertionError("no attempt held the checks")

    made = bound.read(rows, [answered()]).rows
    assert 2 <= len(made["title"][0].as_py().split()) <= 12
    assert made["edits"][0].as_py()[0]["prompt"] == "title"


def test_an_answer_that_is_no_title_is_asked_for_again() -> None:
    verdict = generation().verdict({"text": "a b c d"}, Completion("Untitled"))
    assert verdict.failure == "check_words"
