from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pyarrow as pa
import pytest
import ray

from synth.algorithms import minhash
from synth.algorithms.exact import READERS_PARTS, hashes_of
from synth.algorithms.signature_table import TEXT_HASH, as_columns, signature_column
from synth.core import rows
from synth.core.rows import Table
from synth.steps import Decontaminate, ExactDedup, MinhashDedup
from synth.steps import near_copies_on_ray as on_ray
from synth.steps.whole import by_id, in_order

WORDS = [f"word{number}" for number in range(400)]
Step = ExactDedup | MinhashDedup | Decontaminate


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    ray.init(num_cpus=4, include_dashboard=False, logging_level="ERROR")
    yield
    ray.shutdown()


def corpus(count: int, seed: int, prefix: str) -> Table:
    """Texts of which a third are changed in a few words or not at all, and some are missing."""
    draw, texts = Random(seed), list[str]()
    for _ in range(count):
        if texts and draw.random() < 0.35:
            words = texts[draw.randrange(len(texts))].split()
            for _ in range(draw.choice((0, 0, 1, 2, 4))):
                words[draw.randrange(len(words))] = draw.choice(WORDS)
            texts.append(" ".join(words))
        else:
            texts.append(" ".join(draw.choices(WORDS, k=draw.randrange(4, 90))))
    shown = [None if draw.random() < 0.02 else text for text in texts]
    return pa.table(
        {
            "id": [f"{prefix}{number:05}" for number in draw.sample(range(10 * count), count)],
            "text": pa.array(shown, pa.string()),
            "stars": pa.array([draw.random() for _ in range(count)]),
            "drop_reason": pa.nulls(count, pa.string()),
        }
    )


TABLE, OTHER = corpus(1_500, 1, "d"), corpus(400, 1, "e")


def as_index(table: Table) -> Table:
    """What `synth dedup-index` makes of texts."""
    texts = table.column("text").combine_chunks().fill_null("")
    cells = as_columns(hashes_of(texts, READERS_PARTS), minhash.signatures(texts))
    fields = [rows.ID, TEXT_HASH, signature_column(128, 5, "word")]
    return pa.table([table.column("id"), *cells], pa.schema(fields))


@pytest.mark.ray
@pytest.mark.parametrize(
    ("step", "other"),
    [
        (ExactDedup(), None),
        (ExactDedup(keep="longest", normalize=False), None),
        (ExactDedup(against="other"), OTHER),
        (MinhashDedup(), None),
        (MinhashDedup(keep="max:stars", threshold=0.6), None),
        (MinhashDedup(keep="longest", ngram={"unit": "char", "n": 7}, verify="none"), None),
        (MinhashDedup(against="other", threshold=0.7), OTHER),
        (MinhashDedup(index="other"), as_index(OTHER)),
        (Decontaminate(against="other"), OTHER),
    ],
)
def test_rows_in_many_places_get_what_they_would_get_in_one(
    step: Step, other: Table | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "_GROUP_TEXTS", 100)
    monkeypatch.setattr(on_ray, "_RANGE_TEXTS", 700)
    expected = in_order(step, TABLE, *([] if other is None else [other]))
    parts = ray.data.from_arrow([TABLE.slice(at, 170) for at in range(0, len(TABLE), 170)])
    others = (
        {} if other is None else {"other": ray.data.from_arrow([other.slice(0, 9), other.slice(9)])}
    )
    found = pa.concat_tables(ray.get(step.apply(parts, others).to_arrow_refs()))
    assert by_id(found).equals(expected)
    assert 0 < expected["drop_reason"].null_count < len(TABLE) - 100


@pytest.mark.ray
def test_a_row_alone_is_a_corpus_too() -> None:
    one = ray.data.from_arrow(TABLE.slice(0, 1))
    found = pa.concat_tables(ray.get(MinhashDedup().apply(one, {}).to_arrow_refs()))
    assert found["duplicate_of"].to_pylist() == [None]
