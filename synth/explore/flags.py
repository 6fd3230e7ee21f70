"""Rows and texts that a person has flagged, in a file that outlives the page."""

from __future__ import annotations

import threading

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from synth.core.drop_list import Listed
from synth.core.errors import StorageError
from synth.inputs.files import Folder

FLAGS_FILE = "_flags.json"


class Flag(BaseModel):
    """One flag.

    Attributes:
        id: The row.
        entry: A positive or negative of the row, where that is what is wrong.
        step: The step at which it was seen.
        note: Why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    entry: str | None = Field(default=None, min_length=1)
    step: str = ""
    note: str = Field(default="", max_length=10_000)

    @property
    def listed(self) -> Listed:
        """The same as a line of a drop list."""
        return Listed(self.id, self.entry, self.note)


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    flags: tuple[Flag, ...] = ()


class Flags:
    """The flags in a file; it is read anew before each change, so that two pages lose nothing."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self._lock = threading.Lock()
        self.all()

    def all(self) -> list[Flag]:
        """All flags in the order in which they were set.

        Raises:
            StorageError: If the file is something else.
        """
        if not self._folder.exists(self._name):
            return []
        try:
            return list(_Kept.model_validate_json(self._folder.read(self._name)).flags)
        except ValidationError as error:
            where = f"{self._folder.url}/{self._name}"
            raise StorageError(
                f"{where} holds no flags of `synth explore`; repair it, or move it away"
            ) from error

    def set(self, flag: Flag, *, on: bool) -> list[Flag]:
        """Sets a flag, or takes it away; all flags after it.

        Raises:
            StorageError: If the file cannot be written.
        """
        with self._lock:
            before = self.all()
            found = [one for one in before if (one.id, one.entry) != (flag.id, flag.entry)]
            if on:
                found.append(flag)
            kept = _Kept(flags=tuple(found)).model_dump(mode="json", exclude_none=True)
            self._folder.write(self._name, orjson.dumps(kept, option=orjson.OPT_INDENT_2))
            return found

    def row_ids(self) -> list[str]:
        """The ids of rows that are flagged, or a text of whose lists is."""
        return list(dict.fromkeys(one.id for one in self.all()))
