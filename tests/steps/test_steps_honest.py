"""What every step of rows promises, on the columns that it names and no others."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pydantic import TypeAdapter

from synth.core import rows
from synth.core.rows import Table
from synth.core.step import CorpusStep, EncodeStep, MapStep
from synth.steps import (
    AnyStep,
    Bucket,
    Compose,
    ConsistencyFilter,
    CopyFilter,
    DiverseNegatives,
    DownsampleCorpus,
    DropListed,
    Embed,
    ExactDedup,
    LabelPairs,
    LanguageFilter,
    LengthFilter,
    MarginFilter,
    Measure,
    MineNegatives,
    MinhashDedup,
    MutualMatch,
    OrderDocuments,
    PseudoLabel,
    Quota,
    Recode,
    RelabelPositive,
    RetrievalRow,
    Retrieve,
    Sample,
    Score,
    ScoreCascade,
    ScoreFilter,
    Serialize,
    SoftLabels,
    Take,
    ValueFilter,
)
from synth.steps.copies import CopyStep
from synth.steps.retrievers import Bm25
from synth.steps.score_cascade import Rule
from synth.steps.whole import OneTaskStep, WholeStep, in_order

VECTORS = rows.vector_column(np.eye(4, dtype=np.float32))
POSITIVE = {"id": "p", "text": "a cat", "score": 0.5}
NEGATIVE = {"id": "n", "text": "a dog", "score": 0.25, "rank": 1, "origin": "mined"}
COLUMNS = {
    "text": pa.array(["a cat", "a dog", None, "a cat"]),
    "query": pa.array(["which cat", "", None, "a cat"]),
    "judge": pa.array([1, 9, None, 5]),
    "positives": pa.array([[POSITIVE], [], None, [POSITIVE]], rows.POSITIVES),
    "negatives": pa.array([[NEGATIVE], [], None, [NEGATIVE]], rows.NEGATIVES),
    "embedding_text": VECTORS,
    "embedding_query": VECTORS,
}
STEPS: list[MapStep | EncodeStep | CorpusStep] = [
    Bucket(column="judge", edges=(3, 6)),
    Compose(template="{{ text }} {{ query }}"),
    ConsistencyFilter(corpus="docs", k=1),
    CopyFilter(column="query", of="positives"),
    DiverseNegatives(model="encoder", keep=2),
    DownsampleCorpus(queries="asked", docs_per_query=1),
    DropListed(path="drops.jsonl"),
    Embed(column="text", model="encoder"),
    ExactDedup(),
    ExactDedup(keep="max:judge"),
    LabelPairs(label="judge"),
    LanguageFilter(languages=("en",)),
    LanguageFilter(column="positives", named="query"),
    LengthFilter(min_words=2),
    MarginFilter(),
    Measure(column="text", what="words"),
    Measure(column="text", what="coverage", of=("query", "judge")),
    Measure(column="positives", what="distinct_words"),
    MineNegatives(corpus="docs"),
    MinhashDedup(),
    MinhashDedup(keep="max:judge", verify="none"),
    MutualMatch(corpus="docs", min_score=0.5),
    OrderDocuments(objective="path"),
    OrderDocuments(window_tokens=8, tokens="judge"),
    PseudoLabel(labels="labels", min_margin=0.1),
    Quota(column="text", rows=1),
    Recode(column="judge", numbers={"1": 0, "9": 2.5}),
    RelabelPositive(),
    RetrievalRow(query="text", positives=("query", "positives"), negatives=("negatives",)),
    RetrievalRow(positives="query", negatives=(), score="judge"),
    Retrieve(corpus="docs"),
    Retrieve(corpus="docs", column="text", retrievers=(Bm25(),)),
    Sample(fraction=0.5),
    Score(model="encoder"),
    ScoreCascade(rules=(Rule(column="judge", min=2), Rule(column="positives", max=0.4))),
    ScoreCascade(rules=(Rule(column="judge", min=2),), drop=False),
    ScoreFilter(column="judge", min=5),
    ScoreFilter(column="negatives", min=0.5),
    Serialize(columns=("query", "judge"), into="record"),
    SoftLabels(),
    Take(rows=2),
    ValueFilter(column="judge", keep=("1", "5")),
]


def needed(step: MapStep | EncodeStep | CorpusStep) -> Table:
    """Four rows with what the step needs, and with a column that is none of its business."""
    table = pa.table({"id": ["d0", "d1", "d2", "d3"], "other": [1, 2, 3, 4]})
    for field in step.needs():
        table = table.append_column(field.name, COLUMNS[field.name])
    return table.append_column(rows.DROP_REASON, pa.nulls(4, pa.string()))


def run(step: MapStep | EncodeStep | CorpusStep, table: Table) -> Table:
    if isinstance(step, MapStep):
        return step.apply(table)
    if isinstance(step, EncodeStep):
        asked = len(step.ask(table))
        answers = np.ones((asked, 4) if step.asks == "vectors" else asked, np.float32)
        return step.read(table, answers, "encoder")
    assert isinstance(step, CopyStep | OneTaskStep | DropListed)
    whole: WholeStep = step
    second = [
        pa.table({"id": list("abcd"), **{f.name: COLUMNS[f.name] for f in fields[1:]}})
        for fields in step.second_tables().values()
    ]
    return in_order(whole, table, *second)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_every_row_comes_out_with_the_columns_added_that_the_step_says(
    step: MapStep | EncodeStep | CorpusStep,
) -> None:
    table = needed(step)
    out = run(step, table)
    planned = rows.with_fields(table.schema, step.adds())
    assert out.column_names == planned.names
    assert all(rows.same_type(field.type, planned.field(field.name).type) for field in out.schema)
    assert sorted(out["id"].to_pylist()) == ["d0", "d1", "d2", "d3"]
    assert table.equals(needed(step))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_nothing_in_gives_nothing_out_in_the_same_columns(
    step: MapStep | EncodeStep | CorpusStep,
) -> None:
    table = needed(step)
    assert run(step, table.slice(0, 0)).schema == run(step, table).schema


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_a_row_is_judged_alike_wherever_it_stands(step: MapStep | EncodeStep | CorpusStep) -> None:
    table = needed(step)
    again = run(step, table.take([2, 0, 3, 1]))
    assert again.sort_by("id").equals(run(step, table).sort_by("id"))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.kind)
def test_a_step_written_as_data_is_the_same_step(step: MapStep | EncodeStep | CorpusStep) -> None:
    read = TypeAdapter(AnyStep).validate_python(step.model_dump(by_alias=True))
    assert read == step
