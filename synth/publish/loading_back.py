"""Whether `datasets` opens what a run wrote, and finds in it what the card says."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.parquet as pq

from synth.core.errors import PublishError
from synth.export.layout import FileSet
from synth.export.shaped import ROWS
from synth.manifest import read_record
from synth.publish.contents import ToPublish
from synth.view import EXPORT_FOLDER

_RAISED_CHARS = 300


def loading_findings(asked: ToPublish, head: Mapping[str, Any]) -> list[str]:
    """What does not agree between recipe, card, ledger and files, one sentence each.

    Every configuration is opened with ``datasets.load_dataset``, into a folder of its own that is
    removed at the end, so that the user's cache is neither read nor filled.

    Args:
        asked: The run.
        head: The card's metadata.
    """
    named = [str(one.get("config_name")) for one in head.get("configs", ())]
    found = list(_empty(asked, named))
    with _quiet(), tempfile.TemporaryDirectory(prefix="synth-publish-") as cache:
        for name in named:
            loaded = _loaded(asked, name, cache)
            if isinstance(loaded, str):
                found.append(loaded)
                continue
            found += _not_as_told(asked, name, loaded, head)
            found += _not_as_counted(asked, name, loaded)
    return found


def _empty(asked: ToPublish, named: list[str]) -> Iterator[str]:
    for spec, files in asked.file_sets():
        if files.config is None:
            yield from _missing(asked, files)
            continue
        if files.config not in named:
            yield (
                f"configuration {files.config!r} has no row; look at what its steps dropped with "
                f"`synth view`, or leave the export {spec.name!r} out"
            )
            continue
        folder = asked.root / files.folder
        for split in files.splits:
            if not any(folder.glob(files.pattern(split))):
                yield (
                    f"split {split!r} of configuration {files.config!r} has no row; give it a "
                    "larger share in `splits`, or leave it out"
                )


def _missing(asked: ToPublish, files: FileSet) -> Iterator[str]:
    """Files that only a trainer reads and that are not there."""
    folder = asked.root / files.folder
    for split in files.splits:
        for pattern in files.patterns(split):
            if not any(folder.glob(pattern)):
                yield (
                    f"{files.folder}/{pattern} is not there: the split {split!r} has no row, or "
                    "the file was lost; run the recipe with --restart-from export"
                )


def _loaded(asked: ToPublish, name: str, cache: str) -> Any:  # noqa: ANN401  (datasets has no types)
    """The configuration, or a sentence on why it does not open."""
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        return datasets.load_dataset(
            str(asked.root), name, cache_dir=cache, verification_mode="no_checks"
        )
    except (DatasetsError, ValueError, OSError, TypeError, KeyError) as error:
        cause = error.__cause__ or error
        said = " ".join(str(cause).split())[:_RAISED_CHARS].rstrip(".")
        return (
            f"configuration {name!r} does not open with `datasets`: {said}; run the recipe with "
            "--restart-from export"
        )


def _not_as_told(
    asked: ToPublish,
    name: str,
    loaded: Any,  # noqa: ANN401
    head: Mapping[str, Any],
) -> Iterator[str]:
    """Where splits, rows or features are others than the card's."""
    told = next((one for one in _infos(head) if one.get("config_name", name) == name), None)
    if told is None:
        return
    counted = {split: rows.num_rows for split, rows in loaded.items()}
    for one in told.get("splits", ()):
        rows = counted.pop(one["name"], 0)
        if rows != one["num_examples"]:
            yield (
                f"split {one['name']!r} of configuration {name!r} has {rows:,} rows, and the card "
                f"says {one['num_examples']:,}; run the recipe with --restart-from export"
            )
    if "splits" in told and counted:
        yield f"the card does not tell split {next(iter(counted))!r} of configuration {name!r}"
    if "features" in told:
        yield from _other_columns(asked, name, told["features"])


def _other_columns(asked: ToPublish, name: str, told: list[Any]) -> Iterator[str]:
    """Files with other columns than the card's, which `datasets` would fill with nulls."""
    from datasets import Features

    features = Features._from_yaml_list(told)
    for _, files in asked.file_sets():
        if files.config != name or files.kind != "parquet":
            continue
        folder = asked.root / files.folder
        found = [path for split in files.splits for path in folder.glob(files.pattern(split))]
        for path in sorted(found):
            if Features.from_arrow_schema(pq.read_schema(path)) != features:
                yield (
                    f"{files.folder}/{path.name} has other columns or types than the card says; "
                    "run the recipe with --restart-from export"
                )


def _infos(head: Mapping[str, Any]) -> list[dict[str, Any]]:
    told = head.get("dataset_info", [])
    return told if isinstance(told, list) else [told]


def _not_as_counted(asked: ToPublish, name: str, loaded: Any) -> Iterator[str]:  # noqa: ANN401
    """Where the rows are not those that the ledger counts."""
    for spec, files in asked.file_sets():
        if files.config != name or files.table != ROWS:
            continue
        record = read_record(asked.run.folder.sub(EXPORT_FOLDER, spec.name))
        rows = sum(one.num_rows for one in loaded.values())
        if record is not None and rows != record.rows_out:
            yield (
                f"configuration {name!r} has {rows:,} rows, and the ledger counts "
                f"{record.rows_out:,}; run the recipe with --restart-from export"
            )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars of `datasets`, which tell of a folder that nobody will see."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    except OSError as error:
        raise PublishError(
            f"the dataset cannot be opened to check it: {error.strerror or error}; TMPDIR says "
            "where it is unpacked"
        ) from error
    finally:
        if shown:
            datasets.enable_progress_bars()
