"""Identity from content: ids, seeds and fingerprints that no clock, position or machine changes."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

# 128 bits: a billion rows collide with a probability below 1e-20.
ID_BYTES = 16
# OpenAI-compatible servers and vLLM take a signed 64-bit seed; torch's CPU generator reads 32 bits
# of it without loss, so a seed stays below 2**31 everywhere.
SEED_BITS = 31


def canonical_json(value: Any) -> bytes:  # noqa: ANN401  (any JSON value)
    """The one JSON text of a value: keys sorted, no spaces, so that it can be hashed.

    Raises:
        TypeError: If the value holds anything that JSON has no word for, a set among them.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def fingerprint(*parts: Any) -> str:  # noqa: ANN401  (any JSON values)
    """32 hex digits that change when any part changes.

    Parts are hashed as one canonical JSON list, so ``("ab", "c")`` and ``("a", "bc")`` differ.
    """
    return hashlib.blake2b(canonical_json(parts), digest_size=ID_BYTES).hexdigest()


def content_id(*parts: str | int | None) -> str:
    """The id of a row from what it is made of: its parents and its content."""
    return fingerprint("row", *parts)


def derive_seed(seed: int, *parts: str | int) -> int:
    """A seed in [0, 2**31) of its own for everything that is named by `parts`."""
    digest = hashlib.blake2b(canonical_json((seed, *parts)), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> (64 - SEED_BITS)


def unit_interval(*parts: str | int) -> float:
    """A number in [0, 1) drawn from `parts` alone: the same on one worker or on many."""
    digest = hashlib.blake2b(canonical_json(parts), digest_size=8).digest()
    # A float64 holds 53 bits; a number of 64 would be rounded, and the largest of them up to 1.
    return (int.from_bytes(digest, "big") >> 11) / 2.0**53


def weighted_choice(weights: dict[str, float], *parts: str | int) -> str:
    """One key, drawn with its relative weight by `parts` alone.

    Args:
        weights: Relative weight of each key, all positive. Its order does not matter.
        parts: What the draw belongs to, such as a row's seed and the name of an axis.
    """
    keys = sorted(weights)
    point = unit_interval(*parts) * sum(weights[key] for key in keys)
    for key in keys:
        point -= weights[key]
        if point < 0:
            return key
    return keys[-1]
