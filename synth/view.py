"""A run as its reader sees it: steps, rows, ledger and lineage, from the files it left."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any

import orjson
from markupsafe import Markup

from synth.core.errors import StorageError, SynthError
from synth.figures import FIGURES, figures
from synth.html import Fragment, fragment
from synth.html import tables as html_tables
from synth.html.chart import chart
from synth.inputs.files import Folder
from synth.lineage import Lineage, trace
from synth.manifest import MANIFEST, StepRecord, read_record
from synth.recipe import EXPORT
from synth.samples import cards
from synth.step_rows import StepRows

__all__ = ["Run", "StepRows", "open_run"]

RUN_FILE = "_run.json"
EXPORT_FOLDER = "_export"
# Rows that a notebook shows of a run.
_SHOWN_ROWS = 3
_STEP_FOLDER = re.compile(r"(\d+)-(.+)")


@dataclass(frozen=True)
class Run:
    """One run, finished or not: ``run["margin_filter"].to_pandas()``.

    Attributes:
        folder: Its folder, ``outputs/<name>/<version>``.
        name: The recipe's name.
        version: The recipe's version.
        recipe: The recipe's text.
        folders: Folders of sources and steps in their order; those with a number where there are
            none.
        prompts: The text of each prompt file that its steps use, by its name.
    """

    folder: Folder
    name: str
    version: str
    recipe: str
    folders: tuple[str, ...] = ()
    prompts: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Name and steps."""
        return f"<run {self.name} {self.version}: {', '.join(self.steps)}>"

    @cached_property
    def _finished(self) -> Mapping[str, StepRows]:
        found = {}
        for name in self.folders or _numbered(self.folder):
            folder = self.folder.sub(name)
            if (record := read_record(folder)) is not None:
                found[record.name] = StepRows(folder, record)
        return found

    @property
    def steps(self) -> list[str]:
        """Names of the finished sources and steps, in their order."""
        return list(self._finished)

    def __iter__(self) -> Iterator[str]:
        """Names of the finished sources and steps, in their order."""
        return iter(self._finished)

    @property
    def missing(self) -> list[str]:
        """Folders of sources and steps that are not finished."""
        done = {step.folder.url for step in self._finished.values()}
        return [name for name in self.folders if self.folder.sub(name).url not in done]

    @property
    def records(self) -> list[StepRecord]:
        """The ledger: of sources, of steps and of the exports, those that are finished."""
        folder = self.folder.sub(EXPORT_FOLDER)
        folders = [folder, *(folder.sub(name) for name in folder.names() if name != MANIFEST)]
        exports = [record for one in folders if (record := read_record(one)) is not None]
        steps = [step.record for step in self._finished.values()]
        return [*steps, *sorted(exports, key=lambda record: (record.name != EXPORT, record.name))]

    def __getitem__(self, name: str) -> StepRows:
        """The rows of one step or source.

        Raises:
            SynthError: If there is none of that name that is finished.
        """
        if name not in self._finished:
            known = ", ".join(self.steps) or "none yet"
            raise SynthError(f"run {self.name} has no finished step {name!r}; there are: {known}")
        return self._finished[name]

    def ledger(self) -> list[dict[str, Any]]:
        """One row for each record, ready for a table; `dropped` has the number for each reason."""
        names = ("name", "kind", "reads", "rows_in", "rows_made", "rows_replaced", "rows_out")
        return [
            {
                **{name.replace("name", "step"): getattr(record, name) for name in names},
                "rows_dropped": record.rows_dropped,
                "dropped": dict(record.dropped),
                "requests": record.usage.requests,
                "reused": record.usage.reused,
                "output_tokens": record.usage.output_tokens,
                "seconds": record.seconds,
            }
            for record in self.records
        ]

    def dataset(self, config: str | None = None) -> Any:  # noqa: ANN401  (datasets has no types)
        """The exported dataset, as ``datasets.load_dataset`` opens it.

        Args:
            config: A configuration, as the card names them; the first one when left out.

        Raises:
            SynthError: If the run has not exported yet, or no row that `datasets` reads, or is not
                on a local filesystem, or has no such configuration.
        """
        if not self.folder.exists("README.md"):
            raise SynthError(f"run {self.name} has no dataset yet; finish it with `synth run`")
        if not self.folder.is_local:
            raise SynthError(
                f"`datasets` opens a run on local disk only; copy {self.folder.url} there first"
            )
        import datasets
        from huggingface_hub import metadata_load

        told = metadata_load(self.folder.path("README.md")) or {}
        names = [one["config_name"] for one in told.get("configs", ())]
        if not names:
            raise SynthError(
                f"run {self.name} has exported no row that `datasets` reads; its ledger, "
                "`synth view`, says where rows went"
            )
        if config is not None and config not in names:
            raise SynthError(
                f"run {self.name} has no configuration {config!r}; it has {', '.join(names)}"
            )
        return datasets.load_dataset(self.folder.root, config)

    def why(self, row_id: str) -> Lineage:
        """All that happened to a row, a positive or a negative, from its source on.

        Raises:
            SynthError: If no finished step knows the id.
        """
        if not isinstance(row_id, str):
            raise SynthError(f"ids are texts, and {row_id!r} is none; give one from the column id")
        return trace(list(self._finished.values()), row_id)

    def show(self, step: str | None = None, n: int = 5, *, dropped: bool = False) -> Fragment:
        """Rows as cards, in a notebook: texts side by side with their scores and their origin.

        Args:
            step: The step; the last one when left out.
            n: How many rows.
            dropped: Show rows that the step dropped.

        Raises:
            SynthError: If there is no such step, or none that is finished.
        """
        if step is None and not self.steps:
            raise SynthError(f"run {self.name} has no finished step yet")
        rows = self[step or self.steps[-1]]
        found = rows.head(n, dropped=dropped).to_pylist()
        name = rows.record.name
        number = rows.record.rows_dropped if dropped else len(rows)
        told = f"{name}: {len(found):,} of {number:,} {'dropped rows' if dropped else 'rows'}"
        return fragment("cards.html", told, told=told, cards=cards(self, name, found, level=4))

    def plot(self, *names: str) -> Fragment:
        """Figures of the run, in a notebook; all of them when no name is given.

        Args:
            names: Of `synth.figures.FIGURES`, such as ``scores``, ``lengths`` or ``clusters``.

        Raises:
            SynthError: If there is no such figure.
        """
        drawn = [chart(one) for name in names or FIGURES for one in figures(self, name)]
        told = ", ".join(names or FIGURES)
        return fragment("charts.html", f"figures: {told}", charts=drawn, told=told)

    def _repr_html_(self) -> str:
        """The funnel, the ledger and a few rows of the last step, for a notebook."""
        name = self.steps[-1] if self.steps else None
        rows = [] if name is None else self[name].head(_SHOWN_ROWS).to_pylist()
        return fragment(
            "run.html",
            repr(self),
            run=self,
            funnel=Markup("").join(chart(one) for one in figures(self, "funnel")),
            ledger=html_tables.ledger(self.records),
            last=name,
            cards=[] if name is None else cards(self, name, rows, level=4),
        )._repr_html_()


def _numbered(folder: Folder) -> list[str]:
    """Folders such as ``03-embed`` by number, the main source first."""
    found = [match for name in folder.names() if (match := _STEP_FOLDER.fullmatch(name))]
    ordered = sorted(found, key=lambda match: (int(match[1]), match[2] != "source", match[2]))
    return [match[0] for match in ordered]


def open_run(path: str | PathLike[str]) -> Run:
    """The run in a folder, ``outputs/<name>/<version>``, on any filesystem.

    Raises:
        StorageError: If there is no run.
    """
    folder = Folder(str(path))
    if not folder.exists(RUN_FILE):
        inside = [name for name in folder.names() if folder.sub(name).exists(RUN_FILE)]
        hint = (
            f"there are the runs {', '.join(inside)} inside; give one of these folders"
            if inside
            else "give a folder such as outputs/NAME/VERSION"
        )
        raise StorageError(f"there is no run in {folder.url}; {hint}")
    try:
        data = orjson.loads(folder.read(RUN_FILE))
        folders = tuple(data.get("steps", ()))
        told = (data["name"], str(data["version"]), data["recipe"])
        return Run(folder, *told, folders, data.get("prompts", {}))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise StorageError(
            f"{folder.url}/{RUN_FILE} is damaged or of another version of synth"
        ) from error
