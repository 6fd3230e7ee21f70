"""A step in a database in memory: what its rows are filtered, sorted and searched by."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from typing import Any

import duckdb
import pyarrow as pa

from synth.core import rows
from synth.explore import parts
from synth.explore.query import Names, Query, Sort
from synth.step_rows import StepRows

# Characters of a text in the list of rows.
_SHOWN_CHARS = 240
# Texts that are no words of a row.
_NO_WORDS = ("drop_reason", "parent_id", "source_id", "duplicate_of", "contaminated_by")
# Values of a filter that the page lists.
_LISTED_VALUES = 50
_SHOWN = "n, id, reason, title, passage, length, positive, negative, margin, models, negatives"

Row = dict[str, Any]


class StepTable:
    """One step, read once; its texts in the background, since only a search waits for them.

    Attributes:
        step: The step.
        vectors: Its columns of embeddings.
        names: What its tables are called.
    """

    def __init__(self, step: StepRows, number: int, database: duckdb.DuckDBPyConnection) -> None:
        self.step = step
        self.names = Names(rows=f"rows_{number}", texts=f"texts_{number}", uses=f"uses_{number}")
        self._database = database
        self._fields = {field.name: field.type for field in step.schema}
        self.vectors = [name for name, kind in self._fields.items() if rows.is_vector(kind)]
        self._make(self.names.rows, f"select n, {self._columns()} from found order by n")
        background = ThreadPoolExecutor(1, "texts")
        self._indexed: Future[None] = background.submit(self._index)
        background.shutdown(wait=False)

    @property
    def title(self) -> str:
        """The column that tells a row best; empty where there is none."""
        return next((name for name in ("query", "text") if name in self._fields), "")

    def page(
        self,
        query: Query,
        names: Names,
        flagged: list[str],
        order: tuple[Sort, bool],
        at: tuple[int, int],
    ) -> tuple[int, list[Row]]:
        """How many rows there are, and some of them.

        Args:
            query: Which rows.
            names: What the tables are called.
            flagged: Ids of flagged rows.
            order: What they are sorted by, and whether it falls.
            at: How many are passed over, and how many are wanted.
        """
        where, values = self._where(query, names, flagged)
        column, falls = order
        sort = f"{column} {'desc' if falls else 'asc'} nulls last, n"
        # The places of all, so that a search is made once for their number and for the page.
        places = self._arrow(
            f"select n from {self.names.rows} where {where} order by {sort}", values
        ).column("n")
        wanted = places.slice(*at).to_pylist()
        shown = self.at(wanted)
        return len(places), [shown[one] for one in wanted]

    def matching(self, query: Query, names: Names, flagged: list[str]) -> pa.Table:
        """Place and id of every row, in their order."""
        where, values = self._where(query, names, flagged)
        sql = f"select n, id from {self.names.rows} where {where} order by n"
        return self._arrow(sql, values)

    def points(
        self, query: Query, names: Names, flagged: list[str], places: str, color: str, limit: int
    ) -> tuple[int, pa.Table]:
        """How many rows are on the map, and place, coordinates and colour of at most `limit`."""
        where, values = self._where(query, names, flagged)
        sql = f"from {self.names.rows} join {places} using (n) where {where}"
        (total,) = self._ask(f"select count(*) {sql}", values).fetchall()[0]
        colors = {"reason": "reason", "origin": "origins[1]", "model": "models[1]"}
        sql = f"select n, x, y, {colors[color]} as color {sql} order by hash(n) limit ?"
        return int(total), self._arrow(sql, [*values, limit])

    def at(self, places: list[int]) -> dict[int, Row]:
        """Rows as the list shows them, by their places."""
        sql = f"select {_SHOWN} from {self.names.rows} where n in (select unnest(?::bigint[]))"
        return {row["n"]: row for row in _dicts(self._ask(sql, [places]))}

    def place_of(self, row_id: str) -> int | None:
        """The place of the row with an id."""
        sql = f"select n from {self.names.rows} where id = ? order by n limit 1"
        found = self._ask(sql, [row_id]).fetchall()
        return int(found[0][0]) if found else None

    def facets(self) -> dict[str, Any]:
        """What there is to filter by: values with how often they are there, and ranges."""
        listed = {name: self._counts(f"unnest({name}s)") for name in ("origin", "model", "prompt")}
        columns = ("length", "positive", "negative")
        sql = ", ".join(f"min({name}), max({name})" for name in columns)
        found = self._ask(f"select {sql} from {self.names.rows}", []).fetchall()[0]
        ranges = {
            name: {"least": found[2 * at], "most": found[2 * at + 1]}
            for at, name in enumerate(columns)
        }
        return {"reason": self._counts("reason"), **listed, "ranges": ranges}

    def _counts(self, what: str) -> list[Row]:
        inside = f"select {what} as value from {self.names.rows}"
        sql = f"""select value, count(*) as rows from ({inside}) where value is not null
            group by value order by rows desc, value limit {_LISTED_VALUES}"""
        return _dicts(self._ask(sql, []))

    def _where(self, query: Query, names: Names, flagged: list[str]) -> tuple[str, list[Any]]:
        if query.words:
            self._indexed.result()
        return query.where(names, flagged)

    def _ask(self, sql: str, values: list[Any]) -> duckdb.DuckDBPyConnection:
        # A cursor for each question: one connection answers one at a time.
        return self._database.cursor().execute(sql, values)

    def _arrow(self, sql: str, values: list[Any]) -> pa.Table:
        return self._database.cursor().sql(sql, params=values).to_arrow_table()

    def _make(self, name: str, sql: str) -> None:
        """Makes a table by a question to `found`: all rows, with the place of each as `n`."""
        files = parts.paths(self.step)
        if not files:
            empty = self.step.schema.empty_table()  # noqa: F841  (DuckDB finds it by its name)
            found = "select 0::bigint as n, * from empty"
            self._database.cursor().execute(f"create table {name} as with found as ({found}) {sql}")
            return
        firsts = [0, *accumulate(part.rows for part in self.step.record.parts)][:-1]
        found = """select first + file_row_number as n, * from
            read_parquet(?, filename = 'file', file_row_number = true)
            join (select unnest(?) as file, unnest(?::bigint[]) as first) using (file)"""
        self._ask(f"create table {name} as with found as ({found}) {sql}", [files, files, firsts])

    def _index(self) -> None:
        """Each text once, since most negatives of a row are negatives of others too."""
        texts = f"select n, unnest({self._texts()}) as text from found"
        self._make(self.names.uses, f"select distinct n, hash(text) as hash from ({texts})")
        self._make(
            self.names.texts,
            f"""select hash(text) as hash, lower(any_value(text)) as hay from ({texts})
            where text is not null group by all""",
        )

    def _columns(self) -> str:
        title = self.title or "null::varchar"
        passage = "positives[1].text" if "positives" in self._fields else "null::varchar"
        positive, negative = _best("positives", self._fields), _best("negatives", self._fields)
        found = {
            "id": "id",
            "reason": "drop_reason",
            "title": f"left({title}, {_SHOWN_CHARS})",
            "passage": f"left({passage}, {_SHOWN_CHARS})",
            "length": f"length({title})",
            "positive": positive,
            "negative": negative,
            "margin": f"{positive} - {negative}",
            "negatives": "len(negatives)" if "negatives" in self._fields else "null::bigint",
            "origins": _distinct("negatives", "origin", self._fields),
            "models": self._made_by("model"),
            "prompts": self._made_by("prompt"),
        }
        return ", ".join(f"{sql} as {name}" for name, sql in found.items())

    def _made_by(self, what: str) -> str:
        own = f"[provenance.{what}]" if "provenance" in self._fields else "[]::varchar[]"
        edits = _distinct("edits", what, self._fields)
        return f"list_distinct(list_concat({own}, {edits}))"

    def _texts(self) -> str:
        """All texts of a row as a list."""
        own = [
            f'"{name.replace(chr(34), chr(34) * 2)}"'
            for name, kind in self._fields.items()
            if pa.types.is_string(kind) and name not in _NO_WORDS
        ]
        texts = f"[{', '.join(own)}]"
        for name in ("positives", "negatives", "rejected_negatives"):
            if name in self._fields:
                entries = f"list_transform(coalesce({name}, []), lambda one: one.text)"
                texts = f"list_concat({texts}, {entries})"
        return texts


def _best(name: str, fields: dict[str, pa.DataType]) -> str:
    """The best score of a list; one that is not a number is none."""
    if name not in fields:
        return "null::double"
    scores = f"list_transform({name}, lambda one: one.score)"
    real = f"list_filter({scores}, lambda one: isfinite(one))"
    return f"round(list_max({real})::double, 6)"


def _distinct(name: str, what: str, fields: dict[str, pa.DataType]) -> str:
    if name not in fields:
        return "[]::varchar[]"
    return f"list_sort(list_distinct(list_transform(coalesce({name}, []), lambda one: one.{what})))"


def _dicts(found: duckdb.DuckDBPyConnection) -> list[Row]:
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
