"""Whether a reply holds the rules that its prompt declares."""

from __future__ import annotations

from typing import assert_never

from rapidfuzz import fuzz

from synth.core.prompt import Check, LengthRatio, NoPhrase, NotCopy, Words


def holds(check: Check, reply: str, source: str) -> bool:
    """Whether one text of a reply holds one rule.

    Args:
        check: The rule.
        reply: The text that the model wrote.
        source: The text of the row that the rule compares with; empty where it compares with none.
    """
    match check:
        case LengthRatio():
            ratio = len(reply.split()) / max(1, len(source.split()))
            return check.min <= ratio and (check.max is None or ratio <= check.max)
        case NotCopy():
            return fuzz.token_set_ratio(reply.lower(), source.lower()) < check.max_ratio
        case Words():
            words = len(reply.split())
            return words >= check.min and (check.max is None or words <= check.max)
        case NoPhrase():
            lowered = reply.lower()
            return not any(phrase.lower() in lowered for phrase in check.phrases)
        case _:
            assert_never(check)
