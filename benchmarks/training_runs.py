"""One training of MiniLM and its tests, in a process of its own. Run by `negatives_training`."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoded import ENCODER
from retrieval_sets import read_set

from synth.engines.bundled import local_model

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

KEEP = 4
LEARNING = {
    "epochs": 1,
    "batch": 16,
    "learning_rate": 5e-5,
    "warmup": 0.1,
    "tokens": 128,
}
_TESTS = {"scifact": "test", "covid_qa": "test"}


@dataclass(frozen=True, slots=True)
class Training:
    """What to train on.

    Attributes:
        data: Folder of the retrieval sets.
        rows: Query, positive and up to `KEEP` negatives; none for the model as it is.
        seed: Of the order of rows.
    """

    data: str
    rows: list[list[Any]]
    seed: int

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(asdict(self))


def main() -> None:
    asked, told = map(Path, sys.argv[1:3])
    training = Training(**json.loads(asked.read_text()))
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(local_model(ENCODER)), device="cpu")
    model.max_seq_length = LEARNING["tokens"]
    if training.rows:
        _train(model, training)
    found = {
        name: _tested(model, Path(training.data) / name, split) for name, split in _TESTS.items()
    }
    told.write_text(json.dumps(found))


def _train(model: SentenceTransformer, training: Training) -> None:
    from datasets import Dataset
    from sentence_transformers import (
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.losses import MultipleNegativesRankingLoss

    rows = [
        (query, positive, *others)
        for query, positive, others in training.rows
        if len(others) == KEEP
    ]
    names = ["query", "positive", *(f"negative_{at + 1}" for at in range(KEEP))]
    columns = {
        name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=LEARNING["epochs"],
            per_device_train_batch_size=LEARNING["batch"],
            learning_rate=LEARNING["learning_rate"],
            warmup_steps=LEARNING["warmup"],
            seed=training.seed,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        SentenceTransformerTrainer(
            model, arguments, Dataset.from_dict(columns), loss=MultipleNegativesRankingLoss(model)
        ).train()


def _tested(model: SentenceTransformer, folder: Path, split: str) -> float:
    """The mean nDCG@10 of a split's queries."""
    from sentence_transformers.evaluation import InformationRetrievalEvaluator

    found = read_set(folder, split)
    answers = {str(at): {str(one) for one in own} for at, own in enumerate(found.answers)}
    evaluator = InformationRetrievalEvaluator(
        {str(at): text for at, text in enumerate(found.queries)},
        {str(at): text for at, text in enumerate(found.passages)},
        answers,
        ndcg_at_k=[10],
        batch_size=32,
        name=folder.name,
    )
    return float(evaluator(model)[f"{folder.name}_cosine_ndcg@10"])


if __name__ == "__main__":
    main()
