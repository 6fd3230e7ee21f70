"""Raw records of a source, before they are rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BATCH_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Records:
    """Some records as columns of Python values, or as Arrow columns where the source has them.

    Attributes:
        columns: Field from its values, all of one length.
        bad: Drop reason of each record that could not be read, None for the others.
        place: Where the first one is, as a message would say it.
        first: Number of the first record in its source, from 0.
    """

    columns: dict[str, Any]
    bad: list[str | None]
    place: str
    first: int

    def __len__(self) -> int:
        return len(self.bad)


def no_field(where: str, field: str, names: list[str]) -> str:
    """What is said of a field that a source does not have."""
    told = f"{where} has no field {field!r}; it has {', '.join(names)}"
    signatures = [name for name in names if name.startswith("minhash_")]
    if signatures and field.startswith("minhash_"):
        told += f"; say `signatures: {signatures[0]}` in the source, which is how it was made"
    return told
