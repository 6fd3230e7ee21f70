"""Which split a row belongs to, from its source alone."""

from __future__ import annotations

from collections.abc import Mapping

from synth.core.ids import weighted_choice


def split_of(source_id: str, shares: Mapping[str, float], seed: int) -> str:
    """The split of everything that comes from one source document.

    It depends on nothing but its arguments: rows added later move no row, and no document
    straddles two splits.

    Args:
        source_id: The id of the source document.
        shares: Relative size of each split; their order does not matter.
        seed: Another seed draws other splits.

    Raises:
        ValueError: If there is no split, or a share is not positive.
    """
    if not shares or min(shares.values()) <= 0:
        raise ValueError(f"shares={dict(shares)!r}; every split needs a share above 0")
    return weighted_choice(dict(shares), "split", seed, source_id)
