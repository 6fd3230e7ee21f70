"""How alike the documents of windows and of neighbours in an order are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from synth.figures.classes import histogram
from synth.html.figure import Bars, Figure, Series
from synth.steps.order_documents import BY_ID

if TYPE_CHECKING:
    from synth.manifest import StepRecord
    from synth.view import Run

# As `order_documents` tells its ledger, of its order and of that by id.
_SPREAD = re.compile(r"(-?[\d.]+), deciles((?: -?[\d.]+){9})")
_SHARE = re.compile(r"[\d,]+ of [\d,]+ \(([\d.]+)%\)")
# Of the deciles those that are drawn.
_DRAWN = (1, 3, 5, 7, 9)
_SAMPLE = 20_000


def windows(run: Run) -> list[Figure]:
    """How alike ordering steps say their documents are, and how many documents windows have."""
    found: list[Figure] = []
    for record in run.records:
        if record.kind == "order_documents":
            found += _cosines(record)
            found += _shares(record)
    for name in run.steps:
        if run[name].record.kind == "pack":
            rows = run[name].sample(["doc_ids"], _SAMPLE)
            if not rows.num_rows:
                continue
            counts = pc.drop_null(pc.list_value_length(rows.column("doc_ids"))).to_numpy()
            documents = {"documents": np.asarray(counts, np.float64)}
            title = f"{name}: documents in a window"
            found += histogram(
                "windows", title, "documents", documents, (rows.num_rows, len(run[name]))
            )
    return found


def _cosines(record: StepRecord) -> Iterator[Figure]:
    """Deciles and mean of each kind of cosine."""
    for name, fact in record.facts.items():
        spreads = [told.groups() for one in fact.split(BY_ID) if (told := _SPREAD.match(one))]
        if not spreads:
            continue
        deciles = [[float(value) for value in values.split()] for _, values in spreads]
        means = [mean for mean, _ in spreads]
        by_id = f"; it would be {means[1]} in the order of ids" if len(means) > 1 else ""
        yield Bars(
            name="windows",
            title=f"{record.name}: {name}",
            of="decile",
            labels=_beside_by_id([f"{tenth} in 10 are below" for tenth in _DRAWN], len(spreads)),
            series=(
                Series("cosine", tuple(own[tenth - 1] for tenth in _DRAWN for own in deciles)),
            ),
            told=f"The mean is {means[0]}{by_id}.",
        )


def _shares(record: StepRecord) -> list[Figure]:
    """The share of jumps, and of windows of one source."""
    labels: list[str] = []
    values: list[float] = []
    for name, fact in record.facts.items():
        if percents := _SHARE.findall(fact):
            labels += _beside_by_id([name], len(percents))
            values += [round(float(one) / 100, 3) for one in percents]
    if not values:
        return []
    title = f"{record.name}: shares"
    return [Bars("windows", title, "of what", tuple(labels), (Series("share", tuple(values)),))]


def _beside_by_id(names: Sequence[str], orders: int) -> tuple[str, ...]:
    """Each name, and again for the order by id where there is one to compare with."""
    return tuple(f"{name}{more}" for name in names for more in ("", ", by id")[:orders])
