"""Figures of an export: they are those of its rows, however the rows come."""

from __future__ import annotations

import pytest
from publishing import retrieval_rows

from synth.export import shape
from synth.export.figures import Figures
from synth.formats import NTupleExport


def told(batch_rows: int) -> dict[str, str]:
    figures, batch = Figures(), retrieval_rows(12)
    for at in range(0, batch.num_rows, batch_rows):
        part = batch.slice(at, batch_rows)
        figures.add(shape(NTupleExport(negatives=3), part).rows, part)
    return figures.told()


@pytest.mark.parametrize("batch_rows", [1, 5])
def test_figures_do_not_depend_on_the_batching(batch_rows: int) -> None:
    assert told(batch_rows) == told(12)


def test_figures_are_those_of_the_rows() -> None:
    found = told(12)
    assert found["different texts in query"] == "12 of 12"
    assert found["characters of query"] == "10 in the middle, 95 % have 11 at most"
    assert found["negatives of a row that it is made from"] == "3.0 on average, 3 to 3"
    assert found["score of positives there"] == "0.900 on average, of 12"


def test_no_rows_have_no_figures() -> None:
    figures, batch = Figures(), retrieval_rows(0)
    figures.add(shape(NTupleExport(), batch).rows, batch)
    assert {name: value for name, value in figures.told().items() if "0 of 0" not in value} == {}
