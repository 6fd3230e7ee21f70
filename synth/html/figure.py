"""Figures as data: what a chart draws and a table says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from synth.html.plain import number


@dataclass(frozen=True, slots=True)
class Series:
    """One number for each bar or class.

    Attributes:
        name: What they are numbers of.
        values: The numbers.
    """

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """A number, or several that add up, for each of some things.

    Attributes:
        name: What `Run.plot` calls it.
        title: Above the chart.
        of: What the things are, such as ``step``.
        labels: The things.
        series: What is drawn, one behind the other.
        beside: What is said in numbers alone.
        told: What there is to know about it, in sentences.
    """

    name: str
    title: str
    of: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    beside: tuple[Series, ...] = ()
    told: str = ""

    @property
    def top(self) -> float:
        """The longest bar."""
        bars = zip(*(one.values for one in self.series), strict=True)
        return max((sum(max(0.0, value) for value in bar) for bar in bars), default=0.0)

    @property
    def head(self) -> list[str]:
        """The names of the columns that say the same in numbers."""
        return [self.of, *(one.name for one in (*self.series, *self.beside))]

    @property
    def lines(self) -> list[list[str]]:
        """The same in numbers."""
        columns = [one.values for one in (*self.series, *self.beside)]
        return [
            [label, *map(number, values)]
            for label, values in zip(self.labels, zip(*columns, strict=True), strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each of some classes, for one or more kinds of values.

    Attributes:
        name: What `Run.plot` calls it.
        title: Above the chart.
        of: What the values are, such as ``score``.
        edges: Where the classes begin, and where the last ends.
        series: Values in each class.
        told: What there is to know about it, in sentences.
    """

    name: str
    title: str
    of: str
    edges: tuple[float, ...]
    series: tuple[Series, ...]
    told: str = ""

    @property
    def head(self) -> list[str]:
        """The names of the columns that say the same in numbers."""
        return [self.of, *(one.name for one in self.series)]

    @property
    def lines(self) -> list[list[str]]:
        """The same in numbers, classes without any value left out."""
        found = []
        for at in range(len(self.edges) - 1):
            values = [one.values[at] for one in self.series]
            if any(values):
                ends = f"{number(self.edges[at])} to {number(self.edges[at + 1])}"
                found.append([ends, *map(number, values)])
        return found


Figure: TypeAlias = Bars | Histogram


def shares(values: Sequence[float]) -> list[float]:
    """Each value's share of all, zeros where there is nothing."""
    total = sum(values)
    return [value / total if total else 0.0 for value in values]
