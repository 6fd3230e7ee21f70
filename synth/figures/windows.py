"""How alike the documents of windows and of neighbours in an order are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from synth.figures.classes import histogram
from synth.html.figure import Bars, Figure, Series

if TYPE_CHECKING:
    from synth.view import Run

# As `order_documents` tells its ledger: mean, deciles, and what an order by id would have.
_SPREAD = re.compile(r"(-?[\d.]+|nan), deciles((?: -?[\d.]+| nan){9})(?:; by id (-?[\d.]+|nan))?")
_TENTHS = tuple(f"{tenth} in 10 are below" for tenth in range(1, 10))
_SAMPLE = 20_000


def windows(run: Run) -> list[Figure]:
    """The similarities that ordering steps told, and how many documents windows have."""
    found: list[Figure] = []
    for record in run.records:
        for name, fact in record.facts.items():
            if told := _SPREAD.match(fact):
                mean, deciles, before = told.groups()
                values = tuple(float(one) for one in deciles.split())
                by_id = f"; it would be {before} in the order of ids" if before else ""
                found.append(
                    Bars(
                        name="windows",
                        title=f"{record.name}: {name}",
                        of="share of all",
                        labels=_TENTHS,
                        series=(Series("cosine", values),),
                        told=f"The mean is {mean}{by_id}. Of all rows.",
                    )
                )
    for name in run.steps:
        if run[name].record.kind == "pack":
            rows = run[name].sample(["doc_ids"], _SAMPLE)
            counts = pc.drop_null(pc.list_value_length(rows.column("doc_ids"))).to_numpy()
            documents = {"documents": np.asarray(counts, np.float64)}
            title = f"{name}: documents in a window"
            found += histogram(
                "windows", title, "documents", documents, (rows.num_rows, len(run[name]))
            )
    return found
