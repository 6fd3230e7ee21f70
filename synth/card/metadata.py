"""The YAML block of a dataset card, which the Hub and `datasets` read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from synth.card.base_models import HUB_ID, base_models
from synth.card.run_info import RunInfo
from synth.formats import (
    BeirExport,
    LabeledListExport,
    LabeledPairExport,
    NTupleExport,
    PairExport,
    TripletExport,
)
from synth.inputs.sources import HubSource
from synth.recipe import Recipe

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
    (1_000_000_000_000, "100B<n<1T"),
)
# Types that Arrow and the Hub call by different names.
_TYPES = {
    "float": "float32",
    "double": "float64",
    "halffloat": "float16",
    "date32[day]": "date32",
    "date64[ms]": "date64",
}
# The types that `datasets` has names for, as far as rows may have them.
_NAMED = re.compile(
    r"null|bool|u?int(?:8|16|32|64)|float(?:16|32|64)|(?:large_)?(?:string|binary)|date(?:32|64)"
    r"|(?:timestamp|time32|time64|duration)\[(?:s|ms|us|ns)(?:, tz=[\w/+:-]+)?\]"
)
# What the columns of retrieval rows are called, in one format or another.
_RETRIEVAL = ("query", "positive", "positives", "question", "query-id")


def metadata(run: RunInfo) -> dict[str, Any]:
    """The card's YAML block, as data."""
    recipe, card = run.recipe, run.recipe.card
    fields = {
        "pretty_name": recipe.name,
        "license": card.license,
        "language": list(card.languages),
        "task_categories": _tasks(run),
        "size_categories": [_size(sum(sum(one.splits.values()) for one in run.configs.values()))],
        "source_datasets": _source_datasets(recipe),
        "base_model": base_models(recipe),
        "tags": _unique(["synthetic", "synth", *_libraries(recipe), *card.tags]),
        "configs": _configs(run),
        "dataset_info": _infos(run),
    }
    return {name: value for name, value in fields.items() if value}


def _tasks(run: RunInfo) -> list[str]:
    if not any(name in _RETRIEVAL for name in run.columns):
        return ["text-generation"]
    evaluates = all(isinstance(export, BeirExport) for export in run.recipe.export)
    return ["text-retrieval"] if evaluates else ["sentence-similarity", "text-retrieval"]


def _libraries(recipe: Recipe) -> Iterator[str]:
    """The libraries that the Hub names beside a dataset which they read."""
    for export in recipe.export:
        match export:
            case BeirExport():
                yield "mteb"
            case (
                NTupleExport()
                | TripletExport()
                | PairExport()
                | LabeledPairExport()
                | LabeledListExport()
            ):
                yield "sentence-transformers"


def _configs(run: RunInfo) -> list[dict[str, Any]]:
    configs: list[dict[str, Any]] = []
    for name, one in run.filled.items():
        files = [
            {"split": split, "path": f"{one.files.folder}/{one.files.pattern(split)}"}
            for split in one.splits
        ]
        default = {} if configs else {"default": True}
        configs.append({"config_name": name, **default, "data_files": files})
    return configs


def _infos(run: RunInfo) -> list[dict[str, Any]]:
    """Columns and rows of each configuration, which `datasets` checks when it opens it."""
    infos: list[dict[str, Any]] = []
    for name, one in run.filled.items():
        types = (
            {} if one.schema is None else {field.name: _type(field.type) for field in one.schema}
        )
        told = {"features": [{"name": key, **kind} for key, kind in types.items() if kind]}
        known = told if types and all(types.values()) else {}
        splits = [
            {"name": split, "num_bytes": size, "num_examples": one.splits[split]}
            for split, size in one.unpacked.items()
        ]
        counted = {"splits": splits} if splits else {}
        if known or counted:
            infos.append({"config_name": name, **known, **counted})
    return infos


def _type(kind: pa.DataType) -> dict[str, Any] | None:
    """A type as the Hub writes it: ``dtype: int64``, ``list: string`` or ``struct: [...]``.

    None for one that `datasets` has no name for, and reads from the file.
    """
    if pa.types.is_struct(kind):
        types = {field.name: _type(field.type) for field in kind}
        told = [{"name": name, **inside} for name, inside in types.items() if inside]
        return {"struct": told} if len(told) == len(types) else None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inside = _type(kind.value_type)
        if inside is None:
            return None
        listed = "large_list" if pa.types.is_large_list(kind) else "list"
        size = {"length": kind.list_size} if pa.types.is_fixed_size_list(kind) else {}
        return {listed: inside.get("dtype") or inside.get("struct") or inside, **size}
    name = _TYPES.get(str(kind), str(kind))
    return {"dtype": name} if _NAMED.fullmatch(name) else None


def _source_datasets(recipe: Recipe) -> list[str]:
    hub = [
        source.dataset
        for source in recipe.all_sources().values()
        if isinstance(source, HubSource)
        and HUB_ID.fullmatch(source.dataset)
        and not (recipe.base / source.dataset).exists()
    ]
    return _unique([*recipe.card.source_datasets, *hub])


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _size(rows: int) -> str:
    return next((name for below, name in _SIZES if rows < below), "n>1T")
