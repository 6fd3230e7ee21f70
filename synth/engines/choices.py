"""How probable a model finds each of a few words as the beginning of its reply."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import orjson

# Alternatives to its first token that an engine is asked for: the most that vLLM and the OpenAI API
# give without further settings.
ALTERNATIVES = 20
_DIGITS = 6


def choice_reply(choices: Sequence[str], tokens: Iterable[tuple[str, float]]) -> str:
    """The probability of each choice, as a JSON object; choices without any are left out.

    A token speaks for the choice that it is, whatever its case and the spaces around it, or else
    for the only one that it begins.

    Args:
        choices: The words.
        tokens: Texts of possible first tokens with the natural logarithm of their probability.
    """
    found = dict.fromkeys(choices, 0.0)
    for text, logprob in tokens:
        choice = _meant(choices, text.strip().casefold())
        if choice is not None:
            found[choice] += math.exp(logprob)
    some = {choice: round(share, _DIGITS) for choice, share in found.items()}
    return orjson.dumps({choice: share for choice, share in some.items() if share}).decode()


def _meant(choices: Sequence[str], token: str) -> str | None:
    if not token:
        return None
    exact = [choice for choice in choices if choice.casefold() == token]
    begun = exact or [choice for choice in choices if choice.casefold().startswith(token)]
    return begun[0] if len(begun) == 1 else None
