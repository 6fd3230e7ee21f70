"""What a scorer of toxicity in the run said."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.figures.classes import histogram
from synth.quality.finding import Finding
from synth.view import Run

_SAMPLE = 20_000
_TO_DO = (
    "The last step has no numeric column whose name has `toxic` in it. A `generate` step with a "
    "prompt that `makes: columns` `into: toxicity` and replies with a number gives one, and so "
    "does a source that has one."
)


def toxicity(run: Run) -> Finding:
    """The distribution of each numeric column of the last step that says how toxic a row is."""
    title = "Toxicity"
    step = run[run.steps[-1]] if run.steps else None
    columns = [] if step is None else [f.name for f in step.schema if _tells(f)]
    if step is None or not columns:
        return Finding("toxicity", title, to_do=_TO_DO)
    rows, figures, lines = step.sample(columns, _SAMPLE), [], []
    for name in columns:
        values = np.asarray(pc.drop_null(rows.column(name)).to_numpy(), np.float64)
        figures += histogram("toxicity", name, name, {name: values}, (rows.num_rows, len(step)))
        if len(values):
            ends = np.quantile(values, (0.5, 0.95, 1.0))
            lines.append((name, f"{len(values):,}", *(f"{one:.3f}" for one in ends)))
    head = ("column", "rows", "median", "95 % are below", "highest")
    return Finding("toxicity", title, "", head, tuple(lines), tuple(figures))


def _tells(field: pa.Field) -> bool:
    is_number = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
    return is_number and "toxic" in field.name.lower()
