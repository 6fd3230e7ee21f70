"""Where the tables of an export are in the run: folders, files and configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from synth.export.beir import QRELS
from synth.export.corpus import CORPUS
from synth.export.encoders import CORPUS_FOLDER, Kind, endings
from synth.export.nemotron import CORPUS_METADATA, DATASET_METADATA, metadata
from synth.export.shaped import ROWS
from synth.formats import (
    BeirExport,
    ExportSpec,
    ListwiseExport,
    NemotronExport,
    TokensExport,
)

_DATA = "data"


@dataclass(frozen=True, slots=True)
class FileSet:
    """The files of one table that a format makes.

    Attributes:
        table: Which table.
        folder: Where they are in the run.
        splits: Relative size of each split.
        kind: The kind of the files.
        shard_rows: Rows of one file at most; None for one file for each split.
        config: The configuration that `load_dataset` opens them as; None for files that only a
            trainer reads.
    """

    table: str
    folder: str
    splits: Mapping[str, float]
    kind: Kind
    shard_rows: int | None
    config: str | None

    def file(self, split: str, number: int, of: int) -> str:
        """The name of a file, as the Hub expects it, counted from 0."""
        if self.shard_rows is None:
            return f"{split}.{self.kind}"
        return f"{split}-{number:05d}-of-{of:05d}.{self.kind}"

    def pattern(self, split: str) -> str:
        """The glob that finds the files of one split, and of no other, in their folder."""
        if self.shard_rows is None:
            return f"{split}.{self.kind}"
        return f"{split}-?????-of-?????.{self.kind}"

    def patterns(self, split: str) -> tuple[str, ...]:
        """The globs of all files of one split: beside token ids there is an index of them."""
        stem = self.pattern(split).removesuffix(f".{self.kind}")
        return tuple(f"{stem}{ending}" for ending in endings(self.kind))


def file_sets(exports: Sequence[ExportSpec], spec: ExportSpec) -> tuple[FileSet, ...]:
    """The files of one of the exports, those of the configuration that opens by itself first.

    The first export is directly in ``data``, any other in ``data/<name>``, and one of several
    tables there in any case.
    """
    own = f"{_DATA}/{spec.name}"
    match spec:
        case BeirExport():
            return _beir(spec, own)
        case NemotronExport():
            return _nemotron(spec, own)
        case TokensExport():
            kind: Kind = "bin" if spec.trainer == "megatron" else "ds"
            return (FileSet(ROWS, own, spec.splits, kind, None, None),)
    folder = _DATA if spec.name == exports[0].name else own
    # E2Rank reads one file of JSON Lines.
    is_whole = isinstance(spec, ListwiseExport) and spec.files == "jsonl"
    shard_rows = None if is_whole else spec.shard_rows
    return (FileSet(ROWS, folder, spec.splits, spec.files, shard_rows, spec.name),)


def metadata_files(spec: ExportSpec) -> dict[str, bytes]:
    """What a loader asks for beside the rows, by its path in the run."""
    if not isinstance(spec, NemotronExport):
        return {}
    corpus = f"{_DATA}/{spec.name}/{CORPUS_FOLDER}/{CORPUS_METADATA}"
    # The loader of the Hub looks for it in a folder with the name of the configuration.
    return {corpus: metadata(spec), f"{spec.name}/{DATASET_METADATA}": metadata(spec)}


def _beir(spec: BeirExport, folder: str) -> tuple[FileSet, ...]:
    """With JSON Lines, the names and the further files that BEIR's own loader asks for."""
    qrels, queries, corpus = spec.configs()
    shard_rows = None if spec.files == "jsonl" else spec.shard_rows
    judged = FileSet(QRELS, f"{folder}/{QRELS}", spec.splits, spec.files, shard_rows, qrels)
    more = (replace(judged, kind="tsv", config=None),) if spec.files == "jsonl" else ()
    return (
        judged,
        FileSet(ROWS, folder, {"queries": 1.0}, spec.files, shard_rows, queries),
        FileSet(CORPUS, folder, {"corpus": 1.0}, spec.files, shard_rows, corpus),
        *more,
    )


def _nemotron(spec: NemotronExport, folder: str) -> tuple[FileSet, ...]:
    """For the Hub, and queries once more for the loader of local files."""
    name, corpus = spec.configs()
    queries = FileSet(ROWS, folder, spec.splits, spec.files, spec.shard_rows, name)
    passages = f"{folder}/{CORPUS_FOLDER}"
    return (
        queries,
        FileSet(CORPUS, passages, {"train": 1.0}, spec.files, spec.shard_rows, corpus),
        replace(queries, kind="json", shard_rows=None, config=None),
    )
