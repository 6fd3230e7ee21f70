"""What the page asks of a run, without the page."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import duckdb
import numpy as np

from synth.core.drop_list import Listed
from synth.core.errors import StorageError, SynthError
from synth.core.rows import is_vector
from synth.explore import parts
from synth.explore.flags import Flag, Flags
from synth.explore.parts import Places
from synth.explore.query import Names, Query, Sort
from synth.explore.selection import SELECTIONS, write_dataset, write_drop_list
from synth.explore.table import StepTable
from synth.explore.vectors import MAP_ROWS, Embeddings, Words
from synth.inputs.files import Folder
from synth.view import Run

PAGE_ROWS = 50
# Colours that the map tells apart; what is rarer is one more.
_COLORS = 7
NEAR_ROWS = 12
_OTHERS, _KEPT = "all others", "kept"

Color = Literal["reason", "origin", "model"]
Row = dict[str, Any]


class Explorer:
    """A run that is looked through; each step is read when it is first asked for.

    Attributes:
        run: The run.
        flags: What is flagged.
        out: Where selections go.
    """

    def __init__(self, run: Run, flags: Flags, out: Folder | None = None) -> None:
        if not run.folder.is_local:
            raise StorageError(
                f"a run is explored on local disk; copy {run.folder.url} there first"
            )
        if not run.steps:
            raise SynthError(f"run {run.name} has no finished step yet; `synth run` makes some")
        self.run, self.flags = run, flags
        # Absolute, since a recipe counts a relative path from its own folder.
        self.out = out or Folder(run.folder.root).sub(SELECTIONS)
        # Nothing is fetched, whatever a question asks for.
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        self._database = duckdb.connect(config=settings)
        self._lock = threading.RLock()
        self._tables: dict[str, StepTable] = {}
        self._near: dict[tuple[str, str], Embeddings | Words] = {}
        self._maps: dict[tuple[str, str], str] = {}

    def table(self, step: str) -> StepTable:
        """A step in the database.

        Raises:
            SynthError: If there is none of that name that is finished.
        """
        rows = self.run[step]
        with self._lock:
            if step not in self._tables:
                try:
                    self._tables[step] = StepTable(rows, len(self._tables), self._database)
                except duckdb.Error as error:
                    raise StorageError(
                        f"the files of step {step} cannot be read ({str(error).splitlines()[0]}); "
                        f"delete {rows.folder.url}, and run again"
                    ) from error
            return self._tables[step]

    def overview(self) -> dict[str, Any]:
        """The run and its steps."""
        steps = [
            {
                "name": name,
                "kind": record.kind,
                "reads": record.reads,
                "rows": record.rows_out,
                "dropped": record.rows_dropped,
            }
            for name, record in ((name, self.run[name].record) for name in self.run.steps)
        ]
        return {"name": self.run.name, "version": self.run.version, "steps": steps}

    def facets(self, step: str) -> dict[str, Any]:
        """What a step can be filtered, coloured and compared by."""
        table = self.table(step)
        texts = [f"words of {table.title}"] if table.title else []
        return {
            **table.facets(),
            "title": table.title,
            "vectors": table.vectors,
            "near": [*table.vectors, *texts],
        }

    def page(self, step: str, query: Query, sort: Sort, number: int, *, falls: bool) -> Row:
        """How many rows a query finds, and those of a page, counted from 0."""
        table, at = self.table(step), (number * PAGE_ROWS, PAGE_ROWS)
        names = self._names(step, query)
        total, rows = table.page(query, names, self._flagged(query), (sort, falls), at)
        return {"total": total, "page": number, "rows": rows, "page_rows": PAGE_ROWS}

    def row(self, step: str, place: int) -> Row:
        """All columns of one row; of embeddings only how long they are.

        Raises:
            SynthError: If there is none.
        """
        for table in parts.rows_at(self.run[step], np.array([place], np.int64)):
            found: Row = {}
            for field in table.schema:
                value = table.column(field.name)[0].as_py()
                if is_vector(field.type):
                    value = None if value is None else f"{len(value)} numbers"
                found[field.name] = value
            return found
        raise SynthError(f"step {step} has no row number {place}")

    def place_of(self, step: str, row_id: str) -> int | None:
        """Where the row with an id is in a step."""
        return self.table(step).place_of(row_id)

    def why(self, row_id: str) -> Row:
        """The lineage of an id, and the steps that have it as a row."""
        return asdict(self.run.why(row_id))

    def near(self, step: str, place: int, by: str) -> list[Row]:
        """The rows nearest to a row, best first, each with its `score`.

        Raises:
            SynthError: If the step cannot be compared by that.
        """
        table = self.table(step)
        known = self.facets(step)["near"]
        if by not in known:
            raise SynthError(f"step {step} has no {by!r}; it has {', '.join(known) or 'neither'}")
        places, scores = self._compared(step, table, by).near(place, NEAR_ROWS)
        shown = table.at(places)
        return [shown[at] | {"score": score} for at, score in zip(places, scores, strict=True)]

    def points(self, step: str, vector: str, query: Query, color: Color) -> Row:
        """The map: places, coordinates and colours of rows that a query finds."""
        names = self._names(step, query)
        total, found = self.table(step).points(
            query, names, self._flagged(query), self._map(step, vector), color, MAP_ROWS
        )
        missing = _KEPT if color == "reason" else "none"
        values = [value or missing for value in found["color"].to_pylist()]
        # The most frequent are told apart; rows that go on are the first of them.
        common = [name for name, _ in sorted(Counter(values).items(), key=_most_first)]
        shown = common[:_COLORS]
        number = {name: at for at, name in enumerate(shown)}
        return {
            "total": total,
            "n": found["n"].to_numpy(),
            "x": found["x"].to_numpy().astype(np.float32),
            "y": found["y"].to_numpy().astype(np.float32),
            "color": np.array([number.get(one, len(shown)) for one in values], np.int32),
            "names": [*shown, _OTHERS] if len(common) > _COLORS else shown,
        }

    def write_dataset(self, step: str, query: Query, name: str) -> Row:
        """Writes what a query finds as a dataset."""
        places, _ = self._matching(step, query)
        target = self.out.sub(name)
        path = write_dataset(self.run, self.run[step], places, target, _told(query))
        return {"path": path, "rows": len(places)}

    def write_drop_list(self, step: str, query: Query | None, name: str, note: str) -> Row:
        """Writes a drop list of the rows that a query finds, or of all flags where it is None."""
        if query is None:
            listed = [flag.listed for flag in self.flags.all()]
        else:
            listed = [Listed(one, None, note) for one in self._matching(step, query)[1]]
        path = write_drop_list(self.run, step, listed, self.out.sub(f"{name}.jsonl"))
        return {"path": path, "rows": len(listed)}

    def set_flag(self, flag: Flag, *, on: bool) -> list[Flag]:
        """Sets a flag, or takes it away; all flags after it.

        Raises:
            SynthError: If the row to be flagged is not in the step.
        """
        if on and flag.step and self.place_of(flag.step, flag.id) is None:
            raise SynthError(f"step {flag.step} has no row {flag.id!r}, so it cannot be flagged")
        return self.flags.set(flag, on=on)

    def _matching(self, step: str, query: Query) -> tuple[Places, list[str]]:
        names = self._names(step, query)
        found = self.table(step).matching(query, names, self._flagged(query))
        return found["n"].to_numpy().astype(np.int64), found["id"].to_pylist()

    def _flagged(self, query: Query) -> list[str]:
        return self.flags.row_ids() if query.flagged else []

    def _names(self, step: str, query: Query) -> Names:
        names = self.table(step).names
        if query.box is None:
            return names
        return names.model_copy(update={"places": self._map(step, query.box.vector)})

    def _compared(self, step: str, table: StepTable, by: str) -> Embeddings | Words:
        with self._lock:
            if (step, by) not in self._near:
                made = Embeddings if by in table.vectors else Words
                column = by if by in table.vectors else table.title
                self._near[step, by] = made(self.run[step], column)
            return self._near[step, by]

    def _map(self, step: str, vector: str) -> str:
        """The table of places on the map of a column, made when it is first asked for."""
        table = self.table(step)
        if vector not in table.vectors:
            known = ", ".join(table.vectors) or "none"
            raise SynthError(f"step {step} has no embeddings {vector!r}; it has {known}")
        with self._lock:
            if (step, vector) not in self._maps:
                found = self._compared(step, table, vector)
                places = found.on_map() if isinstance(found, Embeddings) else None  # noqa: F841
                name = f"map_{len(self._maps)}"
                self._database.execute(f"create table {name} as select * from places")
                self._maps[step, vector] = name
            return self._maps[step, vector]


def _most_first(counted: tuple[str, int]) -> tuple[bool, int, str]:
    name, count = counted
    return name != _KEPT, -count, name


def _told(query: Query) -> str:
    """How a query chooses, for a card."""
    given: Mapping[str, Any] = query.model_dump(exclude_defaults=True, exclude_none=True)
    told = ", ".join(f"{name} {value}" for name, value in given.items())
    return f"rows chosen by {told}".replace("`", "'") if told else "all rows"
