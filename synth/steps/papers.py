"""The published methods that steps follow, for whoever cites what a dataset was made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from synth.steps import (
    AnyStep,
    ConsistencyFilter,
    DownsampleCorpus,
    Generate,
    MarginFilter,
    MineNegatives,
    OrderDocuments,
    Retrieve,
)
from synth.steps.retrievers import Bm25

ARXIV = "https://arxiv.org/abs/"


@dataclass(frozen=True, slots=True)
class Paper:
    """A published method.

    Attributes:
        title: Its title.
        url: Where it is.
        by: First author and year.
    """

    title: str
    url: str
    by: str


def _arxiv(number: str, title: str, by: str) -> tuple[str, Paper]:
    return number, Paper(title, f"{ARXIV}{number}", by)


# Papers on arXiv that steps and the prompts that ship name, by their numbers there.
PAPERS: Mapping[str, Paper] = dict(
    [
        _arxiv(
            "2003.06713",
            "Document Ranking with a Pretrained Sequence-to-Sequence Model",
            "Nogueira et al., 2020",
        ),
        _arxiv("2005.14165", "Language Models are Few-Shot Learners", "Brown et al., 2020"),
        _arxiv(
            "2303.09540",
            "SemDeDup: Data-efficient learning at web-scale through semantic deduplication",
            "Abbas et al., 2023",
        ),
        _arxiv(
            "2310.10638",
            "In-Context Pretraining: Language Modeling Beyond Document Boundaries",
            "Shi et al., 2023",
        ),
        _arxiv(
            "2401.00368",
            "Improving Text Embeddings with Large Language Models",
            "Wang et al., 2024",
        ),
        _arxiv(
            "2401.16380",
            "Rephrasing the Web: A Recipe for Compute and Data-Efficient Language Modeling",
            "Maini et al., 2024",
        ),
        _arxiv(
            "2403.20327",
            "Gecko: Versatile Text Embeddings Distilled from Large Language Models",
            "Lee et al., 2024",
        ),
        _arxiv(
            "2407.03618",
            "BM25S: Orders of magnitude faster lexical search via eager sparse scoring",
            "Lù, 2024",
        ),
        _arxiv(
            "2407.15831",
            "NV-Retriever: Improving text embedding models with effective hard-negative mining",
            "Moreira et al., 2024",
        ),
        _arxiv(
            "2502.13595",
            "MMTEB: Massive Multilingual Text Embedding Benchmark",
            "Enevoldsen et al., 2025",
        ),
        _arxiv(
            "2506.05176",
            "Qwen3 Embedding: Advancing Text Embedding and Reranking Through Foundation Models",
            "Zhang et al., 2025",
        ),
        _arxiv("2506.20923", "KaLM-Embedding-V2", "Zhao et al., 2025"),
        _arxiv("2508.21632", "QZhou-Embedding Technical Report", "Yu et al., 2025"),
        _arxiv("2511.07025", "Llama-Embed-Nemotron-8B", "Babakhin et al., 2025"),
    ]
)


def _named(*numbers: str) -> tuple[Paper, ...]:
    return tuple(PAPERS[number] for number in numbers)


_MINHASH = Paper(
    "On the resemblance and containment of documents",
    "https://doi.org/10.1109/SEQUEN.1997.666900",
    "Broder, 1997",
)
_FUSION = Paper(
    "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
    "https://doi.org/10.1145/1571941.1572114",
    "Cormack et al., 2009",
)


# What a step of a kind follows however it is set.
_ALWAYS: Mapping[str, tuple[Paper, ...]] = {
    "minhash_dedup": (_MINHASH,),
    "semantic_dedup": _named("2303.09540"),
    "decontaminate": _named("2005.14165"),
    "consistency_filter": _named("2506.20923"),
    "downsample_corpus": _named("2502.13595"),
    "relabel_positive": _named("2403.20327"),
    "margin_filter": _named("2407.15831"),
    "soft_labels": _named("2506.20923"),
    "pack": _named("2310.10638"),
}


def papers_of(step: AnyStep) -> tuple[Paper, ...]:
    """The methods that a step follows as it is set; a prompt names its own beside."""
    return (*_ALWAYS.get(step.kind, ()), *_as_set(step))


def _as_set(step: AnyStep) -> tuple[Paper, ...]:
    match step:
        case MineNegatives() | Retrieve() | ConsistencyFilter() | DownsampleCorpus():
            words = any(isinstance(one, Bm25) for one in step.retrievers)
            fused = (_FUSION,) if len(step.retrievers) > 1 else ()
            return (*(_named("2407.03618") if words else ()), *fused)
        case MarginFilter() if step.max_generated_share is not None:
            return _named("2508.21632")
        case OrderDocuments() if step.objective in ("path", "knn"):
            return _named("2310.10638")
        case Generate() if step.models is not None and len(step.models) > 1:
            return _named("2511.07025")
        case _:
            return ()
