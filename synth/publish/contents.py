"""What of a run is published: the dataset, its card, and what it takes to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from synth.card import addressed, with_quality
from synth.core.errors import PublishError
from synth.export import file_sets, metadata_files
from synth.export.layout import FileSet
from synth.formats import ExportSpec
from synth.manifest import StepRecord
from synth.publish.pieces import Piece
from synth.quality import quality
from synth.recipe import Recipe, parse_recipe
from synth.redact import redacted
from synth.report import REPORT, render_report
from synth.view import RUN_FILE, Run, open_run

CARD, RECIPE, LEDGER, PROMPTS = "README.md", "recipe.yaml", "ledger.json", "prompts"


@dataclass(frozen=True)
class ToPublish:
    """A run, as publishing reads it.

    Attributes:
        run: The run.
        root: Its folder on this machine.
        recipe: The recipe that made it.
        prompts: Text of each prompt file, by its name.
        limit: How many records were read of the main source; None for all.
    """

    run: Run
    root: Path
    recipe: Recipe
    prompts: Mapping[str, str]
    limit: int | None

    @property
    def exports(self) -> tuple[ExportSpec, ...]:
        """The recipe's exports, complete."""
        return tuple(spec.completed(self.recipe.name) for spec in self.recipe.export)

    @property
    def tag(self) -> str:
        """The tag of this version; a run on part of the source has one of its own."""
        part = "" if self.limit is None else f"-limit-{self.limit}"
        return f"v{self.recipe.version}{part}"

    def file_sets(self) -> list[tuple[ExportSpec, FileSet]]:
        """The files of every export."""
        return [(spec, one) for spec in self.exports for one in file_sets(self.exports, spec)]


def read_run(path: str) -> ToPublish:
    """The run in a folder.

    Raises:
        StorageError: If there is none.
        PublishError: If it is not on a filesystem of this machine.
        RecipeError: If its recipe is one of another version of synth.
    """
    run = open_run(path)
    if not run.folder.is_local:
        raise PublishError(
            f"{run.folder.url} is not on a disk of this machine; copy the folder here, and publish "
            "the copy"
        )
    told: dict[str, Any] = orjson.loads(run.folder.read(RUN_FILE))
    return ToPublish(
        run=run,
        root=Path(run.folder.root),
        recipe=parse_recipe(run.recipe, f"the recipe of {run.folder.url}"),
        prompts=told.get("prompts", {}),
        limit=told.get("limit"),
    )


def contents(asked: ToPublish, repo: str) -> tuple[Piece, ...]:
    """All that is sent, and nothing else: no step, no log, no reply.

    Args:
        asked: The run.
        repo: ``org/name``, which the card names where it shows how to load the dataset.
    """
    root = asked.root
    card = (root / CARD).read_text(encoding="utf-8") if (root / CARD).is_file() else ""
    measured = quality(asked.run)
    tables = [(one.title, one.told, [one.head, *one.lines]) for one in measured if one.lines]
    made = {
        CARD: with_quality(addressed(card, repo), tables).encode(),
        REPORT: render_report(asked.run, measured, kept_only=True).encode(),
        RECIPE: redacted(asked.run.recipe).encode(),
        **{f"{PROMPTS}/{name}.md": text.encode() for name, text in asked.prompts.items()},
    }
    files = sorted(set(_data_files(asked)))
    paths = sorted([*made, *files, LEDGER])
    made[LEDGER] = _ledger(asked, paths)
    return (
        *(Piece.of_bytes(path, data) for path, data in sorted(made.items())),
        *(Piece.of_file(path, root / path) for path in files),
    )


def _data_files(asked: ToPublish) -> list[str]:
    found = []
    for _, files in asked.file_sets():
        for split in files.splits:
            folder = asked.root / files.folder
            for pattern in files.patterns(split):
                found += [f"{files.folder}/{one.name}" for one in folder.glob(pattern)]
    metadata = [path for spec in asked.exports for path in metadata_files(spec)]
    return [*found, *(path for path in metadata if (asked.root / path).is_file())]


def _ledger(asked: ToPublish, paths: list[str]) -> bytes:
    """The ledger of each step, without what only this machine knows, and the files published."""
    told = {
        "name": asked.recipe.name,
        "version": asked.recipe.version,
        "limit": asked.limit,
        "steps": [_told(record) for record in asked.run.records],
        "files": paths,
    }
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _told(record: StepRecord) -> dict[str, Any]:
    told = record.model_dump(mode="json", exclude={"ingredients", "parts"})
    return {**told, "facts": {name: redacted(fact) for name, fact in record.facts.items()}}
