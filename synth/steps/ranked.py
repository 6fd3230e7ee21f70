"""Positives and negatives that an LLM puts in order, best first, in one reply."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from synth.core.ids import derive_seed
from synth.core.rows import Table
from synth.steps.ask import Answer
from synth.steps.made import Made, Maker
from synth.steps.scored import Scoring, entries_of, give

# What a prompt calls the texts that are put in order, as they are shown.
PASSAGES = "passages"
_NUMBER = re.compile(r"\d+")
# Numbers with nothing but signs between them: those of a list of sentences rank nothing.
_LIST = re.compile(r"\d+(?:[\s>,\[\]]+\d+)+")


def shown(count: int, seed: int) -> list[int]:
    """The entries in the order in which they are shown: where one stands tells nothing of it."""
    order = list(range(count))
    Random(derive_seed(seed, "shown")).shuffle(order)
    return order


def passages_of(row: Mapping[str, Any], seed: int) -> list[str]:
    """The texts of a row's entries as they are shown."""
    texts = [str(entry["text"]) for entry in entries_of(row)]
    return [texts[at] for at in shown(len(texts), seed)]


def reply_schema(count: int) -> dict[str, Any]:
    """The JSON schema of a reply about so many texts, for engines that hold replies to one."""
    number = {"type": "integer", "minimum": 1, "maximum": count}
    order = {"type": "array", "items": number, "minItems": count, "maxItems": count}
    return {"type": "object", "properties": {"ranking": order}, "required": ["ranking"]}


def numbers(reply: str) -> list[int]:
    """The numbers that a reply lists: the longest row of them with only signs between.

    A reply that is one number and nothing else lists that one.
    """
    listed = max(_LIST.findall(reply), key=len, default="")
    alone = _NUMBER.findall(reply) if not re.search(r"[^\W\d]", reply) else []
    return [int(number[:9]) for number in _NUMBER.findall(listed) or alone[:1]]


def ranks_something(reply: str, count: int) -> bool:
    """Whether a reply names one of several texts by its number."""
    return count < 2 or any(1 <= number <= count for number in numbers(reply))


def ranking(reply: str, count: int, seed: int) -> list[int]:
    """The entries, best first, each exactly once, whatever the reply.

    A number counts where it stands first; those of no text are passed over, and so are those that
    number sentences. Texts that the reply leaves out follow in the order in which the row has them.

    Args:
        reply: Numbers of texts as they were shown, from 1.
        count: How many there are.
        seed: The one that they were shown by.
    """
    order = shown(count, seed)
    told = (number for number in numbers(reply) if 1 <= number <= count)
    named = dict.fromkeys(order[number - 1] for number in told)
    return list(dict.fromkeys([*named, *range(count)]))


def ranked_rows(batch: Table, answers: Sequence[Answer], maker: Maker) -> Made:
    """The same rows with the places of their entries as scores: 1 for the first, 0 for the last.

    A row whose reply cannot be used is dropped with its reason, or keeps the scores it had.

    Args:
        batch: The rows that were asked about.
        answers: One for each of them that has an entry.
        maker: The step.
    """
    scoring = Scoring(batch, maker)
    for answer in answers:
        if answer.parsed.failure is not None:
            scoring.failed(answer)
            continue
        own = scoring.entries(answer)
        reply = str(next(iter(answer.parsed.items[0].values())))
        last = max(1, len(own) - 1)
        order = ranking(reply, len(own), answer.ask.seed)
        give([own[entry] for entry in order], [1 - n / last for n in range(len(own))], maker)
    return scoring.made()
