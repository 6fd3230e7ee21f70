"""Rows that steps make without a model: the same on Ray as in one process, all accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from accounts import accounts

from synth.recipe import Recipe, parse_recipe
from synth.runner import Placement, run

STEPS: list[dict[str, Any]] = [
    {"name": "chunks", "kind": "chunk", "size": 6, "group": 2, "neighbours": 2},
    {"name": "words", "kind": "measure", "what": "words"},
    {"name": "strata", "kind": "bucket", "column": "words", "edges": [4, 6]},
    {"name": "even", "kind": "quota", "column": "bucket", "rows": 9},
    {"name": "nested", "kind": "unnest", "from": "source", "column": "tags", "into": "tag"},
    {"name": "asked", "kind": "invert", "from": "source", "column": "asks"},
    {"name": "paired", "kind": "aspect_pairs", "from": "source", "label": "tags", "folds": 2},
    {"name": "beside", "kind": "unnest", "from": "even", "column": "neighbours",
     "into": "neighbour", "keep_inputs": True},
]  # fmt: skip


def recipe(folder: Path) -> Recipe:
    docs = [
        {
            "id": f"d{at:02}",
            "text": " ".join(f"Word {at} and {n} more." for n in range(at % 7)),
            "tags": [f"t{at % 3}", f"t{at % 5}"][: at % 4],
            "asks": [f"who is {at % 6}?"][: at % 2],
        }
        for at in range(30)
    ]
    pq.write_table(pa.Table.from_pylist(docs), folder / "docs.parquet")
    columns = {name: name for name in ("id", "text", "tags", "asks")}
    data = {
        "name": "made",
        "source": {"kind": "parquet", "path": "docs.parquet", "columns": columns},
        "steps": STEPS,
        "export": {"format": "rows", "from": "even", "columns": ["id", "text"]},
    }
    text = yaml.safe_dump(data, sort_keys=False)
    return parse_recipe(text, "made.yaml").placed(folder, text)


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_rows_are_made_alike_in_one_process_and_on_ray(ray_session: None, tmp_path: Path) -> None:
    made = recipe(tmp_path)
    here = run(made, out=str(tmp_path / "here"))
    spread = run(
        made, out=str(tmp_path / "spread"), placement=Placement(in_process_rows=0, batch_rows=4)
    )
    expected, found = accounts(Path(here.path)), accounts(Path(spread.path))
    assert list(found) == list(expected)
    for name, account in found.items():
        assert account.record.adds_up, name
        assert account.sorted_rows == expected[name].sorted_rows, name
        for figure in ("rows_in", "rows_out", "rows_made", "rows_replaced", "dropped"):
            told = [getattr(one.record, figure) for one in (account, expected[name])]
            assert told[0] == told[1], (name, figure)
    assert all(found[name].live_ids for name in ("chunks", "nested", "asked", "paired", "beside"))
