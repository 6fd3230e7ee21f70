"""The YAML block of a dataset card, which the Hub and `datasets` read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

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
_TYPES = {"float": "float32", "double": "float64", "halffloat": "float16"}
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
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
        "tags": _unique(["synthetic", "synth", *_libraries(recipe), *card.tags]),
        "configs": _configs(run),
        "dataset_info": _types(run),
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


def _types(run: RunInfo) -> list[dict[str, Any]]:
    """The columns' types, where the files have none: `datasets` would guess them by their top."""
    return [
        {
            "config_name": name,
            "features": [{"name": field.name, **_type(field.type)} for field in one.schema],
        }
        for name, one in run.filled.items()
        if one.files.kind == "jsonl" and one.schema is not None
    ]


def _type(kind: pa.DataType) -> dict[str, Any]:
    """A type as the Hub writes it: ``dtype: int64``, ``list: string`` or ``struct: [...]``."""
    if pa.types.is_struct(kind):
        return {"struct": [{"name": field.name, **_type(field.type)} for field in kind]}
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        inside = _type(kind.value_type)
        return {"list": inside.get("dtype") or inside.get("struct") or inside}
    return {"dtype": _TYPES.get(str(kind), str(kind))}


def _source_datasets(recipe: Recipe) -> list[str]:
    hub = [
        source.dataset
        for source in recipe.all_sources().values()
        if isinstance(source, HubSource)
        and _HUB_ID.fullmatch(source.dataset)
        and not (recipe.base / source.dataset).exists()
    ]
    return _unique([*recipe.card.source_datasets, *hub])


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _size(rows: int) -> str:
    return next((name for below, name in _SIZES if rows < below), "n>1T")
