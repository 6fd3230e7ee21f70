"""Whether a reply holds the rules that its prompt declares."""

from __future__ import annotations

import functools
import re
from typing import assert_never

from rapidfuzz import fuzz

from synth.algorithms.languages import code_of, identify, is_language
from synth.core.prompt import Check, InLanguage, LengthRatio, NoPhrase, NotCopy, NotExample, Words


def holds(check: Check, reply: str, source: str, named: str = "") -> bool:
    """Whether one text of a reply holds one rule.

    Args:
        check: The rule.
        reply: The text that the model wrote.
        source: The text that the rule compares with, of the row or of the prompt's examples; empty
            where it compares with none.
        named: What names the language, for the rule that has one.
    """
    match check:
        case LengthRatio():
            one, other = (
                (reply.split(), source.split()) if check.unit == "words" else (reply, source)
            )
            ratio = len(one) / max(1, len(other))
            return check.min <= ratio and (check.max is None or ratio <= check.max)
        case NotCopy():
            return fuzz.token_set_ratio(reply.lower(), source.lower()) < check.max_ratio
        case NotExample():
            return _runs(source, check.words).isdisjoint(_runs(reply, check.words))
        case Words():
            words = len(reply.split())
            return words >= check.min and (check.max is None or words <= check.max)
        case NoPhrase():
            lowered = reply.lower()
            return not any(phrase.lower() in lowered for phrase in check.phrases)
        case InLanguage():
            code = code_of(named)
            if code is None and source:
                code = identify(source)[0]
            return code is not None and is_language(reply, code, check.min_confidence)
        case _:
            assert_never(check)


@functools.lru_cache(maxsize=64)
def _runs(text: str, length: int) -> frozenset[tuple[str, ...]]:
    """All runs of so many words, whatever their case and what stands between them."""
    words = re.findall(r"\w+", text.lower())
    return frozenset(zip(*(words[at:] for at in range(length)), strict=False))
