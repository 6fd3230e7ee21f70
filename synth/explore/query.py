"""Which rows of a step are asked for, as data and as SQL. No text of a user becomes SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

_WORDS = re.compile(r'"([^"]+)"|(\S+)')
# What each bound is of, by the name of its column.
_RANGES = ("positive", "negative", "length")
_LISTS = {"origin": "origins", "model": "models", "prompt": "prompts"}

Sort = Literal["n", "id", "length", "positive", "negative", "margin"]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Closed):
    """Bounds of a number, each of which may be missing; a row without the number is in none.

    Attributes:
        least: Lower bound.
        most: Upper bound.
    """

    least: FiniteFloat | None = None
    most: FiniteFloat | None = None


class Box(_Closed):
    """A rectangle on the map of a column.

    Attributes:
        vector: The column of embeddings.
        x0: Left.
        x1: Right.
        y0: Bottom.
        y1: Top.
    """

    vector: str
    x0: FiniteFloat
    x1: FiniteFloat
    y0: FiniteFloat
    y1: FiniteFloat


class Query(_Closed):
    """Which rows; all conditions hold at once.

    Attributes:
        text: Words, and phrases between quotes, each of which stands somewhere in the row.
        rows: Those that go on, those dropped in the step, or both.
        reason: The drop reason.
        origin: The origin of one of the negatives.
        model: A model that wrote something of the row.
        prompt: The prompt of it.
        positive: Of the best score of a positive.
        negative: Of the best score of a negative.
        length: Of the characters of the query, or of the text where there is none.
        flagged: Only rows that are flagged, or a text of whose lists is.
        box: On the map.
    """

    text: Annotated[str, Field(max_length=1_000)] = ""
    rows: Literal["live", "dropped", "all"] = "all"
    reason: str | None = None
    origin: str | None = None
    model: str | None = None
    prompt: str | None = None
    positive: Range = Range()
    negative: Range = Range()
    length: Range = Range()
    flagged: bool = False
    box: Box | None = None

    @property
    def words(self) -> list[str]:
        """The words and phrases of `text`."""
        return [phrase or word for phrase, word in _WORDS.findall(self.text)]

    def where(self, names: Names, flagged: list[str]) -> tuple[str, list[Any]]:
        """The condition as SQL, and the values of its question marks.

        Args:
            names: What the tables are called.
            flagged: The ids of flagged rows.
        """
        parts: list[str] = ["true"]
        values: list[Any] = []
        if self.rows != "all":
            parts.append(f"reason is {'' if self.rows == 'live' else 'not '}null")
        if self.reason is not None:
            parts.append("reason = ?")
            values.append(self.reason)
        for name, column in _LISTS.items():
            if (wanted := getattr(self, name)) is not None:
                parts.append(f"list_contains({column}, ?)")
                values.append(wanted)
        for column, sign, bound in self._bounds():
            parts.append(f"{column} {sign} ?")
            values.append(bound)
        if self.flagged:
            parts.append("id in (select unnest(?::varchar[]))")
            values.append(flagged)
        if self.box is not None:
            parts.append(
                f"n in (select n from {names.places} where x between ? and ? and y between ? and ?)"
            )
            values += [self.box.x0, self.box.x1, self.box.y0, self.box.y1]
        for word in self.words:
            found = f"select hash from {names.texts} where contains(hay, lower(?))"
            parts.append(f"n in (select n from {names.uses} where hash in ({found}))")
            values.append(word)
        return " and ".join(parts), values

    def _bounds(self) -> Iterator[tuple[str, str, float]]:
        for name in _RANGES:
            bounds: Range = getattr(self, name)
            for bound, sign in ((bounds.least, ">="), (bounds.most, "<=")):
                if bound is not None:
                    yield name, sign, bound


class Names(_Closed):
    """What the tables of a step are called in the database.

    Attributes:
        rows: A row for each of the step, with what it is filtered and sorted by.
        texts: All texts that are searched, each once, in small letters.
        uses: Which rows have them.
        places: Places on the map that the query asks for.
    """

    rows: str
    texts: str
    uses: str
    places: str = ""
