"""The formats of sentence-transformers in its hands, from `load_dataset` to the loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from publishing import publish, retrieval_rows

from synth.engines.bundled import local_model

pytestmark = pytest.mark.usefixtures("cache")

ENCODER = "bundled/all-minilm-l6-v2"
# Format, further settings, and a loss that it is for.
BI_ENCODER = [
    ("pair", {}, "MultipleNegativesRankingLoss"),
    ("triplet", {}, "MultipleNegativesRankingLoss"),
    ("n_tuple", {"negatives": 3}, "MultipleNegativesRankingLoss"),
    ("triplet", {"scores": True}, "MarginMSELoss"),
    ("n_tuple", {"negatives": 3, "scores": True}, "MarginMSELoss"),
    ("n_tuple", {"negatives": 3, "scores": True}, "DistillKLDivLoss"),
    ("labeled_pair", {}, "OnlineContrastiveLoss"),
    ("labeled_pair", {"scores": True}, "CoSENTLoss"),
]
CROSS_ENCODER = [
    ("labeled_pair", {}, "BinaryCrossEntropyLoss"),
    ("labeled_pair", {"scores": True}, "MSELoss"),
    ("labeled_list", {}, "LambdaLoss"),
    ("labeled_list", {"scores": True}, "ListNetLoss"),
    ("n_tuple", {"negatives": 2}, "MultipleNegativesRankingLoss"),
    ("triplet", {"scores": True}, "MarginMSELoss"),
]


@pytest.fixture(scope="module")
def bi_encoder() -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(local_model(ENCODER), device="cpu")


@pytest.fixture(scope="module")
def cross_encoder() -> Any:
    from sentence_transformers import CrossEncoder

    return CrossEncoder(local_model(ENCODER), num_labels=1, device="cpu")


def one_batch(model: Any, loss: Any, dataset: Any, folder: Path) -> Any:
    """The loss of the first batch as sentence-transformers' own trainer makes it."""
    import sentence_transformers

    kind = type(model).__name__
    arguments = getattr(sentence_transformers, f"{kind}TrainingArguments")
    trainer = getattr(sentence_transformers, f"{kind}Trainer")(
        model=model,
        args=arguments(
            str(folder), per_device_train_batch_size=4, report_to="none", use_cpu=True, seed=0
        ),
        train_dataset=dataset,
        loss=loss,
    )
    value = trainer.compute_loss(model, next(iter(trainer.get_train_dataloader())))
    value.backward()
    return value


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
@pytest.mark.parametrize(("name", "more", "loss"), BI_ENCODER)
def test_a_bi_encoder_trains_on_it(
    name: str, more: dict[str, Any], loss: str, files: str, bi_encoder: Any, tmp_path: Path
) -> None:
    import datasets
    from sentence_transformers.sentence_transformer import losses

    publish(tmp_path, [{"format": name, "files": files, **more}], retrieval_rows(6))
    train = datasets.load_dataset(str(tmp_path), split="train")
    criterion = getattr(losses, loss)(bi_encoder)
    value = one_batch(bi_encoder, criterion, train, tmp_path / "out")
    assert value.item() >= 0
    assert value.isfinite()


@pytest.mark.parametrize(("name", "more", "loss"), CROSS_ENCODER)
def test_a_cross_encoder_trains_on_it(
    name: str, more: dict[str, Any], loss: str, cross_encoder: Any, tmp_path: Path
) -> None:
    import datasets
    from sentence_transformers.cross_encoder import losses

    publish(tmp_path, [{"format": name, **more}], retrieval_rows(6))
    train = datasets.load_dataset(str(tmp_path), split="train")
    criterion = getattr(losses, loss)(cross_encoder)
    value = one_batch(cross_encoder, criterion, train, tmp_path / "out")
    assert value.isfinite()


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("name", ["triplet", "n_tuple", "labeled_pair", "labeled_list"])
def test_columns_are_those_of_mine_hard_negatives(
    name: str, scores: bool, bi_encoder: Any, tmp_path: Path
) -> None:
    import datasets
    from sentence_transformers.util import mine_hard_negatives

    more = {"negatives": 2} if name == "n_tuple" else {}
    publish(tmp_path, [{"format": name, "scores": scores, **more}], retrieval_rows(4))
    ours = datasets.load_dataset(str(tmp_path), split="train")
    pairs = [{"query": f"what is {at}?", "positive": f"All about p{at}."} for at in range(4)]
    theirs = mine_hard_negatives(
        datasets.Dataset.from_list(pairs),
        bi_encoder,
        num_negatives=2,
        output_format=name.replace("_", "-"),
        output_scores=scores,
        verbose=False,
    )
    # They call the column of positives and negatives alike by the name of the positives'.
    renamed = {"passage": "positive", "documents": "positive"}
    assert [renamed.get(column, column) for column in ours.column_names] == theirs.column_names
    for column, kind in zip(theirs.column_names, ours.features.values(), strict=True):
        one, other = (str(found).replace("32", "64") for found in (kind, theirs.features[column]))
        assert one == other
