"""A selection of rows, written as a dataset of its own or as a drop list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import yaml

from synth.core.drop_list import Listed, drop_list_bytes
from synth.core.errors import StorageError
from synth.core.rows import Table
from synth.explore import parts
from synth.explore.parts import Places
from synth.export import write_tables
from synth.export.layout import FileSet
from synth.export.shaped import ROWS
from synth.inputs.files import Folder
from synth.step_rows import StepRows
from synth.view import Run

# Where selections go in a run, unless the user says another folder.
SELECTIONS = "_selections"
_BATCH_ROWS, _SHARD_ROWS = 8_192, 100_000
_DATA = "data"


def write_dataset(run: Run, step: StepRows, places: Places, target: Folder, how: str) -> str:
    """Writes rows as a folder that ``datasets.load_dataset`` opens; the folder.

    Args:
        run: The run.
        step: Where the rows are.
        places: Which, in rising order, shape (rows,).
        target: A folder that does not exist.
        how: How they were chosen, for the card.

    Raises:
        StorageError: If there is something already, or nothing is selected.
    """
    _check_free(target)
    if not len(places):
        raise StorageError("no row is selected; flag rows, or change the filter")
    files = FileSet(ROWS, _DATA, {"train": 1.0}, "parquet", _SHARD_ROWS, "default")
    tables = ({ROWS: batch} for batch in _batches(parts.rows_at(step, places)))
    written = write_tables(tables, [files], 0, target)
    target.write("README.md", _card(run, step, written["default"]["train"], files, how).encode())
    return target.url


def write_drop_list(run: Run, step: str, listed: Iterable[Listed], target: Folder) -> str:
    """Writes a drop list for the step `drop_listed`; the file.

    Args:
        run: The run.
        step: Where the rows were seen.
        listed: What is to go.
        target: The file, which does not exist.
    """
    _check_free(target)
    lines = list(listed)
    if not lines:
        raise StorageError("no row is selected; flag rows, or change the filter")
    folder, _, name = target.url.rpartition("/")
    head = {"run": run.name, "version": run.version, "step": step}
    Folder(folder).write(name, drop_list_bytes(lines, head))
    return target.url


def _check_free(target: Folder) -> None:
    if target.exists():
        raise StorageError(f"{target.url} is there already; choose another name")


def _batches(tables: Iterable[Table]) -> Iterator[Table]:
    for table in tables:
        whole = table.replace_schema_metadata(None)
        for at in np.arange(0, whole.num_rows, _BATCH_ROWS):
            yield whole.slice(int(at), _BATCH_ROWS)


def _card(run: Run, step: StepRows, count: int, files: FileSet, how: str) -> str:
    config = {
        "config_name": "default",
        "data_files": [{"split": "train", "path": f"{_DATA}/{files.pattern('train')}"}],
    }
    head = {
        "pretty_name": f"{run.name}, a selection",
        "tags": ["synthetic", "synth"],
        "configs": [config],
    }
    name = step.record.name
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n"
        f"# A selection of {run.name}\n\n"
        f"{count:,} rows of the step `{name}` of {run.name}, version {run.version}, as that step "
        f"left them: {how}. A row with a `drop_reason` was dropped there.\n\n"
        "They were chosen with `synth explore`. How the rows were made, with which models and "
        "under which licence, is in the card of the whole run.\n"
    )
