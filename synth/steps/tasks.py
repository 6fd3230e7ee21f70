"""Work that is cut into functions of tables, to be run in this process or by tasks of Ray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

# A value, or a promise of it: what one function returns and another takes.
Value = Any


class Tasks(Protocol):
    """Where functions are run."""

    def run(self, function: Callable[..., Any], *args: Value, returns: int | None = None) -> Value:
        """What the function returns.

        Args:
            function: Of a module, by whose name it is found.
            args: Values, or promises of them.
            returns: How many values it returns in a list, each promised by itself; None where it
                returns one value.
        """
        ...

    def get(self, promised: Sequence[Value]) -> list[Any]:
        """The values themselves."""
        ...


class Here:
    """This process."""

    def run(
        self,
        function: Callable[..., Any],
        *args: Value,
        returns: int | None = None,  # noqa: ARG002
    ) -> Value:
        """What the function returns."""
        return function(*args)

    def get(self, promised: Sequence[Value]) -> list[Any]:
        """The same values."""
        return list(promised)
