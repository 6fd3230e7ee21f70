"""What a dataset is for, as its formats say."""

from __future__ import annotations

from typing import assert_never

from synth.card.markdown import code
from synth.card.run_info import RunInfo
from synth.formats import (
    BeirExport,
    DocumentsExport,
    ExportSpec,
    FlagEmbeddingExport,
    LabeledListExport,
    LabeledPairExport,
    ListwiseExport,
    NemotronExport,
    NTupleExport,
    PairExport,
    RowsExport,
    TokensExport,
    TripletExport,
)
from synth.steps import Generate


def uses(run: RunInfo) -> str:
    """The section that says what each configuration is meant for, and what it is not."""
    found = [
        spec for spec in run.recipe.export if not spec.configs() or spec.configs()[0] in run.filled
    ]
    lines = [f"- {code((*spec.configs(), spec.name)[0])}: {_use(spec)}" for spec in found]
    if not lines:
        return ""
    written = any(isinstance(step, Generate) for step in run.recipe.steps)
    if not any(isinstance(spec, BeirExport) for spec in found):
        lines.append(
            "- Not for: measuring a model that is compared with others. "
            + ("Its texts are made by models, and nobody" if written else "Nobody")
            + " has judged them."
        )
    return "## What it is for\n\n" + "\n".join(lines)


def _use(spec: ExportSpec) -> str:  # noqa: C901, PLR0911, PLR0912  (one per format)
    match spec:
        case NTupleExport() | TripletExport():
            how = "distilling the scores of a teacher into" if spec.scores else "training"
            return f"{how} an embedding model for retrieval, with hard negatives."
        case PairExport():
            return "training an embedding model with the other passages of a batch as negatives."
        case LabeledPairExport():
            return "training a cross-encoder, or an embedding model with a contrastive loss."
        case LabeledListExport():
            return "training a cross-encoder with a listwise loss."
        case FlagEmbeddingExport():
            return "fine-tuning an embedding model or a reranker with FlagEmbedding."
        case ListwiseExport():
            return "training an embedding model that reranks lists, such as E2Rank."
        case NemotronExport():
            return "training a retriever with NeMo AutoModel; passages are named by their ids."
        case BeirExport():
            return "measuring retrieval, with judgements, queries and a corpus for MTEB and BEIR."
        case DocumentsExport() | RowsExport():
            documents = "pretraining language models, in the order of the documents."
            return documents if spec.format == "documents" else "rows as the recipe made them."
        case TokensExport():
            return f"pretraining language models with {spec.trainer}."
        case _:
            assert_never(spec)
