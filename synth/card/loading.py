"""How to open the dataset, and what each trainer makes of it, as code to copy."""

from __future__ import annotations

from typing import assert_never

from synth.card.markdown import fenced
from synth.card.run_info import RunInfo
from synth.export import Written
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
from synth.steps import Pack

REPOSITORY = "REPOSITORY_OR_FOLDER"
_NEMO_ADDRESS = "hf://REPOSITORY"
_TRAINED = """\
from datasets import load_dataset
from sentence_transformers import {model}, {model}Trainer
from sentence_transformers.{package}.losses import {loss}

train = load_dataset("{repository}", "{config}", split="{split}"){without}
model = {model}("{base}"{more})
trainer = {model}Trainer(
    model=model, train_dataset=train, loss={loss}(model)
)"""


def addressed(card: str, repo: str) -> str:
    """The card of a dataset that is on the Hub, whose code names it: ``org/name``."""
    named = card.replace(f'"{REPOSITORY}"', f'"{repo}"')
    return named.replace(f"[{_NEMO_ADDRESS}/", f"[hf://{repo}/")


def loading(run: RunInfo) -> str:
    """The section of a card that says how to load each configuration."""
    names = list(run.filled)
    calls = [f'load_dataset("{REPOSITORY}")'] if names else []
    calls += [f'load_dataset("{REPOSITORY}", "{name}")' for name in names[1:]]
    code = "\n".join(["from datasets import load_dataset", "", *calls])
    parts = ["## Load it", fenced(code, "python") if calls else "No configuration has a row."]
    for spec in run.recipe.export:
        if isinstance(spec, TokensExport):
            parts.append(_token_files(spec, _pack_of(spec, run)))
            continue
        found = run.filled.get(spec.configs()[0])
        if found is not None and (told := _with_trainer(spec, found)):
            parts.append(told)
    return "\n\n".join(parts)


def _with_trainer(spec: ExportSpec, found: Written) -> str:  # noqa: PLR0911  (one per format)
    """What a trainer or a benchmark makes of an export, with its own code."""
    split = next(iter(found.splits))
    match spec:
        case NTupleExport() | TripletExport() | PairExport():
            scored = not isinstance(spec, PairExport) and spec.scores
            loss = "MarginMSELoss" if scored else "MultipleNegativesRankingLoss"
            return _sentence_transformers(spec, split, "SentenceTransformer", loss)
        case LabeledPairExport():
            loss = "MSELoss" if spec.scores else "BinaryCrossEntropyLoss"
            return _sentence_transformers(spec, split, "CrossEncoder", loss)
        case LabeledListExport():
            loss = "ListNetLoss" if spec.scores else "LambdaLoss"
            return _sentence_transformers(spec, split, "CrossEncoder", loss)
        case FlagEmbeddingExport():
            return _flag_embedding(spec, found, split)
        case ListwiseExport():
            return _listwise(spec, found, split)
        case NemotronExport():
            return _nemotron(spec, split)
        case BeirExport():
            return _beir(spec, split)
        case DocumentsExport() | RowsExport() | TokensExport():
            return ""
        case _:
            assert_never(spec)


def _sentence_transformers(
    spec: NTupleExport | TripletExport | PairExport | LabeledPairExport | LabeledListExport,
    split: str,
    model: str,
    loss: str,
) -> str:
    cross = model == "CrossEncoder"
    code = _TRAINED.format(
        model=model,
        package="cross_encoder" if cross else "sentence_transformer",
        repository=REPOSITORY,
        config=spec.name,
        split=split,
        without='.remove_columns(["id", "source_id"])' if spec.ids else "",
        base="answerdotai/ModernBERT-base" if cross else "BAAI/bge-base-en-v1.5",
        more=", num_labels=1" if cross else "",
        loss=loss,
    )
    return _part(spec, "sentence-transformers", code, "python")


def _flag_embedding(spec: FlagEmbeddingExport, found: Written, split: str) -> str:
    code = (
        "python -m FlagEmbedding.finetune.embedder.encoder_only.base \\\n"
        f"  --train_data FOLDER/{found.files.folder}/{found.files.pattern(split)} \\\n"
        + ("  --knowledge_distillation True \\\n" if spec.scores else "")
        + "  --model_name_or_path BAAI/bge-base-en-v1.5 --output_dir OUT --train_group_size 5"
    )
    return _part(spec, "FlagEmbedding", code, "bash")


def _listwise(spec: ListwiseExport, found: Written, split: str) -> str:
    path = f"FOLDER/{found.files.folder}/{found.files.file(split, 0, 1)}"
    lines = ["from src.data import MixedRankDataset", ""]
    if spec.files == "parquet":
        path = f"{split}.jsonl"
        lines[:0] = ["from datasets import load_dataset"]
        lines += [f'load_dataset("{REPOSITORY}", "{spec.name}", split="{split}").to_json("{path}")']
    lines += [f'train = MixedRankDataset(data_args)  # data_args.data_path: "{path}"']
    return _part(spec, "E2Rank", "\n".join(lines), "python")


def _nemotron(spec: NemotronExport, split: str) -> str:
    code = (
        "dataset:\n"
        "  _target_: nemo_automodel.components.datasets.llm.retrieval_dataset"
        ".RetrievalDatasetConfig\n"
        f"  data_dir_list: [{_NEMO_ADDRESS}/{spec.name}]"
        f"  # on a disk: [FOLDER/data/{spec.name}/{split}.json]\n"
        "  n_passages: 5"
    )
    return _part(spec, "NeMo AutoModel", code, "yaml")


def _beir(spec: BeirExport, split: str) -> str:
    code = (
        "from mteb.abstasks.retrieval_dataset_loaders import RetrievalDatasetLoader\n\n"
        f'loader = RetrievalDatasetLoader("{REPOSITORY}", "main", split="{split}", '
        f'config="{spec.name}")\n'
        "task_data = loader.load()"
    )
    told = _part(spec, "MTEB", code, "python")
    if spec.files != "jsonl":
        return told
    code = (
        "from beir.datasets.data_loader import GenericDataLoader\n\n"
        f'loader = GenericDataLoader("FOLDER/data/{spec.name}")\n'
        f'corpus, queries, qrels = loader.load(split="{split}")'
    )
    return f"{told}\n\n{_part(spec, 'BEIR', code, 'python')}"


def _pack_of(spec: TokensExport, run: RunInfo) -> Pack | None:
    """The step that made the windows of an export; None where they came from a source."""
    reads = {record.name: record.reads for record in run.records}
    steps = dict(run.recipe.named_steps())
    name = spec.from_ or list(steps)[-1]
    while (step := steps.get(name)) is not None:
        if isinstance(step, Pack):
            return step
        name = reads.get(name) or ""
    return None


def _token_files(spec: TokensExport, pack: Pack | None) -> str:
    # Megatron-LM cuts samples of so many tokens, nanotron of one more.
    megatron, nanotron = "WINDOW_TOKENS", "WINDOW_TOKENS - 1"
    if pack is not None:
        megatron, nanotron = str(pack.window_tokens), str(pack.window_tokens - 1)
    split = next(iter(spec.splits))
    folder = f"FOLDER/data/{spec.name}"
    told = ""
    if pack is not None and not pack.fill:
        told = (
            "\n\nWindows are not filled up, so that samples of this length are not windows: they "
            "run on from one into the next. `fill: true` in `pack` makes every window a sample."
        )
    if spec.trainer == "megatron":
        code = (
            f"torchrun pretrain_gpt.py --seq-length {megatron} --data-path {folder}/{split} \\\n"
            "  --tokenizer-type HuggingFaceTokenizer --tokenizer-model TOKENIZER ..."
        )
        return _part(spec, "Megatron-LM", code, "bash") + told
    code = (
        "data_stages:\n"
        "- name: train\n"
        "  start_training_step: 1\n"
        "  data:\n"
        "    dataset:\n"
        f"      dataset_folder: {folder}  # {split}.ds; sequence_length: {nanotron}\n"
        f"      token_size_in_bytes: {spec.token_bytes}"
    )
    return _part(spec, "nanotron", code, "yaml") + told


def _part(spec: ExportSpec, what: str, code: str, language: str) -> str:
    return f"`{spec.name}` with {what}:\n\n{fenced(code, language)}"
