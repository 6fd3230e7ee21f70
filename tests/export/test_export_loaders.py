"""Datasets opened as FlagEmbedding, E2Rank, NeMo AutoModel, MTEB and BEIR open them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from publishing import passage, publish, retrieval_rows

pytestmark = pytest.mark.usefixtures("cache")

HALVES = {"train": 0.5, "test": 0.5}
CORPUS = pa.table(
    {
        "id": ["extra", "n0-0", "blank", "p1"],
        "text": ["No query is for it.", "All about n0-0.", "  ", "All about p1."],
    }
)


def opened(root: Path, config: str) -> Any:
    import datasets

    return datasets.load_dataset(str(root), config)


def test_flag_embedding_reads_its_files_with_and_without_teacher_scores(tmp_path: Path) -> None:
    """As `AbsEmbedderTrainDataset` and `AbsRerankerTrainDataset` do, 1.4."""
    import datasets

    export = {"format": "flag_embedding", "scores": True, "prompt": "prompt", "shard_rows": 2}
    publish(tmp_path, [export], retrieval_rows(3))
    files = sorted((tmp_path / "data").glob("*.jsonl"))
    assert len(files) == 2
    parts = [datasets.load_dataset("json", data_files=str(one), split="train") for one in files]
    found = datasets.concatenate_datasets(parts)
    for data in found:
        assert isinstance(data["query"], str)
        assert isinstance(data["prompt"], str)
        assert len(data["pos"]) == len(data["pos_scores"]) == 1
        assert len(data["neg"]) == len(data["neg_scores"]) == 3
        scores = [*data["pos_scores"], *data["neg_scores"]]
        assert all(isinstance(score, int | float) for score in scores)
    plain = found.remove_columns(["pos_scores", "neg_scores"])
    assert plain[0] == {
        "query": "what is 0?", "pos": ["All about p0."], "prompt": "Find the passage.",
        "neg": ["All about n0-0.", "All about n0-1.", "All about n0-2."],
    }  # fmt: skip
    assert opened(tmp_path, "default")["train"].to_list() == found.to_list()


def test_e2rank_stacks_the_rankings_of_a_batch(tmp_path: Path) -> None:
    """As `MixedRankDataset` and `MixedRankDataCollator` do."""
    import torch

    export = {"format": "listwise", "files": "jsonl", "k": 3, "min_documents": 3, "shard_rows": 2}
    publish(tmp_path, [export], retrieval_rows(5))
    file = tmp_path / "data" / "train.jsonl"
    samples = [json.loads(line) for line in file.read_text().splitlines()]
    assert {sample["source"] for sample in samples} == {"cats"}
    ranking = torch.tensor([sample["ranking"] for sample in samples]) - 1
    assert ranking.shape == (5, 3)
    best = [sample["document"][at] for sample, at in zip(samples, ranking[:, 0], strict=True)]
    assert best == [f"All about p{number}." for number in range(5)]


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
def test_nemo_automodel_finds_a_set_on_the_hub(tmp_path: Path, files: str) -> None:
    """As `_load_hf_subset` of nemo_automodel 0.7 does."""
    export = {"format": "nemotron", "name": "cats-set", "files": files, "corpus": "source"}
    publish(tmp_path, [export], retrieval_rows(3), CORPUS)
    metadata = json.loads((tmp_path / "cats-set" / "dataset_metadata.json").read_text())
    assert not metadata.get("ids_only", False)
    corpus = opened(tmp_path, "cats-set_corpus")["train"]
    texts = dict(zip(corpus["id"], corpus["text"], strict=True))
    queries = opened(tmp_path, "cats-set")["train"]
    assert set(texts) == {"extra"} | {
        doc["id"] for row in queries for doc in [*row["pos_doc"], *row["neg_doc"]]
    }
    for at, row in enumerate(queries):
        assert row["question_id"] == f"q{at}"
        assert row["corpus_id"] == metadata["corpus_id"] == "cats"
        assert [texts[doc["id"]] for doc in row["pos_doc"]] == [f"All about p{at}."]
        assert [doc["id"] for doc in row["neg_doc"]] == [f"n{at}-0", f"n{at}-1", f"n{at}-2"]


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
def test_nemo_automodel_finds_a_set_on_a_disk(tmp_path: Path, files: str) -> None:
    """As `load_datasets` of nemo_automodel 0.7 does."""
    import datasets

    more = {"query_instruction": "Find: ", "splits": HALVES, "shard_rows": 2, "files": files}
    publish(tmp_path, [{"format": "nemotron", **more}], retrieval_rows(6))
    folder, seen = tmp_path / "data" / "default", []
    for split in HALVES:
        told = json.loads((folder / f"{split}.json").read_text())
        (corpus,) = told["corpus"]
        path = folder / corpus["path"]
        metadata = json.loads((path / "merlin_metadata.json").read_text())
        assert metadata["class"] == "TextQADataset"
        assert metadata["query_instruction"] == "Find: "
        ids = set(datasets.load_dataset(str(path))["train"]["id"])
        for item in told["data"]:
            assert item["corpus_id"] == metadata["corpus_id"]
            assert {doc["id"] for doc in [*item["pos_doc"], *item["neg_doc"]]} <= ids
            seen.append(item["question_id"])
        assert told["data"] == opened(tmp_path, "default")[split].to_list()
    assert sorted(seen) == [f"q{at}" for at in range(6)]


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
@pytest.mark.parametrize(("name", "prefix"), [("default", ""), ("eval", "eval-")])
def test_mteb_finds_corpus_queries_and_judgements(
    tmp_path: Path, name: str, prefix: str, files: str
) -> None:
    """As `RetrievalDatasetLoader` of mteb 2.26 does."""
    import datasets

    beir = {"format": "beir", "name": name, "corpus": "source", "splits": HALVES}
    exports = [{**one, "files": files} for one in ({"format": "pair", "name": "pairs"}, beir)]
    publish(tmp_path, exports, retrieval_rows(6), CORPUS)
    configs = datasets.get_dataset_config_names(str(tmp_path))
    assert configs == ["pairs", f"{prefix}qrels", f"{prefix}queries", f"{prefix}corpus"]
    corpus = opened(tmp_path, f"{prefix}corpus")
    assert list(corpus) == ["corpus"]
    assert corpus["corpus"].column_names == ["_id", "title", "text"]
    assert corpus["corpus"]["_id"] == sorted({*corpus["corpus"]["_id"], "extra"})
    assert len(corpus["corpus"]) == 6 * 4 + 1
    queries = opened(tmp_path, f"{prefix}queries")["queries"]
    assert queries["_id"] == [f"q{at}" for at in range(6)]
    qrels = opened(tmp_path, f"{prefix}qrels")
    kinds = {name: datasets.Value("string") for name in ("query-id", "corpus-id")}
    features = datasets.Features({**kinds, "score": datasets.Value("int32")})
    judged = [row for split in HALVES for row in qrels[split].cast(features)]
    assert {(row["query-id"], row["corpus-id"], row["score"]) for row in judged} == {
        (f"q{at}", f"p{at}", 1) for at in range(6)
    }


def test_beir_finds_the_files_that_its_loader_asks_for(tmp_path: Path) -> None:
    """As `GenericDataLoader` of beir 2.2 does."""
    export = {"format": "beir", "files": "jsonl", "negatives": True, "shard_rows": 1}
    publish(tmp_path, [export], retrieval_rows(2))
    folder = tmp_path / "data" / "default"
    lines = (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    corpus = {line["_id"]: line for line in map(json.loads, lines)}
    assert corpus["p1"] == {"_id": "p1", "title": "", "text": "All about p1."}
    lines = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    assert {line["_id"]: line["text"] for line in map(json.loads, lines)} == {
        "q0": "what is 0?", "q1": "what is 1?",
    }  # fmt: skip
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        head, *judged = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL)
    assert head == ["query-id", "corpus-id", "score"]
    scores = {(query, doc): int(score) for query, doc, score in judged}
    assert len(scores) == len(corpus) == 8
    assert {pair for pair, score in scores.items() if score} == {("q0", "p0"), ("q1", "p1")}


def test_an_identifier_with_a_tab_does_not_break_the_judgements(tmp_path: Path) -> None:
    batch = retrieval_rows(1).set_column(0, "id", pa.array(['q\t"1"']))
    publish(tmp_path, [{"format": "beir", "files": "jsonl"}], batch)
    with (tmp_path / "data/default/qrels/test.tsv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter="\t"))[1] == ['q\t"1"', "p0", "1"]


def test_every_configuration_opens_as_the_card_says(tmp_path: Path) -> None:
    """Each format, once as Parquet and once as JSON Lines, with the same types and rows."""
    import datasets

    names = ["n_tuple", "triplet", "pair", "labeled_pair", "labeled_list", "listwise"]
    common = [{"format": name, "name": name, "shard_rows": 3} for name in names] + [
        {"format": "triplet", "name": "scored", "scores": True, "ids": True},
        {"format": "nemotron", "name": "nemo"},
        {"format": "beir", "name": "eval"},
        {"format": "rows", "name": "rows"},
    ]
    for files in ("parquet", "jsonl"):
        exports = [{**one, "files": files} for one in common]
        specs = publish(tmp_path / files, exports, retrieval_rows(4, negatives=4))
        configs = [config for spec in specs for config in spec.configs()]
        assert datasets.get_dataset_config_names(str(tmp_path / files)) == configs
    for config in configs:
        one, other = (opened(tmp_path / files, config) for files in ("parquet", "jsonl"))
        assert {name: part.to_list() for name, part in one.items()} == {
            name: part.to_list() for name, part in other.items()
        }, config
        for name, part in one.items():
            assert len(part)
            assert part.features == other[name].features, config


def test_the_card_tells_the_types_that_json_lines_do_not(tmp_path: Path) -> None:
    import datasets

    nested = pa.list_(pa.struct([("id", pa.string()), ("at", pa.list_(pa.int64()))]))
    schema = pa.schema(
        [("id", pa.string()), ("note", pa.string()), ("share", pa.float64()), ("spans", nested)]
    )
    empty: dict[str, Any] = {"id": "a", "note": None, "share": None, "spans": []}
    export = {"format": "rows", "files": "jsonl"}
    publish(tmp_path, [export], pa.Table.from_pylist([empty], schema))
    features = opened(tmp_path, "default")["train"].features
    assert features == datasets.Features.from_arrow_schema(schema)


def test_passages_are_named_once_however_often_rows_name_them(tmp_path: Path) -> None:
    from synth.core import rows

    batch = retrieval_rows(2)
    twice = [[passage("p0", 0.9), passage("p0", 0.8)], [passage("p0", 0.9), passage("p1", 0.8)]]
    batch = batch.set_column(2, "positives", pa.array(twice, rows.POSITIVES))
    both = [[passage("p0", 0.1), passage("n", 0.1)], [passage("n", 0.2)]]
    batch = batch.set_column(3, "negatives", pa.array(both, rows.NEGATIVES))
    publish(tmp_path, [{"format": "beir", "negatives": True}], batch)
    judged = opened(tmp_path, "qrels")["test"].to_list()
    assert [tuple(row.values()) for row in judged] == [
        ("q0", "p0", 1), ("q0", "n", 0), ("q1", "p0", 1), ("q1", "p1", 1), ("q1", "n", 0),
    ]  # fmt: skip
    assert opened(tmp_path, "corpus")["corpus"]["_id"] == ["n", "p0", "p1"]
